//! A session with everyone who follows it: the shell around [`surface`](llmx_protocol::surface).

mod actor;
mod beginning;
mod followers;
mod leaving;
mod messages;
mod review;
mod shown;
mod subscriber;
mod turns;

pub use self::actor::LoadedThread;
pub(super) use self::{
    actor::ThreadParts,
    beginning::Beginning,
    messages::{Decide, Detach, Look, MayGo, Renamed, ThreadCall, ThreadNumber},
};
