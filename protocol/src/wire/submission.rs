//! A line from the UI: `{"id": …, "op": …}`, and what is said when it is none.

use super::op::Op;
use crate::ids::SubmissionId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A request with the id that the UI gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Chosen by the UI.
    pub id: SubmissionId,
    /// The request.
    pub op: Op,
}

/// Why a line is no submission, with its id where one could be read (else the empty one).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadSubmission {
    /// The id of the line, if it has one.
    pub id: SubmissionId,
    /// What is wrong, for a person.
    pub message: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    op: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(default, rename = "type")]
    name: Option<String>,
}

/// Longest part of a bad line that an error repeats, in characters.
const QUOTED: usize = 80;

impl Submission {
    /// Reads one line.
    ///
    /// # Errors
    /// Says in one sentence what is wrong with the line, naming the op and the field.
    pub fn parse(line: &[u8]) -> Result<Self, BadSubmission> {
        let nameless = |message| BadSubmission { id: SubmissionId::default(), message };
        let text = std::str::from_utf8(line)
            .map_err(|e| nameless(format!("line is not UTF-8: bad byte at {} of {}", e.valid_up_to(), line.len())))?;
        let envelope: Envelope<'_> = serde_json::from_str(text)
            .map_err(|e| nameless(format!("line is not a submission {{\"id\", \"op\"}}: {e}: {}", quoted(text))))?;
        let Some(id) = envelope.id else {
            return Err(nameless(format!("submission has no `id`: {}", quoted(text))));
        };
        let id = SubmissionId::from(id);
        match envelope.op {
            None => Err(BadSubmission { message: format!("submission `{id}` has no `op`"), id }),
            Some(op) => match parse_op(op.get()) {
                Ok(op) => Ok(Self { id, op }),
                Err(message) => Err(BadSubmission { id, message }),
            },
        }
    }
}

fn parse_op(text: &str) -> Result<Op, String> {
    let tag: Tag = serde_json::from_str(text).map_err(|e| format!("op is not an object with a `type`: {e}"))?;
    let Some(name) = tag.name else {
        return Err("op has no `type`".into());
    };
    if !Op::NAMES.contains(&name.as_str()) {
        return Err(format!("unknown op `{name}`"));
    }
    serde_json::from_str(text).map_err(|e| format!("op `{name}`: {}", plain(&e)))
}

/// serde_json's words without the position, which counts from the start of the op and would mislead.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, id: &str, says: &str) {
        let bad = Submission::parse(line.as_bytes()).unwrap_err();
        assert_eq!(bad.id.as_str(), id, "{line}");
        assert!(bad.message.contains(says), "{line}: {}", bad.message);
    }

    #[test]
    fn a_bad_line_is_named() {
        check("hello", "", "not a submission");
        check("[1,2]", "", "not a submission");
        check("{}", "", "no `id`");
        check(r#"{"id":7,"op":{"type":"interrupt"}}"#, "", "expected a string");
        check(r#"{"id":"a"}"#, "a", "no `op`");
        check(r#"{"id":"a","op":{}}"#, "a", "no `type`");
        check(r#"{"id":"a","op":"interrupt"}"#, "a", "not an object");
        check(r#"{"id":"a","op":{"type":"fly"}}"#, "a", "unknown op `fly`");
        check(r#"{"id":"a","op":{"type":"user_input"}}"#, "a", "op `user_input`: missing field `items`");
        check(r#"{"id":"a","op":{"type":"exec_approval","id":"u","decision":"maybe"}}"#, "a", "`maybe`");
        check(r#"{"id":"a","op":{"type":"configure_session","cwd":7}}"#, "a", "op `configure_session`");
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let bad = Submission::parse(b"{\"id\":\"\xff\"}").unwrap_err();
        assert_eq!(bad.message, "line is not UTF-8: bad byte at 7 of 10");
    }

    #[test]
    fn a_submission_that_was_written_is_the_same_when_it_is_read() {
        for op in [r#"{"type":"configure_session"}"#, r#"{"type":"configure_session","cwd":"/w","model":"m"}"#] {
            let submission = Submission::parse(format!(r#"{{"id":"a","op":{op}}}"#).as_bytes()).unwrap();
            let written = serde_json::to_vec(&submission).unwrap();
            assert_eq!(Submission::parse(&written), Ok(submission), "{op}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let line = br#"{"id":"a","op":{"type":"interrupt","why":"because"},"extra":[1]}"#;
        assert_eq!(Submission::parse(line).unwrap().op, Op::Interrupt);
    }
}
