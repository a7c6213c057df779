//! Everything anyone may send a [`Keeper`](super::Keeper); hosts do it through [`Accounts`](super::Accounts).

use super::answer::Answer;
use crate::config::Secret;
use actix::Message;
use llmx_protocol::{
    ids::LoginId,
    machine::login::{Callback, Page, Refusal},
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How somebody logs in.
#[derive(Clone, Debug)]
pub enum NewLogin {
    /// With this key.
    ApiKey(Secret),
    /// In a browser that comes back to this machine.
    Browser,
    /// In a browser anywhere, by typing a code.
    DeviceCode,
}

/// A login that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The key is kept.
    ApiKey,
    /// A person is to open this URL in a browser on this machine.
    Browser {
        /// Names the login.
        login: LoginId,
        /// The issuer's page.
        auth_url: String,
    },
    /// A person is to open this URL anywhere and type the code.
    DeviceCode {
        /// Names the login.
        login: LoginId,
        /// The issuer's page.
        verification_url: String,
        /// What to type there.
        user_code: String,
    },
}

/// What becomes of accounts, told to everybody who [subscribed](Subscribe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountFact {
    /// An accepted login has ended.
    LoginCompleted {
        /// Which; `None` for a key.
        login: Option<LoginId>,
        /// Why it failed; `None` if it did not.
        error: Option<String>,
    },
    /// Somebody else, or nobody, is logged in now.
    Updated(Option<Account>),
}

/// Who is logged in, as people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Whoever has the key.
    ApiKey,
    /// A person with the issuer.
    ChatGpt {
        /// Their e-mail address, or what else the issuer calls them by.
        email: String,
        /// What they pay for, if the issuer says so.
        plan: Option<String>,
    },
}

/// What a request is to carry for the login to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// After `Authorization: Bearer`.
    pub token: Secret,
    /// Of an account, not a key.
    pub is_account: bool,
    /// The value of `chatgpt-account-id`.
    pub account_id: Option<String>,
}

impl From<Secret> for Bearer {
    /// A key.
    fn from(token: Secret) -> Self {
        Self { token, is_account: false, account_id: None }
    }
}

/// Log somebody in. The answer comes before the facts that follow from it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StartLogin {
    /// How.
    pub login: NewLogin,
    /// Gets what the person is to do.
    pub answer: Answer<Result<Started, Refusal>>,
}

/// Stop a login. The answer comes before the facts that follow from it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CancelLogin {
    /// Which.
    pub login: LoginId,
    /// Gets whether there was such a login.
    pub answer: Answer<bool>,
}

/// Log out. The answer comes before the facts that follow from it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LogOut {
    /// Gets whether somebody was logged in, or why the credentials are still there.
    pub answer: Answer<Result<bool, String>>,
}

/// Tell who is logged in; the error says why nobody knows.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Account>, String>")]
pub struct ReadAccount {
    /// Whether tokens are to be renewed first; that this fails is logged and no error.
    pub renew: bool,
}

/// Give out what requests carry; `None` if nobody is logged in.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Bearer>, String>")]
pub struct GetBearer;

/// A server refused these credentials (401): give out others, got from the issuer if need be.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Bearer>, String>")]
pub struct RenewBearer {
    /// What was refused.
    pub rejected: Bearer,
}

/// Call this with every fact from now on, as long as it returns true: it says whether anybody still listens.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Listener);

/// See [`Subscribe`].
pub type Listener = Box<dyn FnMut(&AccountFact) -> bool + Send>;

/// Wait until every browser has the page that it was promised.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AwaitPages;

/// A browser came back. From the callback server.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Knocked {
    pub(super) login: LoginId,
    pub(super) callback: Callback,
    pub(super) page: oneshot::Sender<Page>,
}

/// A keeper of accounts, as its parent knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeeperId;

/// Whoever waits for one renewal.
pub(super) type Waiter = oneshot::Sender<Result<Arc<Bearer>, String>>;
