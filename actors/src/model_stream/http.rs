//! The way to a model over HTTP.

use super::answer::{HttpAnswer, beginning, now_unix};
use super::{AnswerBody, ModelRequest, Transport};
use crate::{
    auth::{Bearer, Keys},
    config::{Config, Environment, OPENAI_BASE_URL, ProviderInfo, Secret, WireApi},
    http_clients::{AGENT, Clients, with_causes, without_secrets},
    replay::{Recordings, Tape},
};
use bytes::Bytes;
use dashmap::DashSet;
use futures_util::{FutureExt, future, future::LocalBoxFuture};
use llmx_protocol::{
    machine::settings::Settings,
    model::{Dialect, Failure, FailureKind, chat::ChatOptions},
};
use reqwest::{
    RequestBuilder, Response,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT},
};
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Of an answer that is no stream, at most this much is read, in bytes.
const ERROR_BODY: usize = 64 * 1024;

/// What a server is told of who asks.
const ORIGINATOR: &str = "llmx";

/// Where a provider's key and headers come from.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The keys.
    pub keys: Arc<dyn Keys>,
    /// The providers.
    pub config: Arc<Config>,
    /// The variables that they name.
    pub environment: Environment,
}

/// The way to servers over HTTP, in the dialect that each provider names or turns out to speak.
pub struct HttpTransport(Arc<Http>);

/// One for each arbiter, for a connection is served by the thread that made it.
struct Http {
    credentials: Credentials,
    chat_only: ChatOnly,
    recordings: Recordings,
    clients: Clients,
    /// Whether a request was answered before: its connection may be the next one's.
    keeps_connections: AtomicBool,
}

/// The URLs that turned out to have no Responses API behind them, but Chat. A fact about servers, not state of a session:
/// it is found out once for all arbiters.
#[derive(Clone, Debug, Default)]
struct ChatOnly {
    known: Arc<DashSet<String>>,
    /// Those of which a user was told.
    told: Arc<DashSet<String>>,
}

impl HttpTransport {
    /// No connection is made yet. What providers with `record` are asked and answer goes to `recordings`.
    #[must_use]
    pub fn new(credentials: Credentials, recordings: Recordings) -> Self {
        Self::knowing(credentials, ChatOnly::default(), recordings)
    }

    /// One with connections of its own that shares what is known of the servers.
    #[must_use]
    pub fn for_another_arbiter(&self) -> Self {
        Self::knowing(self.0.credentials.clone(), self.0.chat_only.clone(), self.0.recordings.clone())
    }

    /// [`Transport::open`] at this provider, whatever the settings say.
    pub(super) fn open_at(
        &self,
        provider: ProviderInfo,
        request: ModelRequest,
    ) -> LocalBoxFuture<'static, Result<Box<dyn AnswerBody>, Failure>> {
        let http = self.0.clone();
        async move { Ok(Box::new(http.open(&provider, &request).await?) as Box<dyn AnswerBody>) }.boxed_local()
    }

    /// The provider that the settings name.
    pub(super) fn provider(&self, settings: &Settings) -> Result<Cow<'_, ProviderInfo>, Failure> {
        self.0.provider(settings)
    }

    fn knowing(credentials: Credentials, chat_only: ChatOnly, recordings: Recordings) -> Self {
        let (clients, keeps_connections) = (Clients::default(), AtomicBool::new(false));
        Self(Arc::new(Http { credentials, chat_only, recordings, clients, keeps_connections }))
    }
}

impl Transport for HttpTransport {
    fn open(&self, request: ModelRequest) -> LocalBoxFuture<'static, Result<Box<dyn AnswerBody>, Failure>> {
        match self.provider(&request.settings) {
            Ok(provider) => self.open_at(provider.into_owned(), request),
            Err(failure) => future::ready(Err(failure)).boxed_local(),
        }
    }

    fn idle_timeout(&self, settings: &Settings) -> Duration {
        let ms = self.0.provider(settings).map_or(300_000, |p| p.stream_idle_timeout_ms);
        Duration::from_millis(ms)
    }
}

