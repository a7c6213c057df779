//! Recordings as values, read from JSONL (the format is documented in [`crate::replay`]).

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The exchanges of a recorded model session, in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The exchanges; the first one has the number 1.
    pub exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Which request it is.
    #[serde(default)]
    pub request: ExpectedRequest,
    /// What it is answered.
    pub response: RecordedResponse,
}

/// What a request must look like to get an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedRequest {
    /// Texts that must occur in it.
    pub contains: Vec<String>,
    /// Texts that must not occur in it.
    pub lacks: Vec<String>,
    /// Where it goes.
    pub route: Route,
    /// The request as it was recorded: what is asked must be the same, but for what no two runs share.
    pub body: Option<Value>,
}

/// Where a request goes, below the base URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Route {
    /// The Responses API.
    #[default]
    #[serde(rename = "responses")]
    Responses,
    /// Chat Completions.
    #[serde(rename = "chat/completions")]
    Chat,
}

/// An answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "WrittenResponse")]
pub struct RecordedResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers, without those that frame the body.
    pub headers: HeaderMap,
    /// The body.
    pub content: ResponseContent,
    /// Whether the connection breaks off after it, before HTTP's own end mark.
    pub cut: bool,
    /// Whether the client left before the end: nothing follows until it leaves again.
    pub left: bool,
    /// Whether `{{n}}` means just that.
    pub verbatim: bool,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub enum ResponseContent {
    /// Server-sent events.
    Events(Vec<TimedEvent>),
    /// Everything at once.
    Body(String),
}

/// A server-sent event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedEvent {
    /// The pause before it, in milliseconds.
    #[serde(default)]
    pub after_ms: u64,
    /// A Responses event; or a string, which is sent as it is.
    pub data: Value,
}

/// Why a recording could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not an exchange.
    #[error("line {line}, column {column}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// Where in the line, in bytes from 1; 0 where the whole line is meant.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// A line of a file is not an exchange.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The line and its problem.
        source: Box<RecordingError>,
    },
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// [`RecordingError::Line`] for the first line that is not an exchange.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let exchanges =
            lines.map(|(number, line)| serde_json::from_str(line).map_err(|error| line_error(number, &error)));
        Ok(Self { exchanges: exchanges.collect::<Result<_, _>>()? })
    }

    /// Reads a recording from a file.
    ///
    /// # Errors
    /// [`RecordingError::Unreadable`], or [`RecordingError::InFile`] for the first line that is not an exchange.
    pub fn load(path: &Path) -> Result<Self, RecordingError> {
        let text =
            fs::read_to_string(path).map_err(|source| RecordingError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| RecordingError::InFile { path: path.to_owned(), source: Box::new(error) })
    }
}

impl From<Vec<Exchange>> for Recording {
    fn from(exchanges: Vec<Exchange>) -> Self {
        Self { exchanges }
    }
}

