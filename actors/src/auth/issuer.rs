//! The OpenID provider: where its endpoints are, and what it is asked (RFC 6749, 7009, 7636, 8414, 8628). By hand on the
//! HTTP client that is here anyway: the crate for it insists on HTTPS for revocations even on this machine, cannot read
//! OpenAI's errors, and keeps answers with tokens in errors that print.

use super::{random, stored::Tokens};
use crate::{
    config::{LoginSettings, OPENAI_ISSUER, Secret},
    http_clients::{AGENT, Clients, is_this_machine, with_causes},
};
use reqwest::{RequestBuilder, Response, Url, header::USER_AGENT};
use serde::Deserialize;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// No answer of an issuer is larger, in bytes.
const LARGEST_ANSWER: usize = 256 * 1024;
/// How long a person has for a user code whose issuer does not say, in seconds.
const USER_CODE_LIFE: u64 = 900;
/// Between two questions whether the user code was typed, in seconds, if the issuer does not say (RFC 8628 §3.2).
const POLL_INTERVAL: u64 = 5;

/// What an issuer said no with, or why it could not be asked. Printable; holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct IssuerError {
    /// The error code of RFC 6749 §5.2 or of the issuer; blank if it gave none.
    pub code: String,
    /// For a person.
    pub text: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

impl IssuerError {
    fn new(text: impl Into<String>) -> Self {
        Self { code: String::new(), text: text.into(), status: None }
    }

    /// Whether asking again is pointless: the token itself was refused.
    #[must_use]
    pub(super) fn is_final(&self) -> bool {
        self.status == Some(401) || self.code == "invalid_grant"
    }
}

/// A browser's way to the issuer and back.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    /// Where it is sent.
    pub(super) url: Url,
    /// What it must bring back.
    pub(super) state: Secret,
    pub(super) verifier: Secret,
    pub(super) redirect_uri: String,
}

/// A code for a person to type (RFC 8628 §3.2).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DeviceAuthorization {
    device_code: Secret,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    expires_in: Option<u64>,
    interval: Option<u64>,
}

impl DeviceAuthorization {
    pub(super) fn life(&self) -> Duration {
        Duration::from_secs(self.expires_in.unwrap_or(USER_CODE_LIFE))
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(self.interval.unwrap_or(POLL_INTERVAL))
    }
}

/// Where an issuer takes what.
#[derive(Clone, Debug)]
struct Endpoints {
    authorize: Url,
    token: Url,
    device: Option<Url>,
    revoke: Option<Url>,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<Secret>,
    access_token: Option<Secret>,
    refresh_token: Option<Secret>,
}

/// The issuer that is configured.
#[derive(Clone)]
pub(super) struct Issuer {
    settings: Arc<LoginSettings>,
    clients: Arc<Clients>,
}

impl Issuer {
    pub(super) fn new(settings: Arc<LoginSettings>) -> Self {
        Self { settings, clients: Arc::default() }
    }

