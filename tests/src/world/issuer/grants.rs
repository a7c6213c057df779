use super::Person;
use crate::world::http::encoded;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Form = [(String, String)];

/// What was given out.
#[derive(Default)]
pub(super) struct Grants {
    pub(super) person: Person,
    pub(super) typed: Option<Person>,
    pub(super) hangs: bool,
    pub(super) access: BTreeSet<String>,
    pub(super) secrets: Vec<String>,
    refresh: BTreeSet<String>,
    codes: BTreeMap<String, Code>,
    count: u32,
}

struct Code {
    challenge: String,
    redirect_uri: String,
}

fn value<'f>(form: &'f Form, name: &str) -> &'f str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

impl Grants {
    /// Where the browser goes next.
    pub(super) fn authorize(&mut self, form: &Form) -> Result<String, String> {
        for (name, expected) in
            [("response_type", "code"), ("client_id", "llmx-test"), ("code_challenge_method", "S256")]
        {
            if value(form, name) != expected {
                return Err(format!("{name} is {}", value(form, name)));
            }
        }
        let (redirect_uri, state) = (value(form, "redirect_uri").to_owned(), encoded(value(form, "state")));
        if self.person == Person::Refuses {
            return Ok(format!("{redirect_uri}?error=access_denied&error_description=not%20today&state={state}"));
        }
        let code = self.secret("code");
        let back = format!("{redirect_uri}?code={}&state={state}", encoded(&code));
        self.codes.insert(code, Code { challenge: value(form, "code_challenge").to_owned(), redirect_uri });
        Ok(back)
    }

    pub(super) fn token(&mut self, form: &Form) -> Result<Value, &'static str> {
        if value(form, "client_id") != "llmx-test" {
            return Err("invalid_client");
        }
        let is_good = match value(form, "grant_type") {
            "authorization_code" => self.codes.remove(value(form, "code")).is_some_and(|code| {
                let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, value(form, "code_verifier").as_bytes()));
                code.challenge == challenge && code.redirect_uri == value(form, "redirect_uri")
            }),
            "refresh_token" => self.refresh.remove(value(form, "refresh_token")),
            "urn:ietf:params:oauth:grant-type:device_code" => match self.typed {
                None => return Err("authorization_pending"),
                Some(Person::Refuses) => return Err("access_denied"),
                Some(Person::Agrees) => self.secrets.iter().any(|secret| secret == value(form, "device_code")),
            },
            _ => return Err("unsupported_grant_type"),
        };
        if is_good { Ok(self.tokens()) } else { Err("invalid_grant") }
    }

    pub(super) fn device(&mut self, url: &str) -> Value {
        let code = self.secret("device");
        json!({
            "device_code": code,
            "user_code": "WDJB-MJHT",
            "verification_uri": format!("{url}/activate"),
            "expires_in": 600,
            "interval": 0,
        })
    }

    pub(super) fn revoke(&mut self, form: &Form) {
        let token = value(form, "token");
        if self.refresh.remove(token) {
            self.access.clear();
        }
        self.access.remove(token);
    }

    pub(super) fn end_tokens(&mut self, refresh: bool) {
        self.access.clear();
        if refresh {
            self.refresh.clear();
        }
    }

    fn tokens(&mut self) -> Value {
        let (access, refresh) = (self.secret("access"), self.secret("refresh"));
        let claims = json!({
            "email": "ann@example.com",
            "https://api.openai.com/auth": {"chatgpt_plan_type": "pro", "chatgpt_account_id": "org-1"},
            "nonce": self.count,
        });
        let id_token = format!("e30.{}.signature", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
        self.secrets.push(id_token.clone());
        self.access.insert(access.clone());
        self.refresh.insert(refresh.clone());
        json!({"access_token": access, "refresh_token": refresh, "id_token": id_token, "token_type": "Bearer", "expires_in": 60})
    }

    fn secret(&mut self, kind: &str) -> String {
        self.count += 1;
        let secret = format!("{kind}-secret-{}-of-{}", self.count, std::process::id());
        self.secrets.push(secret.clone());
        secret
    }
}
