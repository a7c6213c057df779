//! The file of credentials as futures, and what changes it: one change at a time, over all processes of this home.

use super::{
    Account,
    file::{AuthFile, AuthFileError, Lock},
    issuer::{Issuer, IssuerError},
    stored::{StoredLogin, Tokens},
};
use crate::config::{CredentialsStore, Secret};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tokio::{task::spawn_blocking, time::Instant};

/// How long another process may take to renew tokens before this one goes on without the right to.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a renewal, which is pointless while another one is under way.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the lock: the system does not tell a future when it is free.
const LOCK_GLANCE: Duration = Duration::from_millis(20);

const NO_HOME: &str = "there is no llmx home to keep credentials in: set LLMX_HOME or HOME";
const NO_KEYRING: &str = "cli_auth_credentials_store = \"keyring\": llmx keeps credentials in auth.json only, \
                          readable for you alone; set it to \"file\" to log in";

/// Why tokens were not renewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RenewalError {
    /// Nobody is logged in with an account, or without anything to renew it by.
    #[error("there is nothing to renew: log in again")]
    Nothing,
    /// The issuer will never renew these.
    #[error("{0}")]
    Refused(String),
    /// It may work another time.
    #[error("{0}")]
    Failed(String),
}

/// Where credentials are kept.
#[derive(Clone)]
pub(super) struct Vault {
    file: Option<AuthFile>,
    store: CredentialsStore,
}

impl Vault {
    pub(super) fn new(home: Option<&Path>, store: CredentialsStore) -> Self {
        Self { file: home.map(AuthFile::within), store }
    }

    /// Who is logged in.
    pub(super) async fn read(&self) -> Result<Option<StoredLogin>, String> {
        match self.file.clone() {
            Some(file) => blocking(move || file.read()).await,
            None => Ok(None),
        }
    }

    pub(super) async fn write(&self, login: StoredLogin) -> Result<(), String> {
        if self.store == CredentialsStore::Keyring {
            return Err(NO_KEYRING.to_owned());
        }
        let file = self.file.clone().ok_or(NO_HOME)?;
        let lock = locked(&file, LOCK_PATIENCE).await?;
        blocking(move || {
            let _held = lock;
            file.write(&login)
        })
        .await
    }

    /// Removes what is kept, and gives it back if it could be read.
    pub(super) async fn remove(&self) -> Result<Option<StoredLogin>, String> {
        let Some(file) = self.file.clone() else {
            return Ok(None);
        };
        let lock = locked(&file, LOCK_PATIENCE).await?;
        blocking(move || {
            let _held = lock;
            let old = file.read().unwrap_or_default();
            file.remove().map(|_| old)
        })
        .await
    }

    /// Gets new tokens, unless somebody else did: those with the access token `rejected`, or without it any, are
    /// replaced. Refresh tokens are often good for one use, so nobody else of this home renews meanwhile.
    pub(super) async fn renew(&self, issuer: &Issuer, rejected: Option<&Secret>) -> Result<Tokens, RenewalError> {
        let failed = RenewalError::Failed;
        let file = self.file.clone().ok_or(RenewalError::Nothing)?;
        let lock = locked(&file, RENEWAL_PATIENCE).await.map_err(failed)?;
        let Some(StoredLogin::Account(old)) = self.read().await.map_err(failed)? else {
            return Err(RenewalError::Nothing);
        };
        if rejected.is_some_and(|rejected| old.access_token != *rejected) {
            return Ok(old);
        }
        if old.refresh_token.is_none() {
            return Err(RenewalError::Nothing);
        }
        let new = issuer.renew(&old, now_unix()).await.map_err(|error| refused(&error))?;
        let kept = StoredLogin::Account(new.clone());
        let written = blocking(move || {
            let _held = lock;
            // Who logged out or in meanwhile without waiting has the last word.
            let untouched = file.read()?.is_some_and(|found| found == StoredLogin::Account(old));
            if untouched { file.write(&kept).map(|()| true) } else { Ok(false) }
        });
        match written.await {
            Ok(true) => Ok(new),
            Ok(false) => Err(RenewalError::Nothing),
            Err(why) => {
                // They are good all the same; only the next process will have to log in again.
                tracing::error!(%why, "failed to keep renewed tokens");
                Ok(new)
            }
        }
    }
}

fn refused(error: &IssuerError) -> RenewalError {
    let why = match error.code.as_str() {
        "refresh_token_expired" => "your refresh token has expired",
        "refresh_token_reused" => "your refresh token was already used",
        "refresh_token_invalidated" => "your refresh token was revoked",
        _ if error.is_final() => "the issuer refuses your refresh token",
        _ => return RenewalError::Failed(format!("failed to renew the login: {error}")),
    };
    RenewalError::Refused(format!("the login could not be renewed because {why} ({error}): log out and log in again"))
}

/// Who is logged in, read here and now: it blocks for one small file. For those who cannot await.
///
/// # Errors
/// The file cannot be read, in words for a person.
pub fn account_of(home: &Path) -> Result<Option<Account>, String> {
    let stored = AuthFile::within(home).read().map_err(|error| error.to_string())?;
    Ok(stored.as_ref().map(Account::of))
}

/// Without it in time, `None`: a process that hangs must not keep a person from logging out.
async fn locked(file: &AuthFile, patience: Duration) -> Result<Option<Lock>, String> {
    let until = Instant::now() + patience;
    loop {
        let file = file.clone();
        let lock = blocking(move || file.try_lock()).await?;
        if lock.is_some() || Instant::now() >= until {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_GLANCE).await;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuthFileError> + Send + 'static,
) -> Result<T, String> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The time that tokens are held against.
pub(super) fn now_unix() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