/// Each line is parsed alone, so `serde_json` believes that all of them are line 1.
fn line_error(line: usize, error: &serde_json::Error) -> RecordingError {
    let printed = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let problem = printed.strip_suffix(&place).unwrap_or(&printed).to_owned();
    RecordingError::Line { line, column: error.column(), problem }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenResponse {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    events: Option<Vec<TimedEvent>>,
    body: Option<Value>,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    left: bool,
    #[serde(default)]
    verbatim: bool,
}

impl TryFrom<WrittenResponse> for RecordedResponse {
    type Error = String;

    fn try_from(written: WrittenResponse) -> Result<Self, String> {
        let content = match (written.events, written.body) {
            (Some(events), None) => ResponseContent::Events(events),
            (None, Some(Value::String(text))) => ResponseContent::Body(text),
            (None, Some(json)) => ResponseContent::Body(json.to_string()),
            (Some(_), Some(_)) => return Err("`response` has both `events` and `body`".to_owned()),
            (None, None) => return Err("`response` has neither `events` nor `body`".to_owned()),
        };
        let status = status(written.status.unwrap_or(200))?;
        let headers = headers(&written.headers)?;
        Ok(Self { status, headers, content, cut: written.cut, left: written.left, verbatim: written.verbatim })
    }
}

fn status(code: u16) -> Result<StatusCode, String> {
    let status = StatusCode::from_u16(code).ok().filter(|_| (200..600).contains(&code));
    status.ok_or_else(|| format!("`response.status` is {code}, expected 200 to 599"))
}

fn headers(written: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in written.iter().filter(|(name, _)| !frames_the_body(name)) {
        let problem = || format!("`response.headers` has `{name}`, which is not a possible header");
        let key = HeaderName::try_from(name).map_err(|_| problem())?;
        headers.insert(key, HeaderValue::try_from(value).map_err(|_| problem())?);
    }
    Ok(headers)
}

/// Whether a header tells how the recorded bytes travelled, which says nothing about how these will.
fn frames_the_body(name: &str) -> bool {
    const FRAMING: [&str; 6] =
        ["connection", "content-encoding", "content-length", "keep-alive", "trailer", "transfer-encoding"];
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(response: &str) -> RecordedResponse {
        let line = format!(r#"{{"response":{response}}}"#);
        Recording::parse(&line).unwrap().exchanges.remove(0).response
    }

    #[test]
    fn absent_fields_have_their_defaults() {
        let recording = Recording::parse("\n{\"response\":{\"events\":[{\"data\":{}}]}}\n\n").unwrap();
        let [exchange] = &recording.exchanges[..] else { panic!("{recording:?}") };
        assert!(exchange.request.contains.is_empty() && exchange.request.lacks.is_empty());
        assert_eq!(exchange.response.status, 200);
        assert!(exchange.response.headers.is_empty() && !exchange.response.cut);
        let ResponseContent::Events(events) = &exchange.response.content else { panic!("{exchange:?}") };
        assert_eq!(events[0].after_ms, 0);
    }

    #[test]
    fn a_whole_recorded_request_is_kept() {
        let line = r#"{"request":{"body":{"model":"m","input":[]}},"response":{"body":""}}"#;
        let recording = Recording::parse(line).unwrap();
        let expected = serde_json::json!({"model": "m", "input": []});
        assert_eq!(recording.exchanges[0].request.body, Some(expected));
    }

    #[test]
    fn a_body_is_text_or_json() {
        for (body, expected) in [(r#""plain""#, "plain"), (r#"{"error":{"code":1}}"#, r#"{"error":{"code":1}}"#)] {
            let content = answer(&format!(r#"{{"body":{body}}}"#)).content;
            assert!(matches!(&content, ResponseContent::Body(text) if text == expected), "{content:?}");
        }
    }

    #[test]
    fn headers_that_frame_the_recorded_body_are_left_out() {
        let headers = answer(r#"{"headers":{"Content-Length":"9","X-A":"1"},"body":""}"#).headers;
        assert_eq!(headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x-a"]);
    }

    #[test]
    fn errors_name_the_line_and_what_is_wrong() {
        let cases = [
            ("{}", "line 2, column 2: missing field `response`"),
            ("[", "line 2, column 1: EOF while parsing a list"),
            ("nonsense", "line 2, column 2: expected ident"),
            (
                r#"{"request":{"contain":[]},"response":{"body":""}}"#,
                "line 2, column 21: unknown field `contain`, expected one of `contains`, `lacks`, `route`, `body`",
            ),
            (r#"{"response":{}}"#, "line 2, column 15: `response` has neither `events` nor `body`"),
            (r#"{"response":{"events":[],"body":""}}"#, "line 2, column 36: `response` has both `events` and `body`"),
            (
                r#"{"response":{"status":100,"body":""}}"#,
                "line 2, column 37: `response.status` is 100, expected 200 to 599",
            ),
            (
                r#"{"response":{"headers":{"a b":""},"body":""}}"#,
                "line 2, column 45: `response.headers` has `a b`, which is not a possible header",
            ),
            (
                r#"{"response":{"events":[{"data":{},"after":1}]}}"#,
                "line 2, column 41: unknown field `after`, expected `after_ms` or `data`",
            ),
        ];
        for (line, expected) in cases {
            let error = Recording::parse(&format!("\n{line}")).unwrap_err();
            assert_eq!(error.to_string(), expected, "{line}");
        }
    }

    #[test]
    fn errors_of_a_file_name_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.jsonl");
        let error = Recording::load(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("failed to read {}: ", path.display())), "{error}");
        fs::write(&path, "{}").unwrap();
        let error = Recording::load(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{}: line 1, column 2: missing field `response`", path.display()));
    }
}
