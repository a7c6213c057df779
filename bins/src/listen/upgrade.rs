//! From HTTP to a WebSocket (RFC 6455 §4.2). Beside it there is only what tells that llmx is there.

use super::{
    door::{ADMISSION, Door},
    stream::Stream,
    wire::web_socket_config,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
    },
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::{cell::RefCell, convert::Infallible, net::SocketAddr};
use tokio::time::timeout;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

/// What a handshake's head may take, in bytes, and how many headers it may have.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;
/// Appended to a client's key before it is hashed (RFC 6455 §1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Speaks HTTP until the client has a WebSocket, is refused and goes, or takes too long.
pub(super) async fn upgrade(stream: Stream, door: &Door, full: bool) -> Option<WebSocketStream<Stream>> {
    let upgrade = RefCell::new(None);
    let service = service_fn(|request| {
        let response = respond(request, door, full, &upgrade);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(ADMISSION).max_buf_size(HEAD).max_headers(HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    match timeout(ADMISSION, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended before its upgrade"),
        Err(_) => tracing::debug!("a connection took too long for its upgrade"),
    }
    let upgraded = upgrade.take()?.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    let (stream, read) = (parts.io.into_inner(), parts.read_buf.to_vec());
    Some(WebSocketStream::from_partially_read(stream, read, Role::Server, Some(web_socket_config())).await)
}

fn respond(
    mut request: Request<Incoming>,
    door: &Door,
    full: bool,
    upgrade: &RefCell<Option<OnUpgrade>>,
) -> Response<Full<Bytes>> {
    match answer(request.method(), request.uri().path(), request.headers(), door) {
        Answer::Plain(status, text) => plain(status, text),
        Answer::WebSocket(_) if full => plain(StatusCode::SERVICE_UNAVAILABLE, "too many connections\n"),
        Answer::WebSocket(accept) => {
            upgrade.replace(Some(hyper::upgrade::on(&mut request)));
            let mut switching = Response::new(Full::default());
            *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = switching.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            switching
        }
    }
}

#[derive(Debug, PartialEq)]
enum Answer {
    Plain(StatusCode, &'static str),
    /// With what proves that the key was understood.
    WebSocket(HeaderValue),
}

fn answer(method: &Method, path: &str, headers: &HeaderMap, door: &Door) -> Answer {
    if !is_of_no_other_page(headers, door.place) {
        // A browser sends along where the page is from; pages of others must not drive an engine.
        return Answer::Plain(StatusCode::FORBIDDEN, "not from this origin\n");
    }
    if method != Method::GET {
        return Answer::Plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    if matches!(path, "/readyz" | "/healthz") {
        return Answer::Plain(StatusCode::OK, "");
    }
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if door.token.as_ref().is_some_and(|token| !token.is_in(authorization)) {
        return Answer::Plain(
            StatusCode::UNAUTHORIZED,
            "the header \"Authorization: Bearer TOKEN\" must hold the token\n",
        );
    }
    if !has_word(headers, &UPGRADE, "websocket") || !has_word(headers, &CONNECTION, "upgrade") {
        return Answer::Plain(StatusCode::UPGRADE_REQUIRED, "only WebSocket\n");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Answer::Plain(StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket\n");
    }
    match headers.get(SEC_WEBSOCKET_KEY).and_then(|key| accept(key.as_bytes())) {
        Some(accept) => Answer::WebSocket(accept),
        None => Answer::Plain(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing or no key\n"),
    }
}

/// Clients that are no browser send no origin, or that of the place itself. A name that somebody has made to lead here
/// is not that place.
fn is_of_no_other_page(headers: &HeaderMap, place: Option<SocketAddr>) -> bool {
    let own = |origin: &str| {
        place.is_some_and(|place| {
            let is_local =
                place.ip().to_canonical().is_loopback() && origin == format!("http://localhost:{}", place.port());
            is_local || origin == format!("http://{place}")
        })
    };
    headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(own))
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

fn accept(key: &[u8]) -> Option<HeaderValue> {
    if BASE64_STANDARD.decode(key).ok()?.len() != 16 {
        return None;
    }
    // Not for secrecy: it shows that the answer is not from a cache, or from something that knows no WebSocket.
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, KEY_SUFFIX].concat());
    HeaderValue::from_str(&BASE64_STANDARD.encode(hash)).ok()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
