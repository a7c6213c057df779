//! What a host holds of the accounts.

use super::{
    Account, AccountFact, AccountsGone, Answer, AwaitPages, Bearer, CancelLogin, GetBearer, Keeper, KeeperId, LogOut,
    NewLogin, ReadAccount, RenewBearer, StartLogin, Started, Subscribe, issuer::Issuer, vault::Vault,
};
use crate::{
    config::LoginSettings,
    supervise::{ChildExited, Tether, start_watched},
};
use actix::{Addr, Handler, Message, WeakRecipient, dev::ToEnvelope};
use llmx_protocol::{ids::LoginId, machine::login::Refusal};
use std::{fmt, path::Path, sync::Arc};
use tokio::sync::watch;

/// Who is logged in, and how to change that. Cheap to clone; all clones mean the same keeper, which the engine runs:
/// before it does, and after its end, everything here says [`AccountsGone`].
#[derive(Clone)]
pub struct Accounts {
    settings: Arc<LoginSettings>,
    vault: Vault,
    keeper: Arc<watch::Sender<Option<Addr<Keeper>>>>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

impl Accounts {
    /// The accounts of a home, which need not exist. Nothing is read yet.
    #[must_use]
    pub fn new(settings: Arc<LoginSettings>, home: Option<&Path>) -> Self {
        let vault = Vault::new(home, settings.store);
        Self { settings, vault, keeper: Arc::default() }
    }

    /// Starts a keeper on this arbiter, in the place of one that is gone.
    pub(crate) fn run_here(&self, parent: WeakRecipient<ChildExited<KeeperId>>, tether: Tether) {
        let (settings, vault) = (self.settings.clone(), self.vault.clone());
        let issuer = Issuer::new(settings.clone());
        let keeper = start_watched(KeeperId, parent, |_| Keeper::new(settings, vault, issuer, tether));
        self.keeper.send_replace(Some(keeper));
    }

    /// Whether there is a keeper.
    pub(crate) fn are_kept(&self) -> bool {
        self.keeper.borrow().as_ref().is_some_and(Addr::connected)
    }

    /// Logs somebody in; what became of it is told as an [`AccountFact`].
    pub fn start_login(&self, login: NewLogin, answer: Answer<Result<Started, Refusal>>) {
        self.tell(StartLogin { login, answer });
    }

    /// Stops a login; the answer says whether there was one.
    pub fn cancel_login(&self, login: LoginId, answer: Answer<bool>) {
        self.tell(CancelLogin { login, answer });
    }

    /// Logs out, with the issuer too where it takes tokens back; the answer says whether somebody was logged in.
    pub fn log_out(&self, answer: Answer<Result<bool, String>>) {
        self.tell(LogOut { answer });
    }

    /// Who is logged in. With `renew`, tokens are renewed first; that this fails is no error.
    ///
    /// # Errors
    /// `auth.json` cannot be read, in words for a person.
    pub async fn account(&self, renew: bool) -> Result<Option<Account>, String> {
        self.ask(ReadAccount { renew }).await
    }

    /// What requests carry, fresh enough to be sent now; `None` if nobody is logged in.
    ///
    /// # Errors
    /// There is no telling, or the login is over, in words for a person.
    pub async fn bearer(&self) -> Result<Option<Bearer>, String> {
        self.ask(GetBearer).await
    }

    /// Others in the place of what a server refused (401). Everybody who asks meanwhile gets the same.
    ///
    /// # Errors
    /// There are no others to be had, in words for a person.
    pub async fn renewed(&self, rejected: Bearer) -> Result<Option<Bearer>, String> {
        self.ask(RenewBearer { rejected }).await
    }

    /// Calls `listener` with every fact from now on, as long as it returns true.
    pub fn subscribe(&self, listener: impl FnMut(&AccountFact) -> bool + Send + 'static) {
        self.tell(Subscribe(Box::new(listener)));
    }

    /// As [`subscribe`](Self::subscribe), also to keepers that take the place of one that crashed, and to the first one
    /// where there is none yet. Goes on until it is dropped.
    pub(crate) async fn follow<L>(&self, mut listener: impl FnMut() -> L)
    where
        L: FnMut(&AccountFact) -> bool + Send + 'static,
    {
        let mut keepers = self.keeper.subscribe();
        loop {
            let keeper = keepers.borrow_and_update().clone();
            if let Some(keeper) = keeper {
                keeper.do_send(Subscribe(Box::new(listener())));
            }
            // This one holds the other end.
            let _ = keepers.changed().await;
        }
    }

    /// Waits until browsers have their pages: for a host that ends after a login.
    pub async fn pages_delivered(&self) {
        if let Ok(keeper) = self.keeper() {
            let _ = keeper.send(AwaitPages).await;
        }
    }

    /// If there is no keeper, answers are dropped, and so given.
    fn tell<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        Keeper: Handler<M>,
        <Keeper as actix::Actor>::Context: ToEnvelope<Keeper, M>,
    {
        if let Ok(keeper) = self.keeper() {
            keeper.do_send(message);
        }
    }

    async fn ask<T, M>(&self, message: M) -> Result<T, String>
    where
        T: Send + 'static,
        M: Message<Result = Result<T, String>> + Send + 'static,
        Keeper: Handler<M>,
        <Keeper as actix::Actor>::Context: ToEnvelope<Keeper, M>,
    {
        let keeper = self.keeper().map_err(|gone| gone.to_string())?;
        keeper.send(message).await.map_err(|_| AccountsGone.to_string())?
    }

    fn keeper(&self) -> Result<Addr<Keeper>, AccountsGone> {
        self.keeper.borrow().clone().ok_or(AccountsGone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{ConfigSources, load},
        supervise::Lifeline,
    };
    use actix::{Actor, Context};
    use std::time::Duration;
    use tokio::sync::mpsc;

    struct Parent;

    impl Actor for Parent {
        type Context = Context<Self>;
    }

    impl Handler<ChildExited<KeeperId>> for Parent {
        type Result = ();

        fn handle(&mut self, _: ChildExited<KeeperId>, _: &mut Context<Self>) {}
    }

    #[actix_rt::test]
    #[expect(clippy::disallowed_methods, reason = "nobody has to learn of this actor's end")]
    async fn whoever_follows_hears_every_keeper() {
        let home = tempfile::tempdir().unwrap();
        let sources = ConfigSources { home: Some(home.path().to_owned()), ..ConfigSources::default() };
        let accounts = Accounts::new(Arc::new(load(&sources).unwrap().config.login), Some(home.path()));
        let (to, mut heard) = mpsc::unbounded_channel();
        let followed = accounts.clone();
        actix::spawn(async move {
            let listener = || {
                let to = to.clone();
                move |fact: &AccountFact| to.send(format!("{fact:?}")).is_ok()
            };
            followed.follow(listener).await;
        });
        let (parent, line) = (Parent.start(), Lifeline::default());
        // The first comes after its listener, the second in the place of the first.
        for key in ["sk-1", "sk-2"] {
            accounts.run_here(parent.downgrade().recipient(), line.tether());
            tokio::task::yield_now().await;
            let (answer, answered) = Answer::awaited();
            accounts.start_login(NewLogin::ApiKey(key.into()), answer);
            answered.await.unwrap().unwrap();
            for expected in ["LoginCompleted", "Updated"] {
                let fact = tokio::time::timeout(Duration::from_secs(60), heard.recv()).await.unwrap().unwrap();
                assert!(fact.starts_with(expected), "{key}: {fact}");
            }
        }
        assert!(heard.try_recv().is_err(), "told twice");
    }
}
