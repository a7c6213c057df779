//! The UI that the demo plays: what it sends and hears is shown and kept.

use super::{
    Stage,
    engine_process::EngineProcess,
    palette::Tone,
    shown,
    transcript::{Passed, Transcript},
};
use llmx_protocol::{
    ids::ResponseId,
    wire::{
        event::{Event, EventMsg},
        item::UserInput,
        op::{ConfigureSession, Op},
        policy::AskForApproval,
        submission::Submission,
    },
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the engine may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How fast the demo is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The model types, and the user thinks before acting.
    ForPeople,
    /// Without any pause.
    Immediate,
}

/// Why a flow was not played to its end.
pub(super) enum Stopped {
    /// The engine did not do its part.
    Engine(String),
    /// Nobody can be shown anything.
    Screen(io::Error),
}

impl Stopped {
    fn engine(why: impl std::fmt::Display) -> Self {
        Self::Engine(why.to_string())
    }
}

/// A UI with its engine.
pub(super) struct Ui<'a, 'b> {
    stage: &'a mut Stage<'b>,
    engine: EngineProcess,
    pub(super) transcript: Transcript,
}

impl<'a, 'b> Ui<'a, 'b> {
    /// Starts an engine whose model plays a recording.
    pub(super) fn start(stage: &'a mut Stage<'b>, recording: &Path) -> Result<Self, Stopped> {
        let mut arguments: Vec<String> =
            stage.overrides.iter().flat_map(|given| ["-c".into(), given.clone()]).collect();
        let recording = toml_string(recording)?;
        for setting in ["model_provider=\"replay\"".to_owned(), format!("model_providers.replay.recording={recording}")]
        {
            arguments.extend(["-c".to_owned(), setting]);
        }
        let home = stage.project.home().display();
        let command = format!("$ LLMX_HOME={home} llmx proto {}", arguments.join(" "));
        stage.screen.line(Tone::Faint, &command).map_err(Stopped::Screen)?;
        let engine = EngineProcess::start(stage.project.home(), &arguments).map_err(Stopped::engine)?;
        Ok(Self { stage, engine, transcript: Transcript::default() })
    }

    /// Where the model works.
    pub(super) fn directory(&self) -> PathBuf {
        self.stage.project.directory().to_owned()
    }

    /// Sends a submission.
    pub(super) fn submit(&mut self, id: &str, op: Op) -> Result<(), Stopped> {
        let submission = Submission { id: id.into(), op };
        let line = serde_json::to_string(&submission).map_err(Stopped::engine)?;
        self.stage.screen.sent(&line, &shown::submission(&submission)).map_err(Stopped::Screen)?;
        self.transcript.0.push(Passed::Sent(submission));
        self.engine.send(&line).map_err(|error| Stopped::engine(format_args!("llmx proto does not read: {error}")))
    }

    /// Makes the session.
    pub(super) async fn configure(&mut self, approval: AskForApproval) -> Result<(), Stopped> {
        let configure = ConfigureSession {
            cwd: Some(self.directory()),
            model: Some("replayed".into()),
            approval_policy: Some(approval),
            sandbox_policy: Some(self.stage.sandbox.clone()),
            ..ConfigureSession::default()
        };
        self.submit("c1", Op::ConfigureSession(Box::new(configure)))?;
        match self.next().await?.msg {
            EventMsg::SessionConfigured(_) => Ok(()),
            _ => Err(Stopped::engine("the session was not configured")),
        }
    }

    /// Says something to the model.
    pub(super) fn say(&mut self, id: &str, text: &str, from: Option<ResponseId>) -> Result<(), Stopped> {
        let items = vec![UserInput::Text { text: text.to_owned() }];
        self.submit(id, Op::UserInput { items, last_response_id: from })
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> Result<Event, Stopped> {
        let line = tokio::time::timeout(PATIENCE, self.engine.next()).await;
        let line = line.map_err(|_| Stopped::Engine(format!("nothing was heard for {} s", PATIENCE.as_secs())))?;
        let line = line.ok_or_else(|| Stopped::engine("llmx proto ended early"))?;
        self.heard(&line.map_err(Stopped::engine)?)
    }

    fn heard(&mut self, line: &str) -> Result<Event, Stopped> {
        let event: Event = serde_json::from_str(line)
            .map_err(|error| Stopped::engine(format_args!("a line is no event: {error}: {line}")))?;
        let shown = shown::event(line, &event);
        self.stage.screen.heard(line, &shown).map_err(Stopped::Screen)?;
        self.transcript.0.push(Passed::Heard(shown.name, Box::new(event.clone())));
        Ok(event)
    }

    /// A pause for people, such as a user makes before acting.
    pub(super) async fn think(&self, pause: Duration) {
        if self.stage.pace == Pace::ForPeople {
            tokio::time::sleep(pause).await;
        }
    }

    /// Says that nothing more comes, hears the rest; gives back the engine's exit code.
    pub(super) async fn finish(&mut self) -> Result<i32, Stopped> {
        self.engine.close_input();
        while let Ok(Some(line)) = tokio::time::timeout(PATIENCE, self.engine.next()).await {
            self.heard(&line.map_err(Stopped::engine)?)?;
        }
        let status = self.engine.ended().await.map_err(Stopped::engine)?;
        self.stage.screen.line(Tone::Faint, &format!("llmx proto: {status}")).map_err(Stopped::Screen)?;
        status.code().ok_or_else(|| Stopped::engine(status))
    }
}

/// The path as TOML has it, so that no character of it means anything.
fn toml_string(path: &Path) -> Result<String, Stopped> {
    let text = path.to_str().ok_or_else(|| Stopped::engine("the temporary directory's name is not UTF-8"))?;
    serde_json::to_string(text).map_err(Stopped::engine)
}
