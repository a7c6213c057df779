//! The secret that a client must know.

use clap::Args;
use ring::{
    hmac::{HMAC_SHA256, Key, Tag, sign, verify},
    rand::SystemRandom,
};
use serde_json::Value;
use std::{fs, path::PathBuf};

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// The secret of clients that connect.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// A file that holds the token which clients must send, for --listen; needed where other machines can connect.
    #[arg(long, value_name = "FILE", visible_alias = "ws-token-file", conflicts_with = "token_env")]
    pub(super) token_file: Option<PathBuf>,
    /// The environment variable that holds it.
    #[arg(long, value_name = "NAME")]
    pub(super) token_env: Option<String>,
}

/// A secret, kept as something that can only tell whether another one is the same.
pub(crate) struct Token {
    key: Key,
    tag: Tag,
}

impl Token {
    /// The one that the command line names, if it does.
    pub(crate) fn named_by(arguments: &TokenArguments) -> Result<Option<Self>, String> {
        let (secret, place) = match (&arguments.token_file, &arguments.token_env) {
            (Some(path), _) => {
                let place = format!("the token file {}", path.display());
                (fs::read_to_string(path).map_err(|error| format!("failed to read {place}: {error}"))?, place)
            }
            (None, Some(name)) => {
                let place = format!("the token in ${name}");
                (std::env::var(name).map_err(|error| format!("failed to read {place}: {error}"))?, place)
            }
            (None, None) => return Ok(None),
        };
        Self::new(secret.trim()).map(Some).map_err(|why| format!("{place} {why}"))
    }

    fn new(secret: &str) -> Result<Self, String> {
        if secret.len() < SHORTEST {
            return Err(format!("is shorter than {SHORTEST} bytes"));
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds something other than visible ASCII".to_owned());
        }
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).map_err(|_| "cannot be kept: no randomness")?;
        let tag = sign(&key, secret.as_bytes());
        Ok(Self { key, tag })
    }

    /// Whether this is it. How long that takes tells nothing about the secret, not even how long it is.
    pub(crate) fn is(&self, secret: &str) -> bool {
        verify(&self.key, secret.as_bytes(), self.tag.as_ref()).is_ok()
    }

    /// Whether this value of an `Authorization` header (RFC 6750 §2.1) holds it.
    pub(crate) fn is_in(&self, authorization: &str) -> bool {
        let (scheme, secret) = authorization.split_once(' ').unwrap_or_default();
        scheme.eq_ignore_ascii_case("bearer") && self.is(secret.trim())
    }

    /// Whether this line holds it: what a header is to HTTP, to connections of lines. `{"authorization": "Bearer …"}`.
    pub(crate) fn is_in_line(&self, line: &[u8]) -> bool {
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        line["authorization"].as_str().is_some_and(|authorization| self.is_in(authorization))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_the_secret() {
        let token = Token::new("0123456789abcdef").expect("it is long enough");
        for (authorization, right) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer  0123456789abcdef ", true),
            ("Bearer 0123456789abcdeF", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdef0", false),
            ("Basic 0123456789abcdef", false),
            ("0123456789abcdef", false),
            ("Bearer", false),
            ("", false),
        ] {
            assert_eq!(token.is_in(authorization), right, "{authorization:?}");
        }
        assert!(token.is_in_line(br#"{"authorization": "Bearer 0123456789abcdef"}"#));
        for line in
            ["", "0123456789abcdef", "Bearer 0123456789abcdef", r#"{"authorization": ["Bearer 0123456789abcdef"]}"#]
        {
            assert!(!token.is_in_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_can_be_guessed_or_cannot_be_sent_is_no_secret() {
        for secret in ["", "short", "0123456789abcde", "0123456789 abcdef", "0123456789abcdé"] {
            assert!(Token::new(secret).is_err(), "{secret}");
        }
    }
}