    /// The way for a browser that comes back to `redirect_uri`.
    pub(super) async fn authorization(&self, redirect_uri: String) -> Result<Authorization, IssuerError> {
        let mut url = self.endpoints().await?.authorize;
        let state = random::unguessable().map_err(IssuerError::new)?;
        let verifier = random::unguessable().map_err(IssuerError::new)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", state.expose())
            .append_pair("code_challenge", &random::challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        if self.is_openai() {
            // Which organizations the person belongs to goes into the identity token.
            url.query_pairs_mut()
                .append_pair("id_token_add_organizations", "true")
                .append_pair("codex_cli_simplified_flow", "true")
                .append_pair("originator", "llmx");
        }
        if self.settings.scopes.iter().any(|scope| scope == "offline_access") && !self.is_openai() {
            // OpenID Connect Core 1.0 §11: without consent there is no refresh token.
            url.query_pairs_mut().append_pair("prompt", "consent");
        }
        Ok(Authorization { url, state, verifier, redirect_uri })
    }

    /// Tokens for the code that the browser brought.
    pub(super) async fn exchange(&self, way: &Authorization, code: &str, now: u64) -> Result<Tokens, IssuerError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &way.redirect_uri),
            ("client_id", &self.settings.client_id),
            ("code_verifier", way.verifier.expose()),
        ];
        self.tokens(self.endpoints().await?.token, &form, now).await
    }

    /// A code to type.
    pub(super) async fn device_authorization(&self) -> Result<DeviceAuthorization, IssuerError> {
        let url = self.endpoints().await?.device;
        let url = url.ok_or_else(|| IssuerError::new("the issuer has no login by device code"))?;
        let scopes = self.settings.scopes.join(" ");
        let form = [("client_id", self.settings.client_id.as_str()), ("scope", &scopes)];
        let answer = self.ask(self.post(url, &form)?).await?;
        serde_json::from_slice(&answer).map_err(|_| IssuerError::new("the issuer's answer is no device authorization"))
    }

    /// Tokens, if the code was typed.
    pub(super) async fn poll(&self, device: &DeviceAuthorization, now: u64) -> Result<Tokens, IssuerError> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device.device_code.expose()),
            ("client_id", &self.settings.client_id),
        ];
        self.tokens(self.endpoints().await?.token, &form, now).await
    }

    /// New tokens in the place of these.
    pub(super) async fn renew(&self, old: &Tokens, now: u64) -> Result<Tokens, IssuerError> {
        let refresh = old.refresh_token.as_ref().ok_or_else(|| IssuerError::new("there is no refresh token"))?;
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose()),
            ("client_id", &self.settings.client_id),
        ];
        let url = match &self.settings.refresh_token_url {
            Some(url) => endpoint(url)?,
            None if self.is_openai() => openai()?.token,
            None => self.endpoints().await?.token,
        };
        let new = self.tokens(url, &form, now).await?;
        Ok(Tokens {
            id_token: new.id_token.or_else(|| old.id_token.clone()),
            refresh_token: new.refresh_token.or_else(|| old.refresh_token.clone()),
            account_id: new.account_id.or_else(|| old.account_id.clone()),
            ..new
        })
    }

    /// Makes tokens worthless, if the issuer offers that: the refresh token and with it all that came of it.
    pub(super) async fn revoke(&self, tokens: &Tokens) -> Result<(), IssuerError> {
        let Some(url) = self.endpoints().await?.revoke else {
            return Ok(());
        };
        let (token, hint) = match &tokens.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (&tokens.access_token, "access_token"),
        };
        let client_id = self.settings.client_id.as_str();
        let form = [("token", token.expose()), ("token_type_hint", hint), ("client_id", client_id)];
        self.ask(self.post(url, &form)?).await.map(|_| ())
    }

    fn is_openai(&self) -> bool {
        self.settings.issuer == OPENAI_ISSUER
    }

    /// Found out each time: it is rarely needed, and an issuer may move. OpenAI's known ones do without.
    async fn endpoints(&self) -> Result<Endpoints, IssuerError> {
        match self.discover().await {
            Err(_) if self.is_openai() => openai(),
            found => found,
        }
    }

    /// OpenID Connect Discovery 1.0 §4.
    async fn discover(&self) -> Result<Endpoints, IssuerError> {
        let issuer = &self.settings.issuer;
        let url = endpoint(&format!("{issuer}/.well-known/openid-configuration"))?;
        let client = self.clients.reaching(url.as_str()).map_err(IssuerError::new)?;
        let answer = self.ask(client.get(url)).await;
        let answer = answer.map_err(|e| IssuerError::new(format!("{issuer} does not say how to log in: {e}")))?;
        let found: Discovered = serde_json::from_slice(&answer).map_err(|_| {
            IssuerError::new(format!("{issuer} is no OpenID provider: its configuration makes no sense"))
        })?;
        // One that speaks for another could get the other's codes (RFC 8414 §3.3).
        if found.issuer.trim_end_matches('/') != issuer {
            return Err(IssuerError::new(format!("{issuer} calls itself {}", printable(&found.issuer))));
        }
        let optional = |url: Option<String>| url.as_deref().map(endpoint).transpose();
        Ok(Endpoints {
            authorize: endpoint(&found.authorization_endpoint)?,
            token: endpoint(&found.token_endpoint)?,
            device: optional(found.device_authorization_endpoint)?,
            revoke: optional(found.revocation_endpoint)?,
        })
    }

    async fn tokens(&self, url: Url, form: &[(&str, &str)], now: u64) -> Result<Tokens, IssuerError> {
        let answer = self.ask(self.post(url, form)?).await?;
        let senseless = || IssuerError::new("the issuer's answer holds no access token");
        let answer: TokenAnswer = serde_json::from_slice(&answer).map_err(|_| senseless())?;
        let mut tokens = Tokens {
            access_token: answer.access_token.ok_or_else(senseless)?,
            id_token: answer.id_token,
            refresh_token: answer.refresh_token,
            account_id: None,
            last_refresh: Some(now),
        };
        tokens.account_id = tokens.claims().account_id;
        Ok(tokens)
    }

    fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<RequestBuilder, IssuerError> {
        let client = self.clients.reaching(url.as_str()).map_err(IssuerError::new)?;
        let mut encoded = url.clone();
        encoded.set_query(None);
        let body = encoded.query_pairs_mut().extend_pairs(form).finish().query().unwrap_or_default().to_owned();
        Ok(client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body))
    }

    /// The body of an answer of 2xx.
    async fn ask(&self, request: RequestBuilder) -> Result<Vec<u8>, IssuerError> {
        let request = request.header(USER_AGENT, AGENT).header("accept", "application/json").timeout(REQUEST_TIMEOUT);
        let failed = |error: reqwest::Error| IssuerError::new(with_causes(&error.without_url()));
        let mut response = request.send().await.map_err(failed)?;
        let body = whole_body(&mut response).await?;
        if response.status().is_success() { Ok(body) } else { Err(refusal(response.status().as_u16(), &body)) }
    }
}

