//! The second flow of `spec/protocol-v1.md`: interrupt a long command, go on from the bookmark.

use super::{
    Stage, Stopped,
    checks::{Check, check, same, that},
    recordings, shown,
    transcript::Transcript,
    ui::Ui,
};
use llmx_protocol::{
    ids::ResponseId,
    wire::{
        event::{Event, EventMsg},
        op::Op,
        policy::AskForApproval,
    },
};
use rustix::process::{Pid, test_kill_process};
use std::{fs, io, path::Path, time::Duration};

/// What passes, in this order.
const LINES: [&str; 21] = [
    "→ configure_session",
    "← session_configured",
    "→ user_input",
    "← task_started",
    "← agent_message",
    "← exec_command_begin",
    "← exec_command_end",
    "← turn_complete",
    "← exec_command_begin",
    "→ interrupt",
    "← exec_command_end",
    "← turn_aborted",
    "← error",
    "→ user_input",
    "← task_started",
    "← exec_command_begin",
    "← exec_command_end",
    "← turn_complete",
    "← agent_message",
    "← turn_complete",
    "← task_complete",
];

/// Plays it; an error only if nobody can be shown anything.
pub(super) async fn play(stage: &mut Stage<'_>) -> io::Result<Vec<Check>> {
    stage.screen.heading("2. Interrupt a long command, go on from the bookmark")?;
    match talk(stage).await {
        Ok(played) => Ok(checks(&Ok(played))),
        Err(Stopped::Engine(why)) => Ok(checks(&Err(why))),
        Err(Stopped::Screen(error)) => Err(error),
    }
}

async fn talk(stage: &mut Stage<'_>) -> Result<Played, Stopped> {
    let recording = stage.project.recording(recordings::INTERRUPT.name);
    let mut ui = Ui::start(stage, &recording)?;
    ui.configure(AskForApproval::Never).await?;
    ui.think(Duration::from_millis(500)).await;
    ui.say("u1", "Run the soak test.", None)?;
    let bookmark = first_bookmark(&mut ui).await?;
    let processes = processes_of_soak_test(&mut ui).await?;
    ui.think(Duration::from_millis(1200)).await;
    let running = living(&processes);
    ui.submit("i1", Op::Interrupt)?;
    let interrupted = end_of_task(&mut ui).await?;
    let left_over = living(&processes);
    ui.think(Duration::from_millis(700)).await;
    ui.say("u2", "One second is enough.", Some(bookmark))?;
    let continued = end_of_task(&mut ui).await?;
    let exit_code = ui.finish().await?;
    Ok(Played { transcript: ui.transcript, processes, running, interrupted, left_over, continued, exit_code })
}

async fn first_bookmark(ui: &mut Ui<'_, '_>) -> Result<ResponseId, Stopped> {
    loop {
        match ui.next().await?.msg {
            EventMsg::TurnComplete { response_id: Some(id) } => return Ok(id),
            msg if msg.ends_a_task() => return Err(ended_early()),
            _ => {}
        }
    }
}

/// Waits until the soak test says that it runs, and looks for its processes: it knows them by other numbers where it
/// runs in a sandbox.
async fn processes_of_soak_test(ui: &mut Ui<'_, '_>) -> Result<Vec<i32>, Stopped> {
    let mut output = String::new();
    loop {
        match ui.next().await?.msg {
            EventMsg::ExecCommandOutputDelta { chunk, .. } => output.push_str(&shown::written(&chunk)),
            msg if msg.ends_a_task() => return Err(ended_early()),
            _ => {}
        }
        if is_waiting(&output) {
            return Ok(processes_in(&ui.directory()));
        }
    }
}

async fn end_of_task(ui: &mut Ui<'_, '_>) -> Result<Event, Stopped> {
    loop {
        let event = ui.next().await?;
        if event.msg.ends_a_task() {
            return Ok(event);
        }
    }
}

fn ended_early() -> Stopped {
    Stopped::Engine("the task ended early".to_owned())
}

/// Whether the soak test said so, in a whole line.
fn is_waiting(output: &str) -> bool {
    output.split_once("waiting ").is_some_and(|(_, rest)| rest.contains('\n'))
}

/// Those that work in a directory.
fn processes_in(directory: &Path) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_there = |number: &i32| fs::read_link(format!("/proc/{number}/cwd")).is_ok_and(|cwd| cwd == directory);
    numbers.filter(is_there).collect()
}

/// Those that exist.
fn living(processes: &[i32]) -> Vec<i32> {
    let exists = |number: i32| Pid::from_raw(number).is_some_and(|process| test_kill_process(process).is_ok());
    processes.iter().copied().filter(|number| exists(*number)).collect()
}

/// What the demo saw of this flow.
struct Played {
    transcript: Transcript,
    /// The soak test's.
    processes: Vec<i32>,
    /// Those of them that ran when the user interrupted.
    running: Vec<i32>,
    /// The last event of the first task.
    interrupted: Event,
    /// Those that still existed after it.
    left_over: Vec<i32>,
    /// The last event of the second task.
    continued: Event,
    exit_code: i32,
}

