//! A call that runs, and what is said of it when it has ended.

use super::job::Job;
use crate::{
    ids::CallId,
    machine::{
        approval::{may_run_again, was_denied},
        settings::Settings,
        turn::CallEnd,
    },
    tool::output::{self, AnswerForm, OutputBuffer},
    wire::event::{EventMsg, ExecCommandEnd},
};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Running {
    pub(super) job: Job,
    pub(super) since: Instant,
    pub(super) output: OutputBuffer,
    pub(super) ending: Option<Ending>,
    /// Its executor died.
    pub(super) orphaned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    TimedOut,
    Aborted,
}

impl Running {
    pub(super) fn new(job: Job, since: Instant) -> Self {
        Self { job, since, output: OutputBuffer::default(), ending: None, orphaned: false }
    }

    /// Whether it is worth asking if it may run again without the sandbox.
    pub(super) fn failed_at_the_sandbox(&self, end: &CallEnd, settings: &Settings) -> bool {
        self.ending.is_none()
            && may_run_again(settings, self.job.confinement())
            && was_denied(end, &self.output.aggregated_text())
    }

    pub(super) fn text_for_model(&self, end: &CallEnd, duration: Duration, form: AnswerForm) -> String {
        match (self.ending, end) {
            (None, CallEnd::Inspected(Err(why))) => why.clone(),
            // What is done is done, whatever was to become of it.
            (_, CallEnd::Exited(0)) if self.is_patch() => self.shell_output(0, duration, form),
            (Some(Ending::Aborted), _) if self.is_patch() => output::aborted_tool(duration),
            (Some(Ending::Aborted), _) => output::aborted_command(duration),
            (_, CallEnd::NotStarted(why)) => output::spawn_error(why),
            (_, CallEnd::Lost) => output::spawn_error("the command was lost with its executor; it was ended"),
            (Some(Ending::TimedOut), _) => {
                let body = output::timed_out(self.job.timeout(), &self.output.model_text());
                form.shell_output(&body, output::TIMEOUT_EXIT_CODE, duration)
            }
            (None, _) => self.shell_output(self.exit_code(end), duration, form),
        }
    }

    fn is_patch(&self) -> bool {
        !matches!(self.job, Job::Command(_))
    }

    fn shell_output(&self, exit_code: i32, duration: Duration, form: AnswerForm) -> String {
        form.shell_output(&self.output.model_text(), exit_code, duration)
    }

    /// `text`: what the model is told.
    pub(super) fn end_event(&self, shown: &CallId, end: &CallEnd, duration: Duration, text: &str) -> Option<EventMsg> {
        match &self.job {
            Job::Command(_) => Some(EventMsg::ExecCommandEnd(Box::new(ExecCommandEnd {
                call_id: shown.clone(),
                stdout: self.output.stdout_text(),
                stderr: self.output.stderr_text(),
                aggregated_output: self.output.aggregated_text(),
                exit_code: self.exit_code(end),
                duration,
                formatted_output: text.to_owned(),
            }))),
            Job::Inspection(_) => None,
            Job::Application(_) => Some(EventMsg::PatchApplyEnd {
                call_id: shown.clone(),
                stdout: self.output.stdout_text(),
                stderr: self.complaint(end, text),
                success: *end == CallEnd::Exited(0),
            }),
        }
    }

    /// A patch that could not even be tried has nothing to say for itself.
    fn complaint(&self, end: &CallEnd, text: &str) -> String {
        let said = self.output.stderr_text();
        if said.is_empty() && *end != CallEnd::Exited(0) { text.to_owned() } else { said }
    }

    fn exit_code(&self, end: &CallEnd) -> i32 {
        match (self.ending, end) {
            (Some(Ending::TimedOut), CallEnd::Exited(_) | CallEnd::Signalled(_)) => output::TIMEOUT_EXIT_CODE,
            (_, CallEnd::Exited(code)) => *code,
            (_, CallEnd::Signalled(signal)) => 128 + signal,
            (_, CallEnd::NotStarted(_) | CallEnd::Lost | CallEnd::Inspected(_)) => -1,
        }
    }
}
