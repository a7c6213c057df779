//! The server on this machine to which the issuer sends the browser back (RFC 8252 §7.3).

use super::{issuer::printable, page};
use crate::supervise::{Lifeline, Tether};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, HOST},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use llmx_protocol::machine::login::{AuthorizationCode, Callback, Page, State};
use reqwest::Url;
use std::{convert::Infallible, io, net::Ipv6Addr, pin::pin, rc::Rc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

const PATH: &str = "/auth/callback";
/// Beside the port that is configured, the one that OpenAI knows as well.
const SECOND_PORT: u16 = 1457;
/// How often any port is tried for both kinds of loopback address.
const TRIES: u32 = 8;
/// More connections than a browser makes are closed at once.
const MOST_CONNECTIONS: usize = 32;
/// A browser has its page by then: exchanging a code takes no longer.
const CONNECTION_LIFE: Duration = Duration::from_secs(120);
/// After this long the rest of a connection's bytes are given up when the server closes.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// When no connection can be accepted, which happens when file descriptors run out.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Takes what a browser brings; the page may come much later, or never.
pub(super) type Knock = Rc<dyn Fn(Callback) -> oneshot::Receiver<Page>>;

/// A server for one login. Dropped, it listens no more; pages that are on their way still arrive.
pub(super) struct CallbackServer {
    port: u16,
    _open: Lifeline,
}

impl CallbackServer {
    /// Listens at `preferred`, or where there is room, on all loopback addresses, since `localhost` may mean either
    /// kind. `pages` is held by every connection.
    pub(super) async fn start(preferred: u16, knock: Knock, pages: Tether) -> io::Result<Self> {
        let listeners = listen(preferred).await?;
        let port = listeners.port;
        let open = Lifeline::default();
        let door = Rc::new(Door { port, knock });
        for listener in [Some(listeners.v4), listeners.v6].into_iter().flatten() {
            actix::spawn(accept(listener, door.clone(), open.tether(), pages.clone()));
        }
        Ok(Self { port, _open: open })
    }

    /// Where the issuer is to send the browser.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}{PATH}", self.port)
    }
}

struct Listeners {
    port: u16,
    v4: TcpListener,
    v6: Option<TcpListener>,
}

async fn listen(preferred: u16) -> io::Result<Listeners> {
    let any = std::iter::repeat_n(0, TRIES as usize);
    let mut refused = None;
    for port in [preferred, SECOND_PORT].into_iter().chain(any) {
        match listen_at(port).await {
            Ok(listeners) => return Ok(listeners),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// A stranger at the same port of the other kind of address would get the browser, and the code with it.
async fn listen_at(port: u16) -> io::Result<Listeners> {
    let v4 = TcpListener::bind(("127.0.0.1", port)).await?;
    let port = v4.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(v6) => Ok(Listeners { port, v4, v6: Some(v6) }),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // No IPv6 here, so nobody else has it either.
        Err(_) => Ok(Listeners { port, v4, v6: None }),
    }
}

struct Door {
    port: u16,
    knock: Knock,
}

async fn accept(listener: TcpListener, door: Rc<Door>, mut open: Tether, pages: Tether) {
    let connections = Rc::new(());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = open.cut() => return,
        };
        match accepted {
            Ok(_) if Rc::strong_count(&connections) > MOST_CONNECTIONS => {}
            Ok((stream, _)) => {
                let (door, open, pages, count) = (door.clone(), open.clone(), pages.clone(), connections.clone());
                actix::spawn(async move {
                    let _ = timeout(CONNECTION_LIFE, serve(stream, door, open)).await;
                    drop((pages, count));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "login: failed to accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, door: Rc<Door>, mut open: Tether) {
    let service = service_fn(|request| respond(request, &door));
    let mut connection = pin!(http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service));
    let done = tokio::select! {
        done = connection.as_mut() => Some(done),
        () = open.cut() => None,
    };
    let done = match done {
        Some(done) => done,
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_WORDS, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "login: a connection ended early");
    }
}

async fn respond(request: Request<Incoming>, door: &Door) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(if request.method() != Method::GET {
        let mut refused = page::plain(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
        refused
    } else if !is_for_this_machine(&request, door.port) {
        // A name of somebody's own that leads here: DNS rebinding.
        page::plain(StatusCode::FORBIDDEN, "not this host")
    } else if request.uri().path() != PATH {
        page::plain(StatusCode::NOT_FOUND, "nothing here")
    } else {
        let answer = (door.knock)(callback(request.uri().query().unwrap_or_default())).await;
        page::html(&answer.unwrap_or(Page::Strange("this login is over")))
    })
}

fn is_for_this_machine(request: &Request<Incoming>, port: u16) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (name, given) = host.rsplit_once(':').unwrap_or((host, ""));
    given == port.to_string() && ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// A parameter that comes twice counts as none (RFC 6749 §3.1).
fn callback(query: &str) -> Callback {
    let Ok(url) = Url::parse(&format!("http://localhost/?{query}")) else {
        return Callback::default();
    };
    let only = |name: &str| {
        let mut found = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        found.next().filter(|_| found.next().is_none())
    };
    let described = only("error_description").map(|words| format!(": {}", printable(&words))).unwrap_or_default();
    Callback {
        state: only("state").map(State),
        code: only("code").map(AuthorizationCode),
        error: only("error").map(|code| format!("{}{described}", printable(&code))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_read_from_the_query() {
        let check = |query: &str, state: Option<&str>, code: Option<&str>, error: Option<&str>| {
            let found = callback(query);
            let text = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(found.state.map(|s| s.0), text(state), "{query}");
            assert_eq!(found.code.map(|c| c.0), text(code), "{query}");
            assert_eq!(found.error, text(error), "{query}");
        };
        check("code=a%2Bb&state=s%20s", Some("s s"), Some("a+b"), None);
        check("state=s&state=s&code=a", None, Some("a"), None);
        check("", None, None, None);
        check("error=access_denied&error_description=no%0Away&state=s", Some("s"), None, Some("access_denied: noway"));
    }
}
