//! What changes `auth.json`: one after the other, in the order in which it was decided.

use super::Keeper;
use crate::auth::{Account, Answer, issuer::Issuer, stored::StoredLogin, vault::Vault};
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use llmx_protocol::{ids::LoginId, machine::login::Input};
use std::{collections::VecDeque, time::Duration};

/// How long an issuer may take to take tokens back. They are gone from here in any case.
const REVOCATION_PATIENCE: Duration = Duration::from_secs(5);

/// A change of `auth.json`.
pub(super) enum Change {
    /// These credentials, of this login.
    Store(LoginId, StoredLogin),
    /// None, for the logout that has waited longest.
    Remove,
}

/// The changes that wait, and who is logged in by the last one that was made.
#[derive(Default)]
pub(super) struct Changes {
    waiting: VecDeque<Change>,
    is_changing: bool,
    logouts: VecDeque<Answer<Result<bool, String>>>,
    known: Option<Account>,
}

impl Changes {
    /// A logout wants this answer when it is done.
    pub(super) fn owe(&mut self, answer: Answer<Result<bool, String>>) {
        self.logouts.push_back(answer);
    }

    /// Who is logged in by the last change.
    pub(super) fn known(&self) -> Option<Account> {
        self.known.clone()
    }
}

impl Keeper {
    pub(super) fn change(&mut self, change: Change, context: &mut Context<Self>) {
        // What is being renewed is about to be replaced.
        self.stop_renewing(context);
        self.changes.waiting.push_back(change);
        self.make_next_change(context);
    }

    fn make_next_change(&mut self, context: &mut Context<Self>) {
        if self.changes.is_changing {
            return;
        }
        let Some(change) = self.changes.waiting.pop_front() else {
            return;
        };
        self.changes.is_changing = true;
        let (vault, issuer) = (self.vault.clone(), self.issuer.clone());
        match change {
            Change::Store(login, stored) => {
                let account = Account::of(&stored);
                let written = async move { vault.write(stored).await };
                context.spawn(written.into_actor(self).map(move |result, keeper, context| {
                    if result.is_ok() {
                        keeper.changes.known = Some(account);
                    }
                    keeper.changed(context, |keeper, context| keeper.step(Input::Stored { login, result }, context));
                }));
            }
            Change::Remove => {
                context.spawn(remove(vault, issuer).into_actor(self).map(|removed, keeper, context| {
                    keeper.changed(context, |keeper, _| keeper.logged_out(removed));
                }));
            }
        }
    }

    fn changed(&mut self, context: &mut Context<Self>, then: impl FnOnce(&mut Self, &mut Context<Self>)) {
        self.changes.is_changing = false;
        then(self, context);
        self.make_next_change(context);
    }

    /// Even if nobody was logged in: a UI that asked waits for the word.
    fn logged_out(&mut self, removed: Result<bool, String>) {
        let is_done = removed.is_ok();
        if let Some(answer) = self.changes.logouts.pop_front() {
            answer.give(removed);
        }
        if is_done {
            self.changes.known = None;
            self.tell(&super::AccountFact::Updated(None));
        }
    }
}

async fn remove(vault: Vault, issuer: Issuer) -> Result<bool, String> {
    let old = vault.remove().await?;
    if let Some(StoredLogin::Account(tokens)) = &old {
        match tokio::time::timeout(REVOCATION_PATIENCE, issuer.revoke(tokens)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "logged out, but the issuer did not take the tokens back"),
            Err(_) => tracing::warn!("logged out, but the issuer did not take the tokens back in time"),
        }
    }
    Ok(old.is_some())
}
