//! What a call comes to: a command, or a patch, which is looked at first and applied then.

use crate::{
    command,
    ids::CallId,
    machine::{
        approval::{CallKey, Confinement, Question, RETRY_REASON, Request},
        settings::Settings,
        turn::{Inspected, StartCall, Work},
    },
    patch::Patch,
    tool::{
        apply_patch, output,
        shell::{DEFAULT_TIMEOUT, ShellCall},
    },
    wire::{
        event::{ApplyPatchApprovalRequest, EventMsg, ExecApprovalRequest, ExecCommandBegin},
        file_change::FileChange,
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Of the paths that a patch writes where it may not, so many are named to the person who is asked.
const PATHS_NAMED: usize = 5;

#[derive(Clone, Debug)]
pub(super) enum Job {
    Command(Command),
    Inspection(Inspection),
    Application(Application),
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) call: ShellCall,
    pub(super) cwd: PathBuf,
    pub(super) confinement: Confinement,
}

/// A look at the files of a patch. It writes nothing.
#[derive(Clone, Debug)]
pub(super) struct Inspection {
    pub(super) patch: Arc<Patch>,
    pub(super) cwd: PathBuf,
    pub(super) timeout: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) found: Inspected,
    pub(super) timeout: Duration,
    pub(super) confinement: Confinement,
    /// Whether a person allowed it.
    pub(super) asked: bool,
}

impl Job {
    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Command(command) => command.call.timeout.unwrap_or(DEFAULT_TIMEOUT),
            Self::Inspection(inspection) => inspection.timeout,
            Self::Application(application) => application.timeout,
        }
    }

    pub(super) fn confinement(&self) -> Confinement {
        match self {
            Self::Command(command) => command.confinement,
            Self::Inspection(_) => Confinement::Unconfined,
            Self::Application(application) => application.confinement,
        }
    }

    /// The same without the sandbox.
    pub(super) fn unconfined(mut self) -> Self {
        match &mut self {
            Self::Command(command) => command.confinement = Confinement::Unconfined,
            Self::Inspection(_) => {}
            Self::Application(application) => application.confinement = Confinement::Unconfined,
        }
        self
    }

    /// The same, which only a person's word starts.
    pub(super) fn awaiting_approval(mut self) -> Self {
        if let Self::Application(application) = &mut self {
            application.asked = true;
        }
        self
    }

    pub(super) fn start(&self, call: CallKey, settings: &Settings) -> StartCall {
        StartCall {
            call,
            work: match self {
                Self::Command(command) => {
                    Work::Command { command: command.call.command.clone(), cwd: command.cwd.clone() }
                }
                Self::Inspection(inspection) => {
                    Work::Inspect { patch: inspection.patch.clone(), cwd: inspection.cwd.clone() }
                }
                Self::Application(application) => Work::Apply { plan: application.found.plan.clone() },
            },
            confinement: self.confinement(),
            sandbox_policy: settings.sandbox_policy.clone(),
            session_cwd: settings.cwd.clone(),
        }
    }

    pub(super) fn begin(&self, shown: &CallId, settings: &Settings) -> Option<EventMsg> {
        match self {
            Self::Command(command) => Some(EventMsg::ExecCommandBegin(ExecCommandBegin {
                call_id: shown.clone(),
                command: command.call.command.clone(),
                cwd: command.cwd.clone(),
                parsed_cmd: command::parsed(&command.call.command),
                is_user_shell_command: false,
            })),
            Self::Inspection(_) => None,
            Self::Application(application) => Some(EventMsg::PatchApplyBegin {
                call_id: shown.clone(),
                auto_approved: !application.asked,
                changes: application.changes(&settings.cwd),
            }),
        }
    }

    /// What the model is told when a person says no.
    pub(super) fn rejection(&self) -> &'static str {
        match self {
            Self::Command(_) => output::REJECTED,
            Self::Inspection(_) | Self::Application(_) => apply_patch::REJECTED_BY_USER,
        }
    }

    /// May it run? Nobody is asked whether files may be looked at.
    pub(super) fn question(&self, call: CallKey, shown: &CallId, settings: &Settings) -> Option<Question> {
        let (request, files) = match self {
            Self::Command(command) => (command.request(shown, command.call.justification.clone()), Vec::new()),
            Self::Inspection(_) => return None,
            Self::Application(application) => (application.request(shown, settings), application.files()),
        };
        Some(Question { call, request, confinement: self.confinement(), files })
    }

    /// It failed in the sandbox: may it run again without?
    pub(super) fn question_whether_again(
        &self,
        call: CallKey,
        shown: &CallId,
        settings: &Settings,
    ) -> Option<Question> {
        let reason = || Some(RETRY_REASON.to_owned());
        let (request, files) = match self {
            Self::Command(command) => (command.request(shown, reason()), Vec::new()),
            Self::Inspection(_) => return None,
            Self::Application(application) => {
                let command = vec!["apply_patch".to_owned()];
                let parsed_cmd = command::parsed(&command);
                let cwd = settings.cwd.clone();
                let request =
                    ExecApprovalRequest { call_id: shown.clone(), command, cwd, reason: reason(), parsed_cmd };
                (Request::Command(request), application.files())
            }
        };
        Some(Question { call, request, confinement: Confinement::Unconfined, files })
    }
}

impl Command {
    fn request(&self, shown: &CallId, reason: Option<String>) -> Request {
        Request::Command(ExecApprovalRequest {
            call_id: shown.clone(),
            parsed_cmd: command::parsed(&self.call.command),
            command: self.call.command.clone(),
            cwd: self.cwd.clone(),
            reason,
        })
    }
}

impl Application {
    fn changes(&self, cwd: &Path) -> BTreeMap<PathBuf, FileChange> {
        self.found.plan.file_changes_below(&self.found.base, cwd)
    }

    fn files(&self) -> Vec<PathBuf> {
        self.found.plan.touched_paths().map(Path::to_owned).collect()
    }

    fn request(&self, shown: &CallId, settings: &Settings) -> Request {
        let (call_id, changes) = (shown.clone(), self.changes(&settings.cwd));
        Request::Patch(ApplyPatchApprovalRequest { call_id, changes, reason: self.reason(settings) })
    }

    fn reason(&self, settings: &Settings) -> Option<String> {
        let outside = &self.found.outside;
        if outside.is_empty() || settings.sandbox_policy.is_unrestricted() {
            return None;
        }
        let named: Vec<_> = outside.iter().take(PATHS_NAMED).map(|path| path.display().to_string()).collect();
        let more = if outside.len() > PATHS_NAMED { ", …" } else { "" };
        let mode = settings.sandbox_policy.mode();
        Some(format!("writes where sandbox policy {mode} does not let it: {}{more}", named.join(", ")))
    }
}