impl Http {
    async fn open(&self, provider: &ProviderInfo, request: &ModelRequest) -> Result<HttpAnswer, Failure> {
        match provider.wire_api {
            WireApi::Responses => self.ask(provider, Dialect::Responses, request).await.map_err(|f| hinting(f, "chat")),
            WireApi::Chat => self.ask(provider, chat_of(provider), request).await.map_err(|f| hinting(f, "responses")),
            WireApi::Auto => self.ask_in_either(provider, request).await,
        }
    }

    /// Only a server that says that it has no such route is asked again: no model has seen the request then. What it
    /// answers to Chat decides whether it is remembered, for a server that is not up yet may know no route at all.
    async fn ask_in_either(&self, provider: &ProviderInfo, request: &ModelRequest) -> Result<HttpAnswer, Failure> {
        let url = provider.url(Dialect::Responses.path());
        let ChatOnly { known, told } = &self.chat_only;
        let was_known = known.contains(&url);
        if !was_known {
            match self.ask(provider, Dialect::Responses, request).await {
                Err(failure) if failure.kind == FailureKind::NoSuchRoute => {}
                answer => return answer,
            }
        }
        match self.ask(provider, chat_of(provider), request).await {
            Ok(mut answer) => {
                known.insert(url.clone());
                if told.insert(url) {
                    answer.notice = Some(fallback_notice(provider));
                }
                Ok(answer)
            }
            Err(failure) => {
                match knows_chat(failure.kind) {
                    Some(true) => known.insert(url),
                    Some(false) => known.remove(&url).is_some(),
                    None => false,
                };
                Err(if was_known { failure } else { has_neither(failure) })
            }
        }
    }

    /// A key that is refused is renewed, once: a token may have been replaced while the engine ran.
    async fn ask(
        &self,
        provider: &ProviderInfo,
        dialect: Dialect,
        request: &ModelRequest,
    ) -> Result<HttpAnswer, Failure> {
        let body = request.body(dialect);
        let key = self.key(provider, None).await?;
        let asked = Asked { provider, dialect, conversation: &request.conversation, body };
        let Refused { failure, tape } = match self.exchange(&asked, key.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(refused) if refused.failure.kind == FailureKind::Auth => refused,
            Err(refused) => return Err(refused.into_failure()),
        };
        match self.key(provider, key.as_ref()).await {
            Ok(Some(renewed)) if Some(&renewed) != key.as_ref() => {
                tracing::debug!(provider = provider.name, "the server refused a key; trying a newer one");
                // A replayed session has no keys: to it the refusal would be the end.
                tape.forget();
                self.exchange(&asked, Some(renewed)).await.map_err(Refused::into_failure)
            }
            Ok(_) => Err(Refused { failure, tape }.into_failure()),
            // Why there is no newer one says more than that the old one was refused.
            Err(why) => Err(Refused { failure: why, tape }.into_failure()),
        }
    }

    async fn key(&self, provider: &ProviderInfo, refused: Option<&Bearer>) -> Result<Option<Bearer>, Failure> {
        let key = self.credentials.keys.key(provider, refused).await;
        key.map_err(|text| Failure::new(FailureKind::Auth, text))
    }

    async fn exchange(&self, asked: &Asked<'_>, key: Option<Bearer>) -> Result<HttpAnswer, Refused> {
        let dialect = asked.dialect;
        let mut tape = self.tape(asked, key.as_ref()).await?;
        let post = self.post(asked, key.as_ref())?;
        let response = post.send().await.map_err(|e| self.not_answered(e))?;
        self.keeps_connections.store(true, Ordering::Relaxed);
        tape.answered(response.status().as_u16(), response.headers());
        if let Some(encoding) = unwanted_encoding(response.headers()).filter(|_| response.status().is_success()) {
            let failure = Failure::new(FailureKind::BadRequest, encoded_text(&encoding));
            return Err(Refused { failure, tape });
        }
        if response.status().is_success() && is_answer(response.headers(), dialect) {
            return Ok(HttpAnswer::new(response, dialect, tape));
        }
        Err(refusal(response, tape).await)
    }

