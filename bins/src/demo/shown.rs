//! What a person is shown of a line of the protocol: its type and the fields that matter.

use super::palette::Tone;
use base64::{Engine, prelude::BASE64_STANDARD};
use llmx_protocol::{
    command::shell_quote,
    wire::{
        event::{Event, EventMsg},
        file_change::FileChange,
        item::{TurnItem, UserInput},
        op::{ConfigureSession, Op},
        submission::Submission,
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

/// A line for a person.
pub(super) struct Shown {
    /// The submission id that it carries.
    pub(super) id: String,
    /// Its type.
    pub(super) name: String,
    /// The fields that matter.
    pub(super) text: String,
    /// How it looks.
    pub(super) tone: Tone,
    /// What it adds to what is under way, if it is a delta; then `text` is empty.
    pub(super) delta: Option<Delta>,
}

/// A piece of something longer.
pub(super) struct Delta {
    /// Pieces of one source make one text.
    pub(super) source: String,
    /// The piece.
    pub(super) text: String,
}

/// A line of the UI.
pub(super) fn submission(submission: &Submission) -> Shown {
    let text = match &submission.op {
        Op::ConfigureSession(configure) => configuration(configure),
        Op::UserInput { items, last_response_id } => {
            let from = last_response_id.as_ref().map(|id| format!("\ngoing on from {id}"));
            format!("{}{}", user_text(items), from.unwrap_or_default())
        }
        Op::ExecApproval { decision, .. } | Op::PatchApproval { decision, .. } => {
            json!(decision).as_str().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    let (id, name) = (submission.id.to_string(), submission.op.name().to_owned());
    Shown { id, name, text, tone: Tone::Sent, delta: None }
}

/// A line of the engine; `line` is the one that `event` was read from.
pub(super) fn event(line: &str, event: &Event) -> Shown {
    let name = serde_json::from_str(line).map(|line: Value| line["msg"]["type"].as_str().unwrap_or("?").to_owned());
    Shown {
        id: event.id.to_string(),
        name: name.unwrap_or_default(),
        text: fields(&event.msg),
        tone: tone(&event.msg),
        delta: delta(&event.msg),
    }
}

fn fields(msg: &EventMsg) -> String {
    match msg {
        EventMsg::Error { message }
        | EventMsg::Warning { message }
        | EventMsg::UserMessage { message, .. }
        | EventMsg::AgentMessage { message, .. }
        | EventMsg::BackgroundEvent { message }
        | EventMsg::StreamError { message, .. } => message.clone(),
        EventMsg::SessionConfigured(session) => format!("model {}, session {}", session.model, session.session_id),
        EventMsg::TurnAborted { reason } => reason.as_str().to_owned(),
        EventMsg::TurnComplete { response_id: Some(id) } => format!("bookmark {id}"),
        EventMsg::TokenCount { info: Some(info), .. } => format!("{} so far", info.total_token_usage.total_tokens),
        EventMsg::ExecApprovalRequest(request) => format!("{} ?", shell_quote(&request.command)),
        EventMsg::ApplyPatchApprovalRequest(request) => format!("{} ?", paths(&request.changes)),
        EventMsg::PatchApplyBegin { changes, .. } => paths(changes),
        EventMsg::PatchApplyEnd { success: true, .. } => "applied".to_owned(),
        EventMsg::PatchApplyEnd { stderr, .. } => stderr.clone(),
        EventMsg::ExecCommandBegin(begin) => shell_quote(&begin.command),
        EventMsg::ExecCommandEnd(end) => {
            format!("exit code {} after {:.2} s", end.exit_code, end.duration.as_secs_f64())
        }
        EventMsg::ItemStarted(item) | EventMsg::ItemCompleted(item) => kind(&item.item).to_owned(),
        _ => String::new(),
    }
}

/// The files that a patch changes.
fn paths(changes: &BTreeMap<PathBuf, FileChange>) -> String {
    let names = changes.keys().filter_map(|path| path.file_name());
    names.map(|name| name.display().to_string()).collect::<Vec<_>>().join(" ")
}

fn tone(msg: &EventMsg) -> Tone {
    match msg {
        EventMsg::Error { .. } | EventMsg::TurnAborted { .. } | EventMsg::StreamError { .. } => Tone::Bad,
        EventMsg::Warning { .. } | EventMsg::ExecApprovalRequest(_) | EventMsg::ApplyPatchApprovalRequest(_) => {
            Tone::Question
        }
        EventMsg::PatchApplyEnd { success: false, .. } => Tone::Bad,
        EventMsg::ExecCommandEnd(end) if end.exit_code != 0 => Tone::Bad,
        EventMsg::ExecCommandEnd(_) | EventMsg::PatchApplyEnd { .. } | EventMsg::TaskComplete { .. } => Tone::Good,
        EventMsg::ItemStarted(_)
        | EventMsg::ItemCompleted(_)
        | EventMsg::TokenCount { .. }
        | EventMsg::UserMessage { .. } => Tone::Faint,
        _ => Tone::Plain,
    }
}

fn delta(msg: &EventMsg) -> Option<Delta> {
    let (source, text) = match msg {
        EventMsg::AgentMessageDelta { delta, .. } => ("message".to_owned(), delta.clone()),
        EventMsg::AgentReasoningDelta { delta, .. } => ("reasoning".to_owned(), delta.clone()),
        EventMsg::ExecCommandOutputDelta { call_id, stream, chunk } => {
            (format!("{stream:?} of {call_id}"), written(chunk))
        }
        _ => return None,
    };
    Some(Delta { source, text })
}

/// What a command wrote. The bytes of a character may be in two chunks; here that is a blemish and nothing more.
pub(super) fn written(chunk: &str) -> String {
    let bytes = BASE64_STANDARD.decode(chunk).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn configuration(configure: &ConfigureSession) -> String {
    let policy = configure.sandbox_policy.as_ref().map(|policy| format!("sandbox {}", policy.mode()));
    let asked = configure.approval_policy.map(|policy| format!("approval {}", policy.as_str()));
    let cwd = configure.cwd.as_ref().map(|cwd| format!("cwd {}", cwd.display()));
    [asked, policy, cwd].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn user_text(items: &[UserInput]) -> String {
    let text = items.iter().map(|item| match item {
        UserInput::Text { text } => text.as_str(),
        UserInput::Image { .. } | UserInput::LocalImage { .. } => "(image)",
    });
    text.collect::<Vec<_>>().join(" ")
}

fn kind(item: &TurnItem) -> &'static str {
    match item {
        TurnItem::UserMessage { .. } => "user message",
        TurnItem::AgentMessage { .. } => "agent message",
        TurnItem::Reasoning { .. } => "reasoning",
        TurnItem::WebSearch { .. } => "web search",
    }
}

/// The text without what would move the cursor; line breaks are kept, further lines begin under the first.
pub(super) fn indented(text: &str, column: usize) -> String {
    let lines: Vec<_> = text.trim_end().split('\n').map(printable).collect();
    lines.join(&format!("\n{:column$}", ""))
}

/// The text with every control character replaced.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_event(msg: &str, text: &str, tone: Tone) {
        let line = format!(r#"{{"id":"u1","seq":1,"msg":{msg}}}"#);
        let shown = event(&line, &serde_json::from_str(&line).unwrap());
        assert_eq!((shown.text.as_str(), shown.tone), (text, tone), "{msg}");
        assert!(msg.contains(&format!(r#""type":"{}""#, shown.name)), "{msg}: {}", shown.name);
    }

    #[test]
    fn the_fields_of_an_event_that_matter_are_shown() {
        let ended = |code: i32| {
            format!(
                r#"{{"type":"exec_command_end","call_id":"c","stdout":"","stderr":"","aggregated_output":"",
                    "exit_code":{code},"duration":{{"secs":1,"nanos":500000000}},"formatted_output":""}}"#
            )
        };
        let asked = r#"{"type":"exec_approval_request","call_id":"c","command":["ls","-l"],"cwd":"/","parsed_cmd":[]}"#;
        check_event(r#"{"type":"error","message":"interrupted"}"#, "interrupted", Tone::Bad);
        check_event(r#"{"type":"turn_aborted","reason":"interrupted"}"#, "interrupted", Tone::Bad);
        check_event(r#"{"type":"turn_complete","response_id":"resp_1"}"#, "bookmark resp_1", Tone::Plain);
        check_event(r#"{"type":"task_complete","last_agent_message":"Done."}"#, "", Tone::Good);
        check_event(asked, "ls -l ?", Tone::Question);
        check_event(&ended(0), "exit code 0 after 1.50 s", Tone::Good);
        check_event(&ended(1), "exit code 1 after 1.50 s", Tone::Bad);
        check_event(r#"{"type":"from_the_future","x":1}"#, "", Tone::Plain);
    }

    #[test]
    fn the_fields_of_a_submission_that_matter_are_shown() {
        let check = |op: &str, text: &str| {
            let line = format!(r#"{{"id":"s","op":{op}}}"#);
            let shown = submission(&Submission::parse(line.as_bytes()).unwrap());
            assert_eq!((shown.text.as_str(), shown.id.as_str()), (text, "s"), "{op}");
        };
        check(r#"{"type":"interrupt"}"#, "");
        check(r#"{"type":"user_input","items":[{"type":"text","text":"Hi"}]}"#, "Hi");
        check(r#"{"type":"user_input","items":[],"last_response_id":"r"}"#, "\ngoing on from r");
        check(r#"{"type":"exec_approval","id":"u","decision":"approved_for_session"}"#, "approved_for_session");
        check(r#"{"type":"configure_session","cwd":"/x","approval_policy":"never"}"#, "approval never, cwd /x");
    }

    #[test]
    fn text_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2J\r\tb"), "a\u{fffd}[2J\u{fffd}\u{fffd}b");
        assert_eq!(indented("one\ntwo\x07\n\n", 3), "one\n   two\u{fffd}");
    }
}
