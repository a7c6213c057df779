//! What requests carry, and how it is renewed: once at a time, for everybody who asks meanwhile.

use super::Keeper;
use crate::{
    auth::{
        Account, Bearer, GetBearer, ReadAccount, RenewBearer,
        messages::Waiter,
        stored::{StoredLogin, Tokens},
        vault::{RenewalError, now_unix},
    },
    config::Secret,
};
use actix::{
    ActorFutureExt, ActorTryFutureExt, AsyncContext, Context, Handler, ResponseActFuture, SpawnHandle, WrapFuture,
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use std::sync::Arc;
use tokio::sync::oneshot;

const LOGGED_OUT: &str = "the login has changed meanwhile";

/// The renewal that is under way.
#[derive(Default)]
pub(super) struct Renewals {
    running: Option<SpawnHandle>,
    waiting: Vec<Waiter>,
    /// The access token that came with a refresh token which the issuer refused, and what it said.
    hopeless: Option<(Secret, String)>,
}

impl Keeper {
    /// New tokens, or those that somebody else got since `rejected` was handed out.
    fn renew(
        &mut self,
        rejected: Option<Secret>,
        context: &mut Context<Self>,
    ) -> impl Future<Output = Result<Bearer, String>> + use<> {
        let (to, renewed) = oneshot::channel();
        match (&self.renewals.hopeless, &rejected) {
            (Some((token, why)), Some(rejected)) if token == rejected => drop(to.send(Err(why.clone()))),
            _ => {
                self.renewals.waiting.push(to);
                self.begin_renewal(rejected, context);
            }
        }
        async {
            let renewed = renewed.await.unwrap_or_else(|_| Err(LOGGED_OUT.to_owned()));
            renewed.map(|bearer| (*bearer).clone())
        }
    }

    fn fresh(
        &mut self,
        stored: Option<StoredLogin>,
        context: &mut Context<Self>,
    ) -> LocalBoxFuture<'static, Result<Option<Bearer>, String>> {
        let Some(StoredLogin::Account(tokens)) = stored else {
            return std::future::ready(Ok(stored.map(Bearer::from))).boxed_local();
        };
        if tokens.refresh_token.is_none() || !tokens.are_due(now_unix()) {
            return std::future::ready(Ok(Some(Bearer::of(tokens)))).boxed_local();
        }
        let renewed = self.renew(Some(tokens.access_token.clone()), context);
        async move {
            Ok(Some(renewed.await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the login is due for renewal and was not renewed");
                Bearer::of(tokens)
            })))
        }
        .boxed_local()
    }

    fn other_than(
        &mut self,
        rejected: Bearer,
        stored: Option<StoredLogin>,
        context: &mut Context<Self>,
    ) -> LocalBoxFuture<'static, Result<Option<Bearer>, String>> {
        match stored.map(Bearer::from) {
            Some(same) if same == rejected && same.is_account => {
                let renewed = self.renew(Some(rejected.token), context);
                async { renewed.await.map(Some) }.boxed_local()
            }
            other => std::future::ready(Ok(other.filter(|other| *other != rejected))).boxed_local(),
        }
    }

    fn begin_renewal(&mut self, rejected: Option<Secret>, context: &mut Context<Self>) {
        if self.renewals.running.is_some() {
            return;
        }
        let (vault, issuer, refused) = (self.vault.clone(), self.issuer.clone(), rejected.clone());
        let renewed = async move { vault.renew(&issuer, refused.as_ref()).await };
        self.renewals.running = Some(context.spawn(renewed.into_actor(self).map(|renewed, keeper, _| {
            keeper.renewals.running = None;
            if let (Err(RenewalError::Refused(why)), Some(token)) = (&renewed, rejected) {
                keeper.renewals.hopeless = Some((token, why.clone()));
            }
            let renewed = renewed.map(|tokens| Arc::new(Bearer::of(tokens))).map_err(|error| error.to_string());
            for waiter in keeper.renewals.waiting.drain(..) {
                // It may have given up.
                let _ = waiter.send(renewed.clone());
            }
        })));
    }

    /// Whoever waits is told so by the loss of the other end.
    pub(super) fn stop_renewing(&mut self, context: &mut Context<Self>) {
        if let Some(running) = self.renewals.running.take() {
            context.cancel_future(running);
        }
        self.renewals.waiting.clear();
        self.renewals.hopeless = None;
    }
}

impl Handler<GetBearer> for Keeper {
    type Result = ResponseActFuture<Self, Result<Option<Bearer>, String>>;

    /// Tokens that are due are renewed first; if that fails for now, the old ones may do.
    fn handle(&mut self, _: GetBearer, _: &mut Context<Self>) -> Self::Result {
        let vault = self.vault.clone();
        let read = async move { vault.read().await };
        Box::pin(
            read.into_actor(self).and_then(|stored, keeper, context| keeper.fresh(stored, context).into_actor(keeper)),
        )
    }
}

impl Handler<RenewBearer> for Keeper {
    type Result = ResponseActFuture<Self, Result<Option<Bearer>, String>>;

    /// A key cannot be renewed, only replaced.
    fn handle(&mut self, RenewBearer { rejected }: RenewBearer, _: &mut Context<Self>) -> Self::Result {
        let vault = self.vault.clone();
        let read = async move { vault.read().await };
        Box::pin(
            read.into_actor(self)
                .and_then(|stored, keeper, context| keeper.other_than(rejected, stored, context).into_actor(keeper)),
        )
    }
}

impl Handler<ReadAccount> for Keeper {
    type Result = ResponseActFuture<Self, Result<Option<Account>, String>>;

    fn handle(&mut self, ReadAccount { renew }: ReadAccount, context: &mut Context<Self>) -> Self::Result {
        let renewed = renew.then(|| self.renew(None, context));
        let vault = self.vault.clone();
        let read = async move {
            if let Some(Err(error)) = match renewed {
                Some(renewed) => Some(renewed.await),
                None => None,
            } {
                tracing::warn!(%error, "the login was not renewed");
            }
            vault.read().await.map(|stored| stored.as_ref().map(Account::of))
        };
        Box::pin(read.into_actor(self))
    }
}

impl Bearer {
    fn of(tokens: Tokens) -> Self {
        Self { token: tokens.access_token, is_account: true, account_id: tokens.account_id }
    }
}

impl From<StoredLogin> for Bearer {
    fn from(stored: StoredLogin) -> Self {
        match stored {
            StoredLogin::ApiKey(key) => Self::from(key),
            StoredLogin::Account(tokens) => Self::of(tokens),
        }
    }
}

impl Account {
    pub(in crate::auth) fn of(stored: &StoredLogin) -> Self {
        match stored {
            StoredLogin::ApiKey(_) => Self::ApiKey,
            StoredLogin::Account(tokens) => {
                let claims = tokens.claims();
                Self::ChatGpt { email: claims.email.unwrap_or_default(), plan: claims.plan }
            }
        }
    }
}