    /// A request that cannot even be made, because of a URL or a header that is none, will not be made the next time either.
    fn not_answered(&self, error: reqwest::Error) -> Failure {
        let (cannot_be_made, is_new) = (error.is_builder(), error.is_connect());
        let text = with_causes(&without_secrets(error));
        if cannot_be_made {
            return Failure::new(FailureKind::BadRequest, format!("the provider cannot be asked: {text}"));
        }
        let may_be_kept = !is_new && self.keeps_connections.load(Ordering::Relaxed);
        if may_be_kept { Failure::dropped(&text) } else { Failure::connect(&text) }
    }

    /// What this exchange is recorded on. It fails before anything is asked: who wants a recording wants all of it.
    async fn tape(&self, asked: &Asked<'_>, key: Option<&Bearer>) -> Result<Tape, Failure> {
        let Asked { provider, dialect, body, .. } = asked;
        let Some(file) = &provider.record else {
            return Ok(Tape::off());
        };
        let cannot = |e| Failure::new(FailureKind::BadRequest, format!("failed to record to {}: {e}", file.display()));
        let recorder = self.recordings.at(file).await.map_err(cannot)?;
        let environment = &self.credentials.environment;
        let headers = provider.headers(environment).into_iter().map(|(_, value)| value);
        let known = headers.chain(provider.secrets(environment)).map(|value| Secret::from(value.as_str()));
        Ok(Tape::of(recorder, dialect.path(), body.clone(), known.chain(key.map(|key| key.token.clone())).collect()))
    }

    fn provider(&self, settings: &Settings) -> Result<Cow<'_, ProviderInfo>, Failure> {
        let bad = |text: String| Failure::new(FailureKind::BadRequest, text);
        match &settings.provider.record {
            Some(record) => serde_json::from_value((**record).clone()).map(Cow::Owned).map_err(|e| bad(e.to_string())),
            None => {
                let (id, overrides) = (&settings.provider.id, settings.provider.overrides.as_deref());
                self.credentials.config.provider_with(id, overrides).map_err(bad)
            }
        }
    }

    fn post(&self, asked: &Asked<'_>, key: Option<&Bearer>) -> Result<RequestBuilder, Failure> {
        let Asked { provider, dialect, conversation, .. } = *asked;
        let url = self.url(asked, key);
        let client = self.clients.reaching(&url).map_err(|e| Failure::new(FailureKind::BadRequest, e))?;
        let mut builder = client
            .post(url)
            .header(ACCEPT, "text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .header("originator", ORIGINATOR);
        if dialect == Dialect::Responses {
            builder = builder.header("conversation_id", conversation).header("session_id", conversation);
        }
        if let Some(key) = key {
            builder = builder.bearer_auth(key.token.expose());
        }
        if let Some(id) = key.and_then(|key| key.account_id.as_deref()) {
            builder = builder.header("chatgpt-account-id", id);
        }
        for (name, value) in provider.headers(&self.credentials.environment) {
            builder = builder.header(name, value);
        }
        Ok(builder.body(asked.body.clone()))
    }

    /// An account's tokens are not for OpenAI's public API but for ChatGPT's own.
    fn url(&self, asked: &Asked<'_>, key: Option<&Bearer>) -> String {
        let Asked { provider, dialect, .. } = *asked;
        if key.is_some_and(|key| key.is_account) && provider.base_url == OPENAI_BASE_URL {
            let base_url = format!("{}/llmx", self.credentials.config.login.chatgpt_base_url);
            return ProviderInfo { base_url, ..provider.clone() }.url(dialect.path());
        }
        provider.url(dialect.path())
    }
}

