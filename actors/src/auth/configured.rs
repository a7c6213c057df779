//! Keys from where the configuration says.

use super::{
    Accounts, Bearer, Keys,
    command::{Programs, key_from},
};
use crate::{
    config::{AuthCommand, Environment, ProviderInfo, Secret, WireApi},
    executor::process::HelperPath,
};
use dashmap::DashMap;
use futures_util::{FutureExt, future, future::LocalBoxFuture};
use std::{
    ffi::OsString,
    sync::Arc,
    time::{Duration, Instant},
};

/// The keys of the configuration, the first of: the token in the provider's record; what its `auth.command` prints; the
/// variable in `env_key`; for a provider with `requires_openai_auth`, whoever is logged in.
#[derive(Clone, Debug)]
pub struct ConfiguredKeys {
    environment: Environment,
    accounts: Accounts,
    programs: Programs,
    /// What programs printed, shared by all arbiters: a fact that is found out again when it is old or wrong.
    printed: Arc<DashMap<AuthCommand, (Secret, Instant)>>,
}

impl ConfiguredKeys {
    /// `accounts` are run by the engine; `environment` are the engine's variables, `helper` runs programs that print keys.
    #[must_use]
    pub fn new(accounts: Accounts, environment: Vec<(OsString, OsString)>, helper: HelperPath) -> Self {
        Self {
            environment: Environment::from_os(environment.clone()),
            accounts,
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
    ) -> LocalBoxFuture<'static, Result<Option<Bearer>, String>> {
        if let Some(key) = self.printed(command, refused) {
            return future::ready(Ok(Some(key.into()))).boxed_local();
        }
        let (command, keys) = (command.clone(), self.clone());
        async move {
            let key = key_from(command.clone(), keys.programs).await?;
            keys.printed.insert(command, (key.clone(), Instant::now()));
            Ok(Some(key.into()))
        }
        .boxed_local()
    }

    /// A login's credentials are for the Responses API only; `missing` is why there is no other key.
    fn of_the_login(
        &self,
        refused: Option<&Bearer>,
        missing: Option<String>,
    ) -> LocalBoxFuture<'static, Result<Option<Bearer>, String>> {
        let (accounts, refused) = (self.accounts.clone(), refused.cloned());
        async move {
            let found = match refused {
                Some(refused) => accounts.renewed(refused).await?,
                None => accounts.bearer().await?,
            };
            match missing {
                Some(missing) if found.is_none() => Err(format!("{missing} Set it, or run `llmx login`.")),
                _ => Ok(found),
            }
        }
        .boxed_local()
    }
}

impl Keys for ConfiguredKeys {
    fn key(
        &self,
        provider: &ProviderInfo,
        refused: Option<&Bearer>,
    ) -> LocalBoxFuture<'static, Result<Option<Bearer>, String>> {
        if provider.experimental_bearer_token.is_none()
            && let Some(command) = &provider.auth
        {
            return self.printed_now(command, refused.map(|refused| &refused.token));
        }
        let key = provider.api_key(&self.environment);
        let takes_login = provider.requires_openai_auth && provider.wire_api != WireApi::Chat;
        match key {
            Ok(None) if takes_login => self.of_the_login(refused, None),
            Err(missing) if takes_login => self.of_the_login(refused, Some(missing)),
            key => future::ready(key.map(|key| key.map(Bearer::from))).boxed_local(),
        }
    }
}
