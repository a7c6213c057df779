//! The first flow of `spec/protocol-v1.md`: approve a command, fix the file, run the test.

use super::{
    Stage, Stopped,
    checks::{Check, check, same, that},
    palette::Tone,
    project::TestRun,
    recordings,
    transcript::Transcript,
    ui::Ui,
};
use llmx_protocol::wire::{
    decision::ReviewDecision,
    event::{EventMsg, ExecApprovalRequest},
    op::Op,
    policy::AskForApproval,
};
use std::{io, time::Duration};

/// What passes, in this order. The test is approved for the session, so the second time nobody is asked.
const LINES: [&str; 23] = [
    "→ configure_session",
    "← session_configured",
    "→ user_input",
    "← task_started",
    "← agent_message",
    "← exec_approval_request",
    "→ exec_approval",
    "← exec_command_begin",
    "← exec_command_end",
    "← turn_complete",
    "← agent_message",
    "← apply_patch_approval_request",
    "→ patch_approval",
    "← patch_apply_begin",
    "← patch_apply_end",
    "← turn_diff",
    "← turn_complete",
    "← exec_command_begin",
    "← exec_command_end",
    "← turn_complete",
    "← agent_message",
    "← turn_complete",
    "← task_complete",
];

/// Plays it; an error only if nobody can be shown anything, or nothing can be seen.
pub(super) async fn play(stage: &mut Stage<'_>) -> io::Result<Vec<Check>> {
    stage.screen.heading("1. Approve a command, fix the file, run the test")?;
    let before = stage.project.run_test()?;
    let script_before = stage.project.greet_script()?;
    stage.screen.line(Tone::Plain, &format!("$ sh test.sh: exit code {}, before llmx starts", before.exit_code))?;
    let played = match talk(stage).await {
        Ok(played) => Ok(played),
        Err(Stopped::Engine(why)) => Err(why),
        Err(Stopped::Screen(error)) => return Err(error),
    };
    let after = stage.project.run_test()?;
    stage.screen.line(Tone::Plain, &format!("$ sh test.sh: exit code {}, now", after.exit_code))?;
    let changed = stage.project.greet_script()? != script_before;
    show_diff(stage)?;
    Ok(checks(&Seen { before, played, changed, after }))
}

async fn talk(stage: &mut Stage<'_>) -> Result<(Transcript, i32), Stopped> {
    let recording = stage.project.recording(recordings::FIX.name);
    let mut ui = Ui::start(stage, &recording)?;
    ui.configure(AskForApproval::Untrusted).await?;
    ui.think(Duration::from_millis(500)).await;
    ui.say("u1", "The test fails. Find out why and fix it.", None)?;
    let mut asked = 0;
    loop {
        let event = ui.next().await?;
        match event.msg {
            EventMsg::ExecApprovalRequest(request) => {
                asked += 1;
                ui.think(Duration::from_millis(700)).await;
                approve(&mut ui, &format!("a{asked}"), event.id.as_str(), &request)?;
            }
            EventMsg::ApplyPatchApprovalRequest(request) => {
                asked += 1;
                ui.think(Duration::from_millis(700)).await;
                let (id, call_id) = (event.id.to_string(), Some(request.call_id));
                let decision = ReviewDecision::Approved;
                ui.submit(&format!("a{asked}"), Op::PatchApproval { id, call_id, decision })?;
            }
            msg if msg.ends_a_task() => break,
            _ => {}
        }
    }
    let exit_code = ui.finish().await?;
    Ok((ui.transcript, exit_code))
}

/// The test may run again without a question; any other command only this once.
fn approve(ui: &mut Ui<'_, '_>, id: &str, task: &str, request: &ExecApprovalRequest) -> Result<(), Stopped> {
    let is_test = request.command == ["sh", "test.sh"];
    let decision = if is_test { ReviewDecision::ApprovedForSession } else { ReviewDecision::Approved };
    ui.submit(id, Op::ExecApproval { id: task.to_owned(), call_id: Some(request.call_id.clone()), decision })
}

fn show_diff(stage: &mut Stage<'_>) -> io::Result<()> {
    let Ok(diff) = stage.project.diff() else {
        return Ok(()); // said at the start
    };
    stage.screen.line(Tone::Plain, "$ git diff")?;
    for line in diff.lines() {
        let tone = match line.as_bytes().first() {
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            _ => Tone::Faint,
        };
        stage.screen.line(tone, line)?;
    }
    Ok(())
}

/// What the demo saw of this flow.
struct Seen {
    before: TestRun,
    /// What passed and the engine's exit code, or why it did not get so far.
    played: Result<(Transcript, i32), String>,
    changed: bool,
    after: TestRun,
}

fn checks(seen: &Seen) -> Vec<Check> {
    let of_play = |judge: &dyn Fn(&Transcript, i32) -> Result<(), String>| match &seen.played {
        Ok((transcript, exit_code)) => judge(transcript, *exit_code),
        Err(why) => Err(why.clone()),
    };
    vec![
        check("the test fails at first", that(seen.before.exit_code != 0, "it passes")),
        check(
            "everything passed as the first flow says, approvals before what they allow",
            of_play(&|t, _| t.has_exactly(&LINES)),
        ),
        check(
            "the test failed and then passed for the model, too",
            of_play(&|t, _| same(&vec![1, 0], &t.exit_codes())),
        ),
        check("the events are numbered without a gap", of_play(&|t, _| t.is_numbered_without_gap())),
        check("greet.sh is changed", that(seen.changed, "it is as it was")),
        check("the test passes now", same(&0, &seen.after.exit_code)),
        check("llmx proto ended with exit code 0", of_play(&|_, code| same(&0, &code))),
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::checks::failed_claims, *};

    fn seen() -> Seen {
        Seen {
            before: TestRun { exit_code: 1 },
            played: Ok((Transcript::made_up(&LINES, &[1, 0]), 0)),
            changed: true,
            after: TestRun { exit_code: 0 },
        }
    }

    #[track_caller]
    fn check_fails(seen: &Seen, claims: &[&str]) {
        let failed = failed_claims(&checks(seen));
        let as_expected = failed.len() == claims.len() && failed.iter().zip(claims).all(|(f, c)| f.contains(c));
        assert!(as_expected, "{failed:?} instead of {claims:?}");
    }

    #[test]
    fn what_went_wrong_is_told() {
        check_fails(&seen(), &[]);
        check_fails(&Seen { before: TestRun { exit_code: 0 }, ..seen() }, &["fails at first: it passes"]);
        check_fails(&Seen { after: TestRun { exit_code: 1 }, ..seen() }, &["passes now: expected 0, got 1"]);
        check_fails(&Seen { changed: false, ..seen() }, &["greet.sh is changed"]);
        let played = Ok((Transcript::made_up(&LINES, &[1, 1]), 70));
        check_fails(&Seen { played, ..seen() }, &["for the model", "exit code 0: expected 0, got 70"]);
        let mut unasked = LINES.to_vec();
        unasked.retain(|line| *line != "→ exec_approval");
        let played = Ok((Transcript::made_up(&unasked, &[1, 0]), 0));
        check_fails(&Seen { played, ..seen() }, &["approvals before what they allow: expected `→ exec_approval`"]);
    }

    #[test]
    fn a_flow_that_was_not_played_to_its_end_proves_nothing_of_the_engine() {
        let played = Err("silence".to_owned());
        check_fails(
            &Seen { played, ..seen() },
            &["first flow says", "for the model", "numbered", "exit code 0: silence"],
        );
    }
}