fn openai() -> Result<Endpoints, IssuerError> {
    let authorize = endpoint(&format!("{OPENAI_ISSUER}/oauth/authorize"))?;
    let token = endpoint(&format!("{OPENAI_ISSUER}/oauth/token"))?;
    Ok(Endpoints { authorize, token, device: None, revoke: None })
}

async fn whole_body(response: &mut Response) -> Result<Vec<u8>, IssuerError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_ANSWER => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(IssuerError::new("the issuer's answer is too large")),
            Ok(None) => return Ok(body),
            Err(error) => return Err(IssuerError::new(with_causes(&error.without_url()))),
        }
    }
}

/// Credentials go over TLS, or do not leave this machine.
fn endpoint(text: &str) -> Result<Url, IssuerError> {
    let url = Url::parse(text).map_err(|e| IssuerError::new(format!("{}: {e}", printable(text))))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(&url) => Ok(url),
        _ => Err(IssuerError::new(format!("{}: only https, or http on this machine", printable(text)))),
    }
}

/// RFC 6749 §5.2, or OpenAI's `{"error": {"code", "message"}}`.
fn refusal(status: u16, body: &[u8]) -> IssuerError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(printable).unwrap_or_default();
    let error = &answer["error"];
    let (code, words) = match error {
        Value::Object(error) => {
            (error.get("code").map(text).unwrap_or_default(), error.get("message").map(text).unwrap_or_default())
        }
        _ => (text(error), text(&answer["error_description"])),
    };
    let said =
        [code.as_str(), words.as_str()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let text = if said.is_empty() { format!("the issuer answered {status}") } else { said };
    IssuerError { code, text, status: Some(status) }
}

/// Of an issuer's words, what can be shown.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_both_forms() {
        let check = |status, body: &str, code: &str, text: &str| {
            let error = refusal(status, body.as_bytes());
            assert_eq!((error.code.as_str(), error.text.as_str()), (code, text), "{body}");
        };
        let rfc = r#"{"error":"invalid_grant","error_description":"grant\n not found"}"#;
        check(400, rfc, "invalid_grant", "invalid_grant: grant not found");
        let openai = r#"{"error":{"code":"refresh_token_reused","message":"Used."}}"#;
        check(401, openai, "refresh_token_reused", "refresh_token_reused: Used.");
        check(502, "<html>", "", "the issuer answered 502");
    }

    #[test]
    fn credentials_leave_this_machine_over_tls_only() {
        for good in ["https://a.example/t", "http://127.0.0.1:1/t", "http://localhost:1/t", "http://[::1]:1/t"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in ["http://a.example/t", "ftp://127.0.0.1/t", "t", "http://127.0.0.1.example/t"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
