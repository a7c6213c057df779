use super::Invariant;
use crate::world::Event;
use std::collections::HashSet;

/// A command's output lies between its begin and its end, a patch ends after it begins, and all of them have ended when
/// their task has.
#[derive(Debug, Default)]
pub struct CallsKeepTheirOrder {
    /// Task and call of what runs.
    running: HashSet<(String, String)>,
}

impl Invariant for CallsKeepTheirOrder {
    fn observe(&mut self, event: &Event) -> Result<(), String> {
        let call = || (event.id.clone(), event.text("call_id").to_owned());
        let fits = match event.kind() {
            "exec_command_begin" | "patch_apply_begin" => self.running.insert(call()),
            "exec_command_output_delta" => self.running.contains(&call()),
            "exec_command_end" | "patch_apply_end" => self.running.remove(&call()),
            _ if event.ends_a_task() => self.running.iter().all(|(task, _)| *task != event.id),
            _ => true,
        };
        if fits { Ok(()) } else { Err(format!("does not fit the commands that run: {:?}", self.running)) }
    }
}
