//! Who is logged in: API keys and accounts, kept in `auth.json`, got and renewed from an OpenID provider. And where the
//! keys of model providers come from ([`Keys`]), the login's among them.
//!
//! The rules of a login are [`llmx_protocol::machine::login`]; the [`Keeper`] carries them out. A host asks
//! [`Accounts`]. Secrets are of the type [`Secret`](crate::config::Secret), which does not print; no log line holds an
//! address with a query, a request's body or an issuer's answer.

mod accounts;
mod answer;
mod callback;
mod claims;
mod command;
mod configured;
mod file;
mod issuer;
mod keeper;
mod messages;
mod page;
mod random;
mod stored;
mod timestamp;
mod vault;

pub use self::{
    accounts::Accounts,
    answer::{AccountsGone, Answer},
    configured::ConfiguredKeys,
    keeper::Keeper,
    messages::{
        Account, AccountFact, AwaitPages, Bearer, CancelLogin, GetBearer, KeeperId, Listener, LogOut, NewLogin,
        ReadAccount, RenewBearer, StartLogin, Started, Subscribe,
    },
    vault::account_of,
};
pub(crate) use file::{AUTH_FILE, holds_credentials};

use crate::config::ProviderInfo;
use futures_util::future::LocalBoxFuture;
use std::fmt::Debug;

/// Knows the keys of providers. A host that keeps keys of its own implements it.
pub trait Keys: Debug + Send + Sync + 'static {
    /// What to send with the next request, `None` for a provider that wants nothing. `refused` is what the server has
    /// just not taken (401): whoever can should look for something newer. The same again, or nothing, means that there
    /// is nothing else; then the refusal stands.
    ///
    /// # Errors
    /// Why there is no key, in words for a person.
    fn key(
        &self,
        provider: &ProviderInfo,
        refused: Option<&Bearer>,
    ) -> LocalBoxFuture<'static, Result<Option<Bearer>, String>>;
}
