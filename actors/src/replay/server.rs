//! The HTTP server of a replayed model.

use super::{
    Mismatch, Pace, Recording,
    recording::{Exchange, RecordedResponse, ResponseContent, Route, TimedEvent},
    script::Script,
};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use http_body_util::{BodyExt, Either, Full, Limited, StreamBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{cell::RefCell, convert::Infallible, io, net::SocketAddr, rc::Rc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// The largest request that is read, in bytes; a history with images stays well below.
const LARGEST_REQUEST: usize = 64 << 20;

/// How long to wait after a connection could not be accepted, which happens when file descriptors run out.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(20);

type EventStream = LocalBoxStream<'static, io::Result<Frame<Bytes>>>;
type ReplayBody = Either<Full<Bytes>, StreamBody<EventStream>>;

/// How to replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions {
    /// What becomes of the recorded pauses.
    pub pace: Pace,
}

/// A replayed model on a loopback port of its own. Dropping it closes the port and every connection.
pub struct ReplayServer {
    address: SocketAddr,
    desk: Rc<Desk>,
    accepting: AbortHandle,
}

impl ReplayServer {
    /// Serves a recording from now on, on the current thread: the caller runs in a `LocalSet` or an actix arbiter.
    ///
    /// # Errors
    /// What the system says when no loopback port can be had.
    pub async fn start(recording: Recording, options: ReplayOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let desk = Rc::new(Desk { script: RefCell::new(Script::new(recording)), pace: options.pace });
        let accepting = tokio::task::spawn_local(accept(listener, Rc::clone(&desk))).abort_handle();
        Ok(Self { address, desk, accepting })
    }

    /// What a provider has as `base_url`: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The requests so far that no exchange answered.
    #[must_use]
    pub fn mismatches(&self) -> Vec<Mismatch> {
        self.desk.script.borrow().mismatches.clone()
    }

    /// The numbers, from 1, of the exchanges that no request has asked for yet.
    #[must_use]
    pub fn unused(&self) -> Vec<usize> {
        self.desk.script.borrow().unused()
    }
}

impl Drop for ReplayServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What all connections share.
struct Desk {
    script: RefCell<Script>,
    pace: Pace,
}

impl Desk {
    /// Whether the recorded server had this route; one without any exchange had the usual one.
    fn has(&self, route: Route) -> bool {
        self.script.borrow().has(route)
    }
}

/// Owns the connections, so that they end with it.
async fn accept(listener: TcpListener, desk: Rc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn_local(serve(stream, Rc::clone(&desk)))),
                Err(error) => {
                    tracing::warn!(%error, "replay: failed to accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, desk: Rc<Desk>) {
    // An event must not wait for the next one to fill a packet.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "replay: TCP_NODELAY");
    }
    let service = service_fn(|request| respond(request, &desk));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "replay: the connection ended early");
    }
}

async fn respond(request: Request<Incoming>, desk: &Desk) -> Result<Response<ReplayBody>, Infallible> {
    let path = request.uri().path();
    Ok(match *request.method() {
        Method::POST if path.ends_with("/responses") && desk.has(Route::Responses) => {
            answer(Route::Responses, request.into_body(), desk).await
        }
        Method::POST if path.ends_with("/chat/completions") && desk.has(Route::Chat) => {
            answer(Route::Chat, request.into_body(), desk).await
        }
        Method::GET if path.ends_with("/models") => models(),
        _ => not_found(&request),
    })
}

async fn answer(route: Route, body: Incoming, desk: &Desk) -> Response<ReplayBody> {
    let body = match Limited::new(body, LARGEST_REQUEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return refusal(StatusCode::BAD_REQUEST, "unreadable_request", &error.to_string());
        }
    };
    let answer = desk.script.borrow_mut().answer(route, &String::from_utf8_lossy(&body));
    match answer {
        Ok((number, exchange)) => replay(number, &exchange, desk.pace),
        Err(mismatch) => {
            tracing::warn!(%mismatch, "replay: no exchange answers this request");
            refusal(StatusCode::BAD_REQUEST, "replay_mismatch", &mismatch.to_string())
        }
    }
}

