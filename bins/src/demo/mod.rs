//! `llmx demo`: both flows of `spec/protocol-v1.md`, played through a real `llmx proto` against a replayed model.
//!
//! The demo is a UI like any other: it starts the engine as a child process and knows of it only what crosses the
//! wire. What it claims at the end it has seen for itself: it runs the test, reads the file, looks for the processes.

mod checks;
mod engine_process;
mod fix_flow;
mod interrupt_flow;
mod palette;
mod project;
mod recordings;
mod screen;
mod shown;
mod transcript;
mod ui;

use self::{
    checks::Check,
    palette::{Palette, Tone},
    project::{Project, Versioned},
    screen::Screen,
    ui::{Pace, Stopped},
};
use crate::{cli::DemoArguments, exit};
use llmx_actors::executor::{process::HelperPath, sandbox::enforcement};
use llmx_protocol::{machine::settings::Enforcement, wire::policy::SandboxPolicy};
use std::{
    io::{self, IsTerminal, Stdout},
    process::ExitCode,
};
use tokio::signal::unix::{SignalKind, signal};

const ABOUT: [&str; 2] = [
    "The model is replayed from a recording: no network, no key. All else is real: `llmx proto` is run",
    "as a child process, it asks the model over HTTP on this machine, and commands really run.",
];

/// In characters.
const LONGEST_REASON: usize = 100;

/// Plays both flows; 0 only if everything was as it should be.
pub(crate) fn run(overrides: &[String], arguments: &DemoArguments) -> ExitCode {
    let code = actix_rt::System::new().block_on(play_until_signal(overrides, arguments));
    code.unwrap_or_else(exit::cannot_start)
}

/// A signal drops the play, and with it the child and the temporary directory.
async fn play_until_signal(overrides: &[String], arguments: &DemoArguments) -> io::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let code = tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
        played = play(overrides, arguments) => match played {
            Ok(true) => exit::DONE,
            Ok(false) => exit::CANNOT_START,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::OUTPUT_CLOSED,
            Err(error) => return Err(error),
        },
    };
    Ok(ExitCode::from(code))
}

/// Whether every check held. An error: there is nowhere to play, or nobody to play to.
async fn play(overrides: &[String], arguments: &DemoArguments) -> io::Result<bool> {
    let on_terminal = io::stdout().is_terminal();
    let pace = if on_terminal && !arguments.fast { Pace::ForPeople } else { Pace::Immediate };
    let palette = Palette::for_terminal(on_terminal, |name| std::env::var_os(name));
    let mut screen = Screen::new(io::stdout(), palette, arguments.raw);
    let project = Project::make(pace)?;
    let found = enforcement(&HelperPath::this_program(), false);
    header(&mut screen, &project, &found)?;
    let sandbox = if found == Enforcement::Full { workspace_write() } else { SandboxPolicy::DangerFullAccess };
    let mut stage = Stage { screen, project, pace, sandbox, overrides };
    let mut checks = fix_flow::play(&mut stage).await?;
    checks.extend(interrupt_flow::play(&mut stage).await?);
    summary(&mut stage.screen, &checks)
}

/// What both flows play on.
struct Stage<'a> {
    screen: Screen<Stdout>,
    project: Project,
    pace: Pace,
    sandbox: SandboxPolicy,
    overrides: &'a [String],
}

fn workspace_write() -> SandboxPolicy {
    SandboxPolicy::WorkspaceWrite {
        writable_roots: Vec::new(),
        network_access: false,
        exclude_tmpdir_env_var: false,
        exclude_slash_tmp: false,
    }
}

fn header(screen: &mut Screen<Stdout>, project: &Project, found: &Enforcement) -> io::Result<()> {
    screen.line(Tone::Strong, "llmx demo")?;
    for text in ABOUT {
        screen.line(Tone::Plain, text)?;
    }
    let directory = project.directory().display();
    screen.line(Tone::Plain, &format!("They work in {directory}, which is removed at the end."))?;
    match found {
        Enforcement::Full => screen.line(Tone::Plain, "The sandbox keeps them to that and to temporary files.")?,
        Enforcement::Degraded { why, .. } | Enforcement::None(why) => {
            screen.line(Tone::Question, &format!("Nothing confines them, for there is no sandbox here: {why}."))?;
        }
    }
    if let Versioned::No(why) = project.versioned() {
        screen.line(Tone::Plain, &format!("It is no git repository: {why}. The demo goes on without."))?;
    }
    screen.line(Tone::Faint, "→ what a UI sends   ← what llmx answers")
}

fn summary(screen: &mut Screen<Stdout>, checks: &[Check]) -> io::Result<bool> {
    screen.heading("Checks")?;
    for check in checks {
        match &check.result {
            Ok(()) => screen.line(Tone::Good, &format!("✓ {}", check.claim))?,
            Err(why) => screen.line(Tone::Bad, &format!("✗ {}: {}", check.claim, beginning(why)))?,
        }
    }
    let failed = checks.iter().filter(|check| check.result.is_err()).count();
    match failed {
        0 => screen.line(Tone::Strong, &format!("All {} checks hold.", checks.len()))?,
        _ => screen.line(Tone::Bad, &format!("{failed} of {} checks do not hold.", checks.len()))?,
    }
    Ok(failed == 0)
}

/// Enough of a reason to recognize it; the whole of it passed above.
fn beginning(why: &str) -> String {
    let line = why.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
