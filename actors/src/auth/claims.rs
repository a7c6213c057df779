//! What a token says of its owner. Nobody checks its signature here: it came from the issuer itself, and nothing but
//! what people are shown, and when tokens are renewed, is made of it.

use crate::config::Secret;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// Where OpenAI's tokens have their own claims.
const OPENAI_CLAIMS: &str = "https://api.openai.com/auth";

/// The claims that are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The e-mail address, or whatever else the issuer calls the person by.
    pub email: Option<String>,
    /// What they pay for, as the issuer spells it.
    pub plan: Option<String>,
    /// Which of their accounts is meant.
    pub account_id: Option<String>,
    /// When the token ends, in Unix seconds.
    pub expires: Option<u64>,
}

impl Claims {
    /// Of a JWT; of anything else, none.
    #[must_use]
    pub(super) fn of(token: &Secret) -> Self {
        payload(token.expose()).map(|claims| Self::read(&claims)).unwrap_or_default()
    }

    fn read(claims: &Value) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let names = ["email", "preferred_username", "sub"];
        let openai = &claims[OPENAI_CLAIMS];
        Self {
            email: names.iter().find_map(|name| text(&claims[name])),
            plan: text(&openai["chatgpt_plan_type"]),
            account_id: text(&openai["chatgpt_account_id"]),
            expires: claims["exp"].as_u64(),
        }
    }
}

fn payload(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::of(&format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(json)).into())
    }

    #[test]
    fn claims_are_read_from_the_middle_of_the_token() {
        let openai = claims(
            r#"{"email":"a@b.c","exp":7,"https://api.openai.com/auth":{"chatgpt_plan_type":"pro","chatgpt_account_id":"o"}}"#,
        );
        let expected = Claims {
            email: Some("a@b.c".into()),
            plan: Some("pro".into()),
            account_id: Some("o".into()),
            expires: Some(7),
        };
        assert_eq!(openai, expected);
        assert_eq!(claims(r#"{"sub":"me"}"#).email.as_deref(), Some("me"));
        for junk in ["", "opaque", "a.b.c", "a.e30", "..", "e30.W10.s"] {
            assert_eq!(Claims::of(&junk.into()), Claims::default(), "{junk}");
        }
    }
}