/// One request, but for the key.
struct Asked<'a> {
    provider: &'a ProviderInfo,
    dialect: Dialect,
    conversation: &'a str,
    body: Bytes,
}

/// An exchange that came to nothing, with the tape that it is on.
struct Refused {
    failure: Failure,
    tape: Tape,
}

impl Refused {
    fn into_failure(mut self) -> Failure {
        self.tape.ended();
        self.failure
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, tape: Tape::off() }
    }
}

/// Chat Completions as the provider speaks it.
fn chat_of(provider: &ProviderInfo) -> Dialect {
    Dialect::Chat(ChatOptions {
        max_tokens: provider.max_tokens.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0),
        newer_limit_name: provider.base_url == OPENAI_BASE_URL,
    })
}

/// Says what would help against a server that has no such route.
fn hinting(failure: Failure, other: &str) -> Failure {
    match failure.kind {
        FailureKind::NoSuchRoute => {
            let hint = format!(" (if it has the other API: `wire_api = \"{other}\"` or `\"auto\"`)");
            Failure { message: failure.message + &hint, ..failure }
        }
        _ => failure,
    }
}

/// Whether the server has Chat, as far as its refusal says: who judges the request itself has the route.
fn knows_chat(refusal: FailureKind) -> Option<bool> {
    match refusal {
        FailureKind::RateLimited
        | FailureKind::BadRequest
        | FailureKind::ContextOverflow
        | FailureKind::Quota
        | FailureKind::UsageLimit => Some(true),
        FailureKind::NoSuchRoute => Some(false),
        _ => None,
    }
}

fn has_neither(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::NoSuchRoute => {
            let text = format!("the server has neither a Responses API nor Chat Completions: {}", failure.message);
            Failure { message: text, ..failure }
        }
        _ => failure,
    }
}

fn fallback_notice(provider: &ProviderInfo) -> String {
    format!(
        "model provider `{}` has no Responses API: Chat Completions is used instead (`wire_api = \"chat\"` says so from the start)",
        provider.name
    )
}

/// What the body is compressed with, which nobody asked for: its bytes would look like garbage.
fn unwanted_encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase();
    (!matches!(encoding.as_str(), "" | "identity")).then_some(encoding)
}

fn encoded_text(encoding: &str) -> String {
    let encoding: String = encoding.chars().take(40).collect();
    format!("the server answers with content-encoding {encoding}, which llmx does not ask for and does not read")
}

fn is_answer(headers: &HeaderMap, dialect: Dialect) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    // Some Chat servers do not stream.
    let is_whole = dialect != Dialect::Responses && kind.starts_with("application/json");
    // Some proxies name no type at all; the decoder finds out.
    is_whole || kind.is_empty() || kind.starts_with("text/event-stream") || kind.starts_with("application/x-ndjson")
}

async fn refusal(mut response: Response, mut tape: Tape) -> Refused {
    let failure = read_refusal(&mut response, &mut tape).await;
    Refused { failure, tape }
}

async fn read_refusal(response: &mut Response, tape: &mut Tape) -> Failure {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let body = beginning(response, ERROR_BODY).await;
    tape.heard(&body);
    if response.status().is_success() {
        return not_a_stream(header("content-type").unwrap_or_default(), &body);
    }
    let request_id = header("x-request-id").or_else(|| header("cf-ray"));
    Failure::from_http(status, header("retry-after"), header("retry-after-ms"), request_id, &body, now_unix())
}

/// An answer of 2xx that is something else: an error as JSON, or a proxy's page.
fn not_a_stream(kind: &str, body: &[u8]) -> Failure {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    if let Some(error) = parsed.as_ref().and_then(|v| v.get("error")) {
        return Failure::from_answer(error);
    }
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect();
    Failure::new(FailureKind::Garbage, format!("expected an event stream, got {kind}: {text}"))
}
