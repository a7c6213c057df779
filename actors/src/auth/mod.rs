//! Where the keys of model providers come from, and what becomes of one that a server does not take.

mod command;
mod configured;
mod file;

pub use self::configured::ConfiguredKeys;

use crate::config::{ProviderInfo, Secret};
use futures_util::future::LocalBoxFuture;
use std::fmt::Debug;

/// Knows the keys of providers. A host that keeps keys of its own implements it.
pub trait Keys: Debug + Send + Sync + 'static {
    /// The key to send with the next request, `None` for a provider that wants none. `refused` is the key that the
    /// server has just not taken (401): whoever can should look for a newer one. The same key again, or none, means that
    /// there is no other; then the refusal stands.
    ///
    /// # Errors
    /// Why there is no key, in words for a person.
    fn key(
        &self,
        provider: &ProviderInfo,
        refused: Option<&Secret>,
    ) -> LocalBoxFuture<'static, Result<Option<Secret>, String>>;
}
