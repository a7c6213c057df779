//! A session with everyone who follows it: the shell around [`surface`](llmx_protocol::surface).

mod actor;
mod followers;
mod messages;
mod shown;
mod subscriber;

pub use self::actor::LoadedThread;
pub(super) use self::{
    actor::ThreadParts,
    messages::{Decide, Detach, ThreadCall, ThreadNumber},
};
