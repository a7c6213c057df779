//! One task: carries out what its machine decides.

mod actor;
mod messages;

pub use self::{
    actor::{Family, Task, TaskParts},
    messages::{BookmarkMade, QuestionAsked, SteerTask, StopTask, TaskFinished},
};
