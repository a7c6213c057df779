//! What a browser brings to the callback server, and what it is shown.

use std::fmt;

/// A code that the issuer exchanges for tokens, once. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationCode(pub String);

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What only the browser that was sent to the issuer can know (RFC 6749 §10.12). Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct State(pub String);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a browser brings to the callback server (RFC 6749 §4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callback {
    /// Whose errand it is on.
    pub state: Option<State>,
    /// The issuer said yes.
    pub code: Option<AuthorizationCode>,
    /// The issuer said no, in words.
    pub error: Option<String>,
}

/// A browser that waits for its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit(pub u64);

/// What a browser is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// The login is done; the window can be closed.
    Done,
    /// The login failed, and why.
    Failed(String),
    /// The request has nothing to do with this login, and why; the login goes on.
    Strange(&'static str),
}
