//! One exchange with a model while it is being recorded.

use super::{
    recordings::Recorder,
    taped::{Answer, Content, Taped},
};
use crate::config::Secret;
use bytes::Bytes;
use hyper::{HeaderMap, header::CONTENT_TYPE};
use llmx_protocol::model::sse::SseDecoder;
use serde_json::{Map, Value};
use tokio::time::Instant;

/// The largest event that is recorded, in bytes; the model stream refuses larger ones anyway.
const LARGEST_EVENT: usize = 64 << 20;
/// The headers of an answer that mean something to llmx, besides those that begin as [`RECORDED_FAMILIES`] do. Others
/// may hold cookies and accounts.
const RECORDED_HEADERS: [&str; 3] = ["content-type", "retry-after", "retry-after-ms"];
const RECORDED_FAMILIES: [&str; 2] = ["x-llmx-", "x-ratelimit-"];

/// What is kept of one exchange. It is written when the answer has ended, or when it is dropped before that. A request
/// that no server answered is no exchange and leaves nothing.
pub(crate) struct Tape(Option<Running>);

struct Running {
    recorder: Recorder,
    taped: Taped,
    decoder: Option<SseDecoder>,
    last: Instant,
}

impl Tape {
    /// Keeps nothing.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Keeps the exchange that begins with this request, without `secrets` wherever they occur.
    pub(crate) fn of(recorder: Recorder, route: &'static str, request: Bytes, secrets: Vec<Secret>) -> Self {
        let taped = Taped { route, request, secrets, answer: None };
        Self(Some(Running { recorder, taped, decoder: None, last: Instant::now() }))
    }

    /// The server began to answer.
    pub(crate) fn answered(&mut self, status: u16, headers: &HeaderMap) {
        let Some(running) = &mut self.0 else {
            return;
        };
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_stream = (200..300).contains(&status) && !kind.starts_with("application/json");
        running.decoder = is_stream.then(|| SseDecoder::new(LARGEST_EVENT));
        let content = if is_stream { Content::Events(Vec::new()) } else { Content::Body(Vec::new()) };
        running.taped.answer = Some(Answer { status, headers: recorded(headers), content, end: None });
        running.last = Instant::now();
    }

    /// The next bytes of the answer.
    pub(crate) fn heard(&mut self, bytes: &[u8]) {
        let Some(Running { taped, decoder, last, .. }) = &mut self.0 else {
            return;
        };
        match taped.answer.as_mut().map(|answer| &mut answer.content) {
            Some(Content::Events(events)) => {
                let mut add = |data: &str| events.push((pause_since(last), data.to_owned()));
                let read = decoder.as_mut().map(|decoder| decoder.feed(bytes, &mut |event| add(event.data)));
                if let Some(Err(_)) = read {
                    *decoder = None;
                }
            }
            Some(Content::Body(body)) => body.extend_from_slice(bytes),
            None => {}
        }
    }

    /// The answer came to its end.
    pub(crate) fn ended(&mut self) {
        if let Some(Running {
            taped: Taped { answer: Some(Answer { content: Content::Events(events), .. }), .. },
            decoder: Some(decoder),
            last,
            ..
        }) = &mut self.0
        {
            let _ = decoder.finish(&mut |event| events.push((pause_since(last), event.data.to_owned())));
        }
        self.write(None);
    }

    /// The exchange is not to be kept after all.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }

    /// The connection broke.
    pub(crate) fn cut(&mut self) {
        self.write(Some("cut"));
    }

    fn write(&mut self, end: Option<&'static str>) {
        if let Some(mut running) = self.0.take()
            && let Some(answer) = &mut running.taped.answer
        {
            answer.end = end;
            running.recorder.append(running.taped);
        }
    }
}

impl Drop for Tape {
    /// Whoever listened has left: it was interrupted, or had waited long enough, or could not make sense of it.
    fn drop(&mut self) {
        self.write(Some("left"));
    }
}

/// The time since the last event, in milliseconds; this one is the last now.
fn pause_since(last: &mut Instant) -> u64 {
    let now = Instant::now();
    let pause = now.duration_since(std::mem::replace(last, now));
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

fn recorded(headers: &HeaderMap) -> Map<String, Value> {
    let matters = |name: &str| {
        RECORDED_HEADERS.contains(&name) || RECORDED_FAMILIES.iter().any(|family| name.starts_with(family))
    };
    let kept = headers.iter().filter(|(name, _)| matters(name.as_str()));
    kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{Recording, ResponseContent};
    use serde_json::json;

    fn taped(content: Content, end: Option<&'static str>) -> Taped {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-type", "a/b"), ("set-cookie", "c=1"), ("x-ratelimit-limit-tokens", "9")] {
            headers.insert(name, value.parse().unwrap());
        }
        let answer = Some(Answer { status: 200, headers: recorded(&headers), content, end });
        let request = Bytes::from_static(br#"{"model":"m","key":"sk-secret-1"}"#);
        Taped { route: "responses", request, secrets: vec!["sk-secret-1".into(), "0.1.0".into()], answer }
    }

    #[test]
    fn a_line_is_an_exchange_without_secrets_and_with_the_headers_that_matter() {
        let events = vec![(3, r#"{"type":"a","said":"sk-secret-1"}"#.to_owned()), (0, "[DONE]".to_owned())];
        let line = taped(Content::Events(events), Some("cut")).line();
        let exchange = Recording::parse(&line).unwrap().exchanges.remove(0);
        assert_eq!(exchange.request.body, Some(json!({"model": "m", "key": "***"})));
        assert!(exchange.response.cut && !exchange.response.left && exchange.response.verbatim);
        let names: Vec<_> = exchange.response.headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x-ratelimit-limit-tokens"]);
        let ResponseContent::Events(events) = exchange.response.content else { panic!("{line}") };
        let events: Vec<_> = events.into_iter().map(|event| (event.after_ms, event.data)).collect();
        assert_eq!(events, [(3, json!({"type": "a", "said": "***"})), (0, json!("[DONE]"))]);
    }

    #[test]
    fn a_body_is_kept_as_what_it_is() {
        for body in ["plain", "{\"a\":1}", "\"quoted\"", ""] {
            let line = taped(Content::Body(body.into()), None).line();
            let content = Recording::parse(&line).unwrap().exchanges.remove(0).response.content;
            assert!(matches!(&content, ResponseContent::Body(text) if text == body), "{content:?}");
        }
    }
}
