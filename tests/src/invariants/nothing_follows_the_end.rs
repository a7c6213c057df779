use super::Invariant;
use crate::world::Event;
use std::collections::HashMap;

/// A task has exactly one terminal event, and nothing with its id comes after that.
#[derive(Debug, Default)]
pub struct NothingFollowsTheEnd {
    /// Whether the task of that name is over.
    over: HashMap<String, bool>,
}

impl Invariant for NothingFollowsTheEnd {
    fn observe(&mut self, event: &Event) -> Result<(), String> {
        match self.over.get_mut(&event.id) {
            Some(true) => Err(format!("task {:?} is over", event.id)),
            Some(over) => {
                *over = event.ends_a_task();
                Ok(())
            }
            None => {
                if event.kind() == "task_started" {
                    self.over.insert(event.id.clone(), false);
                }
                Ok(())
            }
        }
    }
}
