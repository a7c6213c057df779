//! A small OpenID provider: discovery, authorization code with PKCE, device code, refresh tokens that are good for one
//! use, revocation. Strict where a client may go wrong.

mod grants;

use super::{PATIENCE, http::parameters};
use grants::Grants;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// What the person at the browser does when asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Person {
    /// Agrees.
    #[default]
    Agrees,
    /// Does not.
    Refuses,
}

/// The provider. Everybody is `ann@example.com` on the plan `pro`.
pub struct Issuer {
    url: String,
    desk: Arc<Desk>,
    accepting: JoinHandle<()>,
}

struct Desk {
    url: String,
    grants: Mutex<Grants>,
    asked: watch::Sender<Vec<String>>,
}

impl Issuer {
    /// Serves until it is dropped.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let desk = Arc::new(Desk { url: url.clone(), grants: Mutex::default(), asked: watch::Sender::default() });
        let accepting = tokio::spawn(accept(listener, desk.clone()));
        Self { url, desk, accepting }
    }

    /// Its own name.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the person will do from now on.
    pub fn person(&self, person: Person) {
        self.grants().person = person;
    }

    /// The person types the user code, or does not want to, wherever they are asked.
    pub fn user_code_typed(&self, person: Person) {
        self.grants().typed = Some(person);
    }

    /// Every access token is over; with `refresh`, every refresh token too.
    pub fn end_tokens(&self, refresh: bool) {
        self.grants().end_tokens(refresh);
    }

    /// Nobody is answered at the token endpoint from now on.
    pub fn hang_at_token(&self, hangs: bool) {
        self.grants().hangs = hangs;
    }

    /// Whether an access token is good.
    #[must_use]
    pub fn accepts(&self, access_token: &str) -> bool {
        self.grants().access.contains(access_token)
    }

    /// Everything that is secret and was given out so far.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.grants().secrets.clone()
    }

    /// The paths that were asked for, each with its kind of grant if it has one.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.desk.asked.borrow().clone()
    }

    /// Waits until something was asked for so many times.
    pub async fn was_asked(&self, what: &str, times: usize) {
        let mut asked = self.desk.asked.subscribe();
        let often = |asked: &Vec<String>| asked.iter().filter(|path| *path == what).count() >= times;
        let waited = timeout(PATIENCE, asked.wait_for(often)).await;
        assert!(matches!(waited, Ok(Ok(_))), "waited in vain for {what}: {:?}", self.asked());
    }

    fn grants(&self) -> std::sync::MutexGuard<'_, Grants> {
        self.desk.grants.lock().expect("no holder panics")
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, desk.clone()));
    }
}

/// One request a connection.
async fn serve(stream: TcpStream, desk: Arc<Desk>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let target = line(&mut stream).await?.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let header = line(&mut stream).await?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let answer = desk.answer(&target, &String::from_utf8(body).ok()?).await;
    stream.get_mut().write_all(answer.as_bytes()).await.ok()
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await.ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

impl Desk {
    async fn answer(&self, target: &str, body: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let form = parameters(if body.is_empty() { query } else { body });
        let kind = form.iter().find(|(name, _)| name == "grant_type").map(|(_, kind)| format!(" {kind}"));
        self.asked.send_modify(|asked| asked.push(format!("{path}{}", kind.unwrap_or_default())));
        if path == "/token" && self.grants.lock().expect("no holder panics").hangs {
            std::future::pending::<()>().await;
        }
        let mut grants = self.grants.lock().expect("no holder panics");
        match path {
            "/.well-known/openid-configuration" => json_answer(200, &self.configuration()),
            "/authorize" => match grants.authorize(&form) {
                Ok(back) => {
                    format!("HTTP/1.1 302 Found\r\nlocation: {back}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                }
                Err(why) => json_answer(400, &json!({"error": why})),
            },
            "/token" => match grants.token(&form) {
                Ok(tokens) => json_answer(200, &tokens),
                Err(error) => json_answer(400, &json!({"error": error, "error_description": "as the test wants it"})),
            },
            "/device" => json_answer(200, &grants.device(&self.url)),
            "/revoke" => {
                grants.revoke(&form);
                json_answer(200, &json!({}))
            }
            _ => json_answer(404, &json!({"error": "not_found"})),
        }
    }

    fn configuration(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.url);
        json!({
            "issuer": self.url,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "device_authorization_endpoint": at("/device"),
            "revocation_endpoint": at("/revoke"),
        })
    }
}

fn json_answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
