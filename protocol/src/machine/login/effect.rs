//! What a login wants done.

use super::{AuthorizationCode, Method, Page, Refusal, Visit};
use crate::ids::LoginId;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell whoever asked that nothing comes of it. No [`Effect::Completed`] follows.
    Refuse {
        /// The id they were given.
        login: LoginId,
        /// Why.
        why: Refusal,
    },
    /// Make the callback server, or ask for a user code; then say `Opened` or `Failed`.
    Open {
        /// For this login.
        login: LoginId,
        /// Which of the two.
        method: Method,
    },
    /// Tell whoever asked that the login is under way (a key: that it is kept).
    Accept {
        /// This login.
        login: LoginId,
    },
    /// Get tokens for a code; then say `Granted` or `Failed`.
    Exchange {
        /// For this login.
        login: LoginId,
        /// The code.
        code: AuthorizationCode,
    },
    /// Write its credentials down, after all that was to be stored or removed before; then say `Stored`.
    Store {
        /// Of this login.
        login: LoginId,
    },
    /// Remove whatever credentials there are, after all that was to be stored before.
    Remove,
    /// Give a browser its page.
    Show {
        /// The browser.
        visit: Visit,
        /// The page.
        page: Page,
    },
    /// Stop whatever goes on for a login: serving, waiting, exchanging. It may be none.
    Close {
        /// This login.
        login: LoginId,
    },
    /// Answers `Cancel`.
    Cancelled {
        /// The login that was meant.
        login: LoginId,
        /// Whether there was something to cancel.
        found: bool,
    },
    /// Tell everybody how an accepted login ended.
    Completed {
        /// The login; `None` for a key, which is kept at once.
        login: Option<LoginId>,
        /// Why it failed.
        error: Option<String>,
    },
    /// Tell everybody who is logged in now.
    AccountChanged,
}
