//! Carries out the rules of a login, and hands out what requests carry.

mod changes;
mod renewals;
mod work;

use super::{
    AccountFact, Answer, CancelLogin, LogOut, NewLogin, StartLogin, Subscribe,
    issuer::Issuer,
    messages::{AwaitPages, Knocked, Listener},
    stored::StoredLogin,
    vault::Vault,
};
use crate::{
    config::LoginSettings,
    supervise::{Lifeline, Tether, Timer, crash_point, now},
};
use actix::{Actor, Context, Handler, ResponseFuture};
use changes::{Change, Changes};
use llmx_protocol::{
    ids::LoginId,
    machine::login::{Effect, Input, Login, Method, Page, Visit},
};
use renewals::Renewals;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::oneshot;
use work::Work;

/// How long a host that ends waits for browsers to take their pages.
const PAGES: Duration = Duration::from_secs(2);

/// Keeps the accounts of one home. Child of the engine; all it must not forget is in `auth.json`.
pub struct Keeper {
    settings: Arc<LoginSettings>,
    vault: Vault,
    issuer: Issuer,
    machine: Login,
    timer: Timer,
    works: HashMap<LoginId, Work>,
    visits: HashMap<u64, oneshot::Sender<Page>>,
    visitors: u64,
    /// Of the cancellation that the machine is just told of.
    cancelling: Option<Answer<bool>>,
    /// Of logouts, in the order of the changes that they wait for.
    changes: Changes,
    renewals: Renewals,
    listeners: Vec<Listener>,
    /// Held by every connection of a browser.
    pages: Arc<Lifeline>,
    tether: Tether,
}

impl Keeper {
    pub(super) fn new(settings: Arc<LoginSettings>, vault: Vault, issuer: Issuer, tether: Tether) -> Self {
        Self {
            machine: Login::new(settings.forced_method),
            settings,
            vault,
            issuer,
            timer: Timer::default(),
            works: HashMap::new(),
            visits: HashMap::new(),
            visitors: 0,
            cancelling: None,
            changes: Changes::default(),
            renewals: Renewals::default(),
            listeners: Vec::new(),
            pages: Arc::default(),
            tether,
        }
    }

    fn step(&mut self, input: Input, context: &mut Context<Self>) {
        for effect in self.machine.apply(input, now()) {
            self.perform(effect, context);
        }
        self.timer.follow(self.machine.deadline(), context, |keeper, context| {
            keeper.timer.fired();
            keeper.step(Input::Tick, context);
        });
    }

    fn perform(&mut self, effect: Effect, context: &mut Context<Self>) {
        match effect {
            Effect::Open { login, method: Method::DeviceCode } => self.ask_for_user_code(login, context),
            Effect::Open { login, .. } => self.listen(login, context),
            Effect::Accept { login } => self.accept(&login, context),
            Effect::Refuse { login, why } => {
                if let Some(answer) = self.works.remove(&login).and_then(|work| work.answer) {
                    answer.give(Err(why));
                }
            }
            Effect::Exchange { login, code } => self.exchange(login, code, context),
            Effect::Store { login } => self.store(login, context),
            Effect::Remove => self.change(Change::Remove, context),
            Effect::Show { visit, page } => {
                if let Some(browser) = self.visits.remove(&visit.0) {
                    // It may have left.
                    let _ = browser.send(page);
                }
            }
            Effect::Close { login } => self.close(&login, context),
            Effect::Cancelled { found, .. } => {
                if let Some(answer) = self.cancelling.take() {
                    answer.give(found);
                }
            }
            Effect::Completed { login, error } => self.tell(&AccountFact::LoginCompleted { login, error }),
            Effect::AccountChanged => self.tell(&AccountFact::Updated(self.changes.known())),
        }
    }

    fn tell(&mut self, fact: &AccountFact) {
        self.listeners.retain_mut(|listener| listener(fact));
    }

    fn store(&mut self, login: LoginId, context: &mut Context<Self>) {
        if let Some(credentials) = self.works.get_mut(&login).and_then(|work| work.credentials.take()) {
            self.change(Change::Store(login, credentials), context);
        }
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.tether.clone().hold(context, self);
    }
}

impl Handler<StartLogin> for Keeper {
    type Result = ();

    fn handle(&mut self, StartLogin { login, answer }: StartLogin, context: &mut Context<Self>) {
        crash_point::<Self>(&"StartLogin");
        let id = LoginId::from(uuid::Uuid::now_v7().to_string());
        let (method, credentials) = match login {
            NewLogin::ApiKey(key) => (Method::ApiKey, Some(StoredLogin::ApiKey(key))),
            NewLogin::Browser => (Method::Browser, None),
            NewLogin::DeviceCode => (Method::DeviceCode, None),
        };
        self.works.insert(id.clone(), Work::new(answer, credentials));
        self.step(Input::Start { login: id, method }, context);
    }
}

impl Handler<CancelLogin> for Keeper {
    type Result = ();

    fn handle(&mut self, CancelLogin { login, answer }: CancelLogin, context: &mut Context<Self>) {
        self.cancelling = Some(answer);
        self.step(Input::Cancel { login }, context);
    }
}

impl Handler<LogOut> for Keeper {
    type Result = ();

    fn handle(&mut self, LogOut { answer }: LogOut, context: &mut Context<Self>) {
        self.changes.owe(answer);
        self.step(Input::Logout, context);
    }
}

impl Handler<Knocked> for Keeper {
    type Result = ();

    fn handle(&mut self, Knocked { login, callback, page }: Knocked, context: &mut Context<Self>) {
        self.visitors += 1;
        self.visits.insert(self.visitors, page);
        self.step(Input::Called { login, visit: Visit(self.visitors), callback }, context);
    }
}

impl Handler<Subscribe> for Keeper {
    type Result = ();

    fn handle(&mut self, Subscribe(listener): Subscribe, _: &mut Context<Self>) {
        self.listeners.push(listener);
    }
}

impl Handler<AwaitPages> for Keeper {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: AwaitPages, _: &mut Context<Self>) -> ResponseFuture<()> {
        let pages = self.pages.clone();
        Box::pin(async move { drop(tokio::time::timeout(PAGES, pages.slack()).await) })
    }
}
