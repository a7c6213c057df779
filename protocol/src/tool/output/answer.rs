//! The texts that answer a call (reference `model-wire.md` §10, §11.1; `protocol-v1.md` §7).

use serde_json::Value;
use std::{fmt, time::Duration};

/// The answer to a command that a person did not allow.
pub const REJECTED: &str = "exec command rejected by user";

/// The exit code of a command that ran out of time.
pub const TIMEOUT_EXIT_CODE: i32 = 124;

/// A JSON text around `body`.
fn shell_output(body: &str, exit_code: i32, duration: Duration) -> String {
    let body = Value::from(body);
    let seconds = duration.as_secs_f64();
    format!(r#"{{"output":{body},"metadata":{{"exit_code":{exit_code},"duration_seconds":{seconds:.1}}}}}"#)
}

/// How the answers to commands and patches are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerForm {
    /// As a JSON text.
    #[default]
    Json,
    /// As lines, for models that are offered patches in freeform.
    Lines,
}

impl AnswerForm {
    /// The answer to a command that ran: `body`, which is already as short as it is to be, and how it ended.
    #[must_use]
    pub fn shell_output(self, body: &str, exit_code: i32, duration: Duration) -> String {
        match self {
            Self::Json => shell_output(body, exit_code, duration),
            Self::Lines => shell_output_in_lines(body, exit_code, duration),
        }
    }
}

/// A body that was shortened begins with how many lines there were; that line stands above it here.
fn shell_output_in_lines(body: &str, exit_code: i32, duration: Duration) -> String {
    let shortened = body.strip_prefix(super::truncate::TOTAL_LINES).and_then(|rest| rest.split_once("\n\n"));
    let (total, body) = match shortened {
        Some((total, body)) => (format!("{}{total}\n", super::truncate::TOTAL_LINES), body),
        None => (String::new(), body),
    };
    let seconds = duration.as_secs_f64();
    format!("Exit code: {exit_code}\nWall time: {seconds:.1} seconds\n{total}Output:\n{body}")
}

/// The body for a command that ran out of time; its exit code is [`TIMEOUT_EXIT_CODE`].
#[must_use]
pub fn timed_out(timeout: Duration, body: &str) -> String {
    let millis = timeout.as_millis();
    format!("command timed out after {millis} milliseconds\n{body}")
}

/// The answer to a command that could not be started or was lost.
#[must_use]
pub fn spawn_error(why: impl fmt::Display) -> String {
    format!("execution error: {why}")
}

/// The answer to a command that ran for `elapsed` when its task was aborted.
#[must_use]
pub fn aborted_command(elapsed: Duration) -> String {
    format!("Wall time: {:.1} seconds\naborted by user", shown(elapsed))
}

/// The answer to any other call that ran for `elapsed` when its task was aborted.
#[must_use]
pub fn aborted_tool(elapsed: Duration) -> String {
    format!("aborted by user after {:.1}s", shown(elapsed))
}

/// Seconds, never so few that they would read as "did not run".
fn shown(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64().max(0.1)
}

/// The answer to a call of a function that does not exist.
#[must_use]
pub fn unsupported_call(name: &str) -> String {
    format!("unsupported call: {name}")
}

/// The answer to a call of a freeform tool that does not exist.
#[must_use]
pub fn unsupported_custom_call(name: &str) -> String {
    format!("unsupported custom tool call: {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_result_has_its_text_code_and_tenths_of_a_second() {
        let check = |body, code, millis, expected: &str| {
            assert_eq!(shell_output(body, code, Duration::from_millis(millis)), expected);
        };
        check("hi\n", 0, 0, r#"{"output":"hi\n","metadata":{"exit_code":0,"duration_seconds":0.0}}"#);
        check(
            "a \"b\" \\ \u{1b}[0m",
            -1,
            1260,
            r#"{"output":"a \"b\" \\ \u001b[0m","metadata":{"exit_code":-1,"duration_seconds":1.3}}"#,
        );
        check("", TIMEOUT_EXIT_CODE, 10_000, r#"{"output":"","metadata":{"exit_code":124,"duration_seconds":10.0}}"#);
    }

    #[test]
    fn a_result_in_lines_names_what_was_left_out_above_the_output() {
        let check = |body, expected: &str| {
            assert_eq!(AnswerForm::Lines.shell_output(body, 1, Duration::from_millis(1260)), expected);
        };
        check("hi\n", "Exit code: 1\nWall time: 1.3 seconds\nOutput:\nhi\n");
        check(
            "Total output lines: 900\n\na\nb",
            "Exit code: 1\nWall time: 1.3 seconds\nTotal output lines: 900\nOutput:\na\nb",
        );
    }

    #[test]
    fn the_other_answers() {
        let check = |answer: String, expected: &str| assert_eq!(answer, expected);
        check(timed_out(Duration::from_secs(10), "so far\n"), "command timed out after 10000 milliseconds\nso far\n");
        check(aborted_command(Duration::ZERO), "Wall time: 0.1 seconds\naborted by user");
        check(aborted_command(Duration::from_millis(2340)), "Wall time: 2.3 seconds\naborted by user");
        check(aborted_tool(Duration::from_millis(1)), "aborted by user after 0.1s");
        check(aborted_tool(Duration::from_secs(61)), "aborted by user after 61.0s");
        check(spawn_error("no such file or directory"), "execution error: no such file or directory");
        check(unsupported_call("x"), "unsupported call: x");
        check(unsupported_custom_call("x"), "unsupported custom tool call: x");
    }

    proptest! {
        #[test]
        fn a_result_is_always_json_with_the_body_in_it(
            body in any::<String>(),
            code: i32,
            seconds: u64,
            nanos in 0..1_000_000_000u32,
        ) {
            let text = shell_output(&body, code, Duration::new(seconds, nanos));
            let json: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(json["output"].as_str(), Some(body.as_str()));
            prop_assert_eq!(json["metadata"]["exit_code"].as_i64(), Some(code.into()));
            prop_assert!(json["metadata"]["duration_seconds"].is_f64());
        }
    }
}
