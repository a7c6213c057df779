//! What is kept of a login, and its form in `auth.json` (reference `config-and-storage.md` §6).

use super::{claims::Claims, timestamp};
use crate::config::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

/// Tokens are renewed when they are this old, in seconds: eight days.
const RENEWAL_AGE: u64 = 8 * 24 * 60 * 60;
/// An access token that ends within so many seconds is not sent any more.
const LAST_MOMENT: u64 = 60;

/// The credentials of whoever is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredLogin {
    /// An API key.
    ApiKey(Secret),
    /// An account with the issuer.
    Account(Tokens),
}

/// What an issuer gives out for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Says who it is; never sent to anybody.
    pub id_token: Option<Secret>,
    /// Sent with requests.
    pub access_token: Secret,
    /// Gets new tokens, with most issuers once.
    pub refresh_token: Option<Secret>,
    /// Which of the person's accounts is used.
    pub account_id: Option<String>,
    /// When they were issued, in Unix seconds.
    pub last_refresh: Option<u64>,
}

impl Tokens {
    /// What the identity token says; for display only, since nobody checks its signature.
    #[must_use]
    pub(super) fn claims(&self) -> Claims {
        self.id_token.as_ref().map(Claims::of).unwrap_or_default()
    }

    /// Whether new ones should be got before these are used (Unix seconds).
    #[must_use]
    pub(super) fn are_due(&self, now: u64) -> bool {
        let old = self.last_refresh.is_some_and(|then| now.saturating_sub(then) > RENEWAL_AGE);
        old || Claims::of(&self.access_token).expires.is_some_and(|end| end <= now + LAST_MOMENT)
    }
}

#[derive(Deserialize)]
struct AuthJson {
    #[serde(rename = "OPENAI_API_KEY")]
    api_key: Option<Secret>,
    tokens: Option<TokensJson>,
    last_refresh: Option<String>,
}

#[derive(Deserialize)]
struct TokensJson {
    id_token: Option<Secret>,
    access_token: Secret,
    refresh_token: Option<Secret>,
    account_id: Option<String>,
}

impl StoredLogin {
    /// Reads the text of `auth.json`: a key wins over tokens. `None` if it holds neither.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, String> {
        let file: AuthJson = serde_json::from_str(text).map_err(|error| unquoted(&error))?;
        let key = file.api_key.filter(|key| !key.expose().is_empty()).map(Self::ApiKey);
        let last_refresh = file.last_refresh.as_deref().and_then(timestamp::parse);
        let account = || file.tokens.map(|tokens| Self::Account(tokens.issued(last_refresh)));
        Ok(key.or_else(account))
    }

    /// The text of `auth.json`.
    #[must_use]
    pub(super) fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    fn to_value(&self) -> Value {
        match self {
            Self::ApiKey(key) => json!({"OPENAI_API_KEY": key.expose(), "tokens": null, "last_refresh": null}),
            Self::Account(tokens) => json!({
                "OPENAI_API_KEY": null,
                "tokens": {
                    "id_token": tokens.id_token.as_ref().map(Secret::expose),
                    "access_token": tokens.access_token.expose(),
                    "refresh_token": tokens.refresh_token.as_ref().map(Secret::expose),
                    "account_id": tokens.account_id,
                },
                "last_refresh": tokens.last_refresh.map(timestamp::print),
            }),
        }
    }
}

impl TokensJson {
    fn issued(self, last_refresh: Option<u64>) -> Tokens {
        let Self { id_token, access_token, refresh_token, account_id } = self;
        let refresh_token = refresh_token.filter(|token| !token.expose().is_empty());
        Tokens { id_token, access_token, refresh_token, account_id, last_refresh }
    }
}

/// serde's own words may quote a value.
fn unquoted(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "it is not a file of credentials" } else { "it is not JSON" };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            id_token: Some("id".into()),
            access_token: "access".into(),
            refresh_token: Some("refresh".into()),
            account_id: Some("org".into()),
            last_refresh: Some(1_762_689_600),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for login in [StoredLogin::ApiKey("sk-1".into()), StoredLogin::Account(tokens())] {
            assert_eq!(StoredLogin::parse(&login.to_json()), Ok(Some(login)));
        }
        let written = StoredLogin::Account(tokens()).to_json();
        assert!(written.contains(r#""last_refresh": "2025-11-09T12:00:00Z""#), "{written}");
    }

    #[test]
    fn files_of_others_are_read() {
        let check = |text: &str, expected: Result<Option<StoredLogin>, &str>| {
            assert_eq!(StoredLogin::parse(text), expected.map_err(str::to_owned), "{text}");
        };
        check("{}", Ok(None));
        check(r#"{"OPENAI_API_KEY":null}"#, Ok(None));
        check(r#"{"OPENAI_API_KEY":"sk-1"}"#, Ok(Some(StoredLogin::ApiKey("sk-1".into()))));
        check(
            r#"{"OPENAI_API_KEY":"sk-1","tokens":{"access_token":"a"},"more":1}"#,
            Ok(Some(StoredLogin::ApiKey("sk-1".into()))),
        );
        let bare = Tokens {
            id_token: None,
            access_token: "a".into(),
            refresh_token: None,
            account_id: None,
            last_refresh: None,
        };
        let text = r#"{"tokens":{"access_token":"a","refresh_token":""},"last_refresh":"2025-13-01"}"#;
        check(text, Ok(Some(StoredLogin::Account(bare))));
        check("sk-secret", Err("it is not JSON (line 1, column 1)"));
        check(r#"{"tokens":"sk-secret"}"#, Err("it is not a file of credentials (line 1, column 21)"));
    }

    #[test]
    fn tokens_are_renewed_when_old_or_about_to_end() {
        let issued = 1_762_689_600;
        assert!(!tokens().are_due(issued + RENEWAL_AGE));
        assert!(tokens().are_due(issued + RENEWAL_AGE + 1));
        // {"exp":1762689700}
        let ending = Tokens { access_token: "e30.eyJleHAiOjE3NjI2ODk3MDB9.sig".into(), ..tokens() };
        assert!(!ending.are_due(issued));
        assert!(ending.are_due(issued + 40));
    }

    #[test]
    fn nothing_of_it_prints() {
        let printed = format!("{:?} {:?}", StoredLogin::ApiKey("sk-1".into()), tokens());
        assert!(
            !printed.contains("sk-1") && !printed.contains("access\"") && !printed.contains("refresh\""),
            "{printed}"
        );
    }
}
