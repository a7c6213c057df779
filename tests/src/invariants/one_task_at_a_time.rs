use super::Invariant;
use crate::world::Event;

/// A task starts after the one before it has ended.
#[derive(Debug, Default)]
pub struct OneTaskAtATime {
    running: Option<String>,
}

impl Invariant for OneTaskAtATime {
    fn observe(&mut self, event: &Event) -> Result<(), String> {
        if event.kind() == "task_started" {
            if let Some(running) = &self.running {
                return Err(format!("task {:?} starts while task {running:?} runs", event.id));
            }
            self.running = Some(event.id.clone());
        } else if event.ends_a_task() && self.running.as_ref() == Some(&event.id) {
            self.running = None;
        }
        Ok(())
    }
}
