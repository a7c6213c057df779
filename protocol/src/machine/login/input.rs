//! What a login hears.

use super::{Callback, Method, State, Visit};
use crate::ids::LoginId;
use std::time::Duration;

/// What the machine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants to log in.
    Start {
        /// A new id.
        login: LoginId,
        /// How.
        method: Method,
    },
    /// Answers `Open`: the callback server listens for `state`, or the user code is there.
    Opened {
        /// Of this login.
        login: LoginId,
        /// What the browser must bring; `None` where no browser comes here.
        state: Option<State>,
        /// How long the person has.
        within: Duration,
    },
    /// A browser called.
    Called {
        /// The login whose server it called.
        login: LoginId,
        /// What waits for a page.
        visit: Visit,
        /// What it brought.
        callback: Callback,
    },
    /// The issuer gave tokens: for the code, or because the person typed the user code.
    Granted {
        /// Of this login.
        login: LoginId,
    },
    /// What was to be done for a login cannot be done.
    Failed {
        /// Of this login.
        login: LoginId,
        /// In words for the person.
        why: String,
    },
    /// Answers `Store`.
    Stored {
        /// Of this login.
        login: LoginId,
        /// In words for the person.
        result: Result<(), String>,
    },
    /// Somebody does not want to log in after all.
    Cancel {
        /// This login.
        login: LoginId,
    },
    /// Somebody logs out.
    Logout,
    /// Time passed.
    Tick,
}
