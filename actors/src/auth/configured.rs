//! Keys from where the configuration says.

use super::{
    Keys,
    command::{Programs, key_from},
    file::key_in,
};
use crate::{
    config::{AuthCommand, Environment, ProviderInfo, Secret, WireApi},
    executor::process::HelperPath,
};
use dashmap::DashMap;
use futures_util::{FutureExt, future, future::LocalBoxFuture};
use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// The keys of the configuration, the first of: the token in the provider's record; what its `auth.command` prints; the
/// variable in `env_key`; for a provider with `requires_openai_auth`, `auth.json`, which is read anew each time.
#[derive(Clone, Debug)]
pub struct ConfiguredKeys {
    environment: Environment,
    home: Option<PathBuf>,
    programs: Programs,
    /// What programs printed, shared by all arbiters: a fact that is found out again when it is old or wrong.
    printed: Arc<DashMap<AuthCommand, (Secret, Instant)>>,
}

impl ConfiguredKeys {
    /// `home` is llmx's; `environment` are the engine's variables, `helper` runs programs that print keys.
    #[must_use]
    pub fn new(home: Option<PathBuf>, environment: Vec<(OsString, OsString)>, helper: HelperPath) -> Self {
        Self {
            environment: Environment::from_os(environment.clone()),
            home,
            programs: Programs { helper, environment },
            printed: Arc::default(),
        }
    }

    /// The key that was printed last, unless it is old or refused.
    fn printed(&self, command: &AuthCommand, refused: Option<&Secret>) -> Option<Secret> {
        let (key, since) = self.printed.get(command)?.clone();
        let is_old = match command.refresh_interval_ms {
            0 => false,
            interval => since.elapsed() >= Duration::from_millis(interval),
        };
        (!is_old && refused != Some(&key)).then_some(key)
    }

    fn printed_now(
        &self,
        command: &AuthCommand,
        refused: Option<&Secret>,
    ) -> LocalBoxFuture<'static, Result<Option<Secret>, String>> {
        if let Some(key) = self.printed(command, refused) {
            return future::ready(Ok(Some(key))).boxed_local();
        }
        let (command, keys) = (command.clone(), self.clone());
        async move {
            let key = key_from(command.clone(), keys.programs).await?;
            keys.printed.insert(command, (key.clone(), Instant::now()));
            Ok(Some(key))
        }
        .boxed_local()
    }

    /// What `llmx login` left is for the Responses API only.
    fn left_by_login(&self, provider: &ProviderInfo) -> Option<Secret> {
        let is_for_it = provider.requires_openai_auth && provider.wire_api != WireApi::Chat;
        self.home.as_deref().filter(|_| is_for_it).and_then(key_in)
    }
}

impl Keys for ConfiguredKeys {
    fn key(
        &self,
        provider: &ProviderInfo,
        refused: Option<&Secret>,
    ) -> LocalBoxFuture<'static, Result<Option<Secret>, String>> {
        if provider.experimental_bearer_token.is_none()
            && let Some(command) = &provider.auth
        {
            return self.printed_now(command, refused);
        }
        let key = match provider.api_key(&self.environment) {
            Ok(Some(key)) => Ok(Some(key)),
            other => self.left_by_login(provider).map_or(other, |key| Ok(Some(key))),
        };
        future::ready(key).boxed_local()
    }
}
