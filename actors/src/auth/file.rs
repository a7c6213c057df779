//! `auth.json` in llmx's home (reference `config-and-storage.md` §6): what `llmx login` left there.

use crate::config::Secret;
use serde::Deserialize;
use std::{fs, path::Path};

#[derive(Deserialize)]
struct AuthFile {
    #[serde(default, rename = "OPENAI_API_KEY")]
    api_key: Option<Secret>,
    #[serde(default)]
    tokens: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: Option<Secret>,
}

/// The API key, or else the access token, of the file as it is now.
pub(super) fn key_in(home: &Path) -> Option<Secret> {
    let text = fs::read_to_string(home.join("auth.json")).ok()?;
    let file: AuthFile = serde_json::from_str(&text).ok()?;
    let token = || file.tokens.and_then(|tokens| tokens.access_token);
    file.api_key.or_else(token).filter(|key| !key.expose().trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_either_form() {
        let home = tempfile::tempdir().unwrap();
        let check = |text: Option<&str>, expected: Option<&str>| {
            if let Some(text) = text {
                fs::write(home.path().join("auth.json"), text).unwrap();
            }
            assert_eq!(key_in(home.path()).as_ref().map(Secret::expose), expected, "{text:?}");
        };
        check(None, None);
        check(Some(r#"{"OPENAI_API_KEY":"sk-1"}"#), Some("sk-1"));
        check(Some(r#"{"OPENAI_API_KEY":null,"tokens":{"access_token":"at","id_token":"x"}}"#), Some("at"));
        check(Some(r#"{"OPENAI_API_KEY":" "}"#), None);
        check(Some("{"), None);
    }
}
