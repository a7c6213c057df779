//! One session: carries out what its machine decides.

mod actor;
mod messages;
mod unanswered;

pub use self::{
    actor::{Session, SessionParts},
    messages::{AdoptedThread, ExecutorId, Join, Leave, NoMoreInput, SessionFinished, Submit, TellSettings},
    unanswered::Unanswered,
};