fn checks(played: &Result<Played, String>) -> Vec<Check> {
    let of_play = |judge: &dyn Fn(&Played) -> Result<(), String>| match played {
        Ok(played) => judge(played),
        Err(why) => Err(why.clone()),
    };
    vec![
        check("everything passed as the second flow says", of_play(&|p| p.transcript.has_exactly(&LINES))),
        check("the soak test ran, with a process of its own, when it was interrupted", of_play(&was_running)),
        check(
            "the interrupt ended its task with the error `interrupted`",
            of_play(&|p| ended_as_interrupted(&p.interrupted)),
        ),
        check("none of its processes was left by then", of_play(&|p| same(&vec![], &p.left_over))),
        check(
            "the bookmark was accepted, and the task that began there went well",
            of_play(&|p| went_well(&p.continued)),
        ),
        check("the shorter soak test passed", of_play(&|p| same(&Some(&0), &p.transcript.exit_codes().last()))),
        check("the events are numbered without a gap", of_play(&|p| p.transcript.is_numbered_without_gap())),
        check("llmx proto ended with exit code 0", of_play(&|p| same(&0, &p.exit_code))),
    ]
}

fn was_running(played: &Played) -> Result<(), String> {
    that(played.processes.len() >= 2, "it had fewer than two processes")?;
    same(&played.processes, &played.running)
}

fn ended_as_interrupted(event: &Event) -> Result<(), String> {
    same(&"u1", &event.id.as_str())?;
    same(&EventMsg::error("interrupted"), &event.msg)
}

fn went_well(event: &Event) -> Result<(), String> {
    same(&"u2", &event.id.as_str())?;
    match &event.msg {
        EventMsg::TaskComplete { .. } => Ok(()),
        EventMsg::Error { message } => Err(message.clone()),
        other => Err(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::checks::failed_claims, *};
    use std::process::{Command, Stdio};

    fn event(id: &str, msg: EventMsg) -> Event {
        Event { id: id.into(), seq: 1, msg }
    }

    fn done() -> EventMsg {
        EventMsg::TaskComplete { last_agent_message: None }
    }

    fn played() -> Played {
        Played {
            transcript: Transcript::made_up(&LINES, &[0, 143, 0]),
            processes: vec![5, 6],
            running: vec![5, 6],
            interrupted: event("u1", EventMsg::error("interrupted")),
            left_over: vec![],
            continued: event("u2", done()),
            exit_code: 0,
        }
    }

    #[track_caller]
    fn check_fails(played: Played, claim: &str) {
        let failed = failed_claims(&checks(&Ok(played)));
        assert!(failed.len() == 1 && failed[0].contains(claim), "{failed:?} instead of {claim}");
    }

    #[test]
    fn what_went_wrong_is_told() {
        assert_eq!(failed_claims(&checks(&Ok(played()))), [""; 0]);
        check_fails(Played { left_over: vec![6], ..played() }, "left by then: expected [], got [6]");
        check_fails(Played { running: vec![5], ..played() }, "when it was interrupted: expected [5, 6], got [5]");
        check_fails(Played { processes: vec![], running: vec![], ..played() }, "fewer than two processes");
        check_fails(Played { interrupted: event("u1", done()), ..played() }, "the error `interrupted`");
        check_fails(Played { interrupted: event("u2", EventMsg::error("interrupted")), ..played() }, "`interrupted`");
        check_fails(Played { continued: event("u2", EventMsg::error("not known")), ..played() }, "well: not known");
        check_fails(Played { transcript: Transcript::made_up(&LINES, &[0, 143, 1]), ..played() }, "soak test passed");
        check_fails(Played { exit_code: 1, ..played() }, "exit code 0: expected 0, got 1");
    }

    #[test]
    fn a_flow_that_was_not_played_to_its_end_proves_nothing() {
        let failed = failed_claims(&checks(&Err("silence".to_owned())));
        assert!(failed.len() == 8 && failed.iter().all(|claim| claim.ends_with(": silence")), "{failed:?}");
    }

    #[test]
    fn the_soak_test_waits_once_the_line_is_whole() {
        let check = |output: &str, expected: bool| assert_eq!(is_waiting(output), expected, "{output:?}");
        check("waiting 300 s\n", true);
        check("waiting 300 s", false);
        check("wait\n", false);
    }

    #[test]
    fn processes_are_found_by_their_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        assert_eq!(processes_in(&path), [0; 0]);
        let mut child = Command::new("cat").stdin(Stdio::piped()).current_dir(&path).spawn().unwrap();
        assert_eq!(processes_in(&path), [i32::try_from(child.id()).unwrap()]);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_lives_until_it_is_reaped() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let number = i32::try_from(child.id()).unwrap();
        assert_eq!(living(&[number]), [number]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(living(&[number, 0]), [0; 0]);
    }
}