fn replay(number: usize, exchange: &Exchange, pace: Pace) -> Response<ReplayBody> {
    let recorded = &exchange.response;
    let numbered =
        |text: &str| if recorded.verbatim { text.to_owned() } else { text.replace("{{n}}", &number.to_string()) };
    let (content_type, frames) = match &recorded.content {
        ResponseContent::Events(events) => ("text/event-stream", event_frames(&numbered, events)),
        ResponseContent::Body(text) => (type_of(text), vec![(0, numbered(text))]),
    };
    let body = StreamBody::new(paced(frames, End::of(recorded), pace));
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    headers.extend(recorded.headers.clone());
    response(recorded.status, headers, Either::Right(body))
}

fn event_frames(numbered: &impl Fn(&str) -> String, events: &[TimedEvent]) -> Vec<(u64, String)> {
    events.iter().map(|event| (event.after_ms, numbered(&event_text(&event.data)))).collect()
}

/// One server-sent event as it is on the wire.
fn event_text(data: &Value) -> String {
    let name = data["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
    let text = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
    let lines = text.split('\n').map(|line| format!("data: {line}\n")).collect::<String>();
    format!("{name}{lines}\n")
}

/// What follows the last frame.
#[derive(Clone, Copy)]
enum End {
    /// HTTP's own end mark.
    Whole,
    /// The connection breaks off.
    Cut,
    /// Nothing, until the client closes the connection.
    Silence,
}

impl End {
    fn of(recorded: &RecordedResponse) -> Self {
        match (recorded.left, recorded.cut) {
            (true, _) => Self::Silence,
            (false, true) => Self::Cut,
            (false, false) => Self::Whole,
        }
    }
}

fn paced(frames: Vec<(u64, String)>, end: End, pace: Pace) -> EventStream {
    let frames = stream::iter(frames).then(move |(after_ms, text)| async move {
        let pause = pace.pause(after_ms);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(Frame::data(Bytes::from(text)))
    });
    match end {
        End::Whole => frames.boxed_local(),
        End::Cut => frames.chain(stream::once(broken_off())).boxed_local(),
        End::Silence => frames.chain(stream::pending()).boxed_local(),
    }
}

/// To hyper a body that fails is a reason to close the connection at once, with whatever it still holds. The yield
/// lets it write out the events before.
async fn broken_off() -> io::Result<Frame<Bytes>> {
    tokio::task::yield_now().await;
    Err(io::Error::other("cut, as recorded"))
}

fn type_of(text: &str) -> &'static str {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json { "application/json" } else { "text/plain; charset=utf-8" }
}

fn models() -> Response<ReplayBody> {
    let model = json!({"id": "replay", "object": "model", "created": 0, "owned_by": "llmx"});
    json_response(StatusCode::OK, &json!({"object": "list", "data": [model]}))
}

fn not_found(request: &Request<Incoming>) -> Response<ReplayBody> {
    let message = format!(
        "{} {} is not replayed; only POST …/responses or …/chat/completions, as recorded, and GET …/models are",
        request.method(),
        request.uri().path()
    );
    refusal(StatusCode::NOT_FOUND, "not_found", &message)
}

/// An error in the shape that Responses servers use.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response<ReplayBody> {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    json_response(status, &json!({"error": error}))
}

fn json_response(status: StatusCode, json: &Value) -> Response<ReplayBody> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    response(status, headers, Either::Left(Full::from(json.to_string())))
}

fn response(status: StatusCode, headers: HeaderMap, body: ReplayBody) -> Response<ReplayBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_by_its_type_and_a_string_is_sent_as_it_is() {
        let cases = [
            (json!({"type": "a.b", "x": "1\n2"}), "event: a.b\ndata: {\"type\":\"a.b\",\"x\":\"1\\n2\"}\n\n"),
            (json!({"x": 1}), "data: {\"x\":1}\n\n"),
            (json!("[DONE]"), "data: [DONE]\n\n"),
            (json!("{bad\njson"), "data: {bad\ndata: json\n\n"),
        ];
        for (data, expected) in cases {
            assert_eq!(event_text(&data), expected);
        }
    }
}
