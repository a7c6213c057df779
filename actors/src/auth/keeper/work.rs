//! What goes on for one login.

use super::Keeper;
use crate::{
    auth::{
        Answer, Started,
        callback::CallbackServer,
        issuer::{Authorization, DeviceAuthorization, Issuer, IssuerError},
        messages::Knocked,
        stored::{StoredLogin, Tokens},
        vault::now_unix,
    },
    config::LoginSettings,
    supervise::Tether,
};
use actix::{ActorFutureExt, AsyncContext, Context, SpawnHandle, WeakAddr, WrapFuture};
use llmx_protocol::{
    ids::LoginId,
    machine::login::{
        AuthorizationCode, BROWSER_LOGIN_TIMEOUT, Callback, Input, Page, Refusal, State, ask_again_after,
    },
};
use std::{rc::Rc, sync::Arc};
use tokio::sync::oneshot;

/// A login, as the keeper carries it out. Dropped when it has ended, and with it its server.
pub(super) struct Work {
    /// Of whoever asked, until they have it.
    pub(super) answer: Option<Answer<Result<Started, Refusal>>>,
    /// What is to be stored, once there is something.
    pub(super) credentials: Option<StoredLogin>,
    running: Option<SpawnHandle>,
    opened: Option<Opened>,
}

enum Opened {
    Browser { way: Authorization, _server: CallbackServer },
    Device(DeviceAuthorization),
}

impl Work {
    /// Of somebody who waits for an answer; with a key, there is something to store already.
    pub(super) fn new(answer: Answer<Result<Started, Refusal>>, credentials: Option<StoredLogin>) -> Self {
        Self { answer: Some(answer), credentials, running: None, opened: None }
    }
}

impl Keeper {
    /// Makes the callback server and the address for the browser.
    pub(super) fn listen(&mut self, login: LoginId, context: &mut Context<Self>) {
        let browser = open_browser_way(
            self.issuer.clone(),
            self.settings.clone(),
            login.clone(),
            context.address().downgrade(),
            self.pages.tether(),
        );
        self.run(&login.clone(), browser, context, move |keeper, opened, context| {
            let input = match opened {
                Ok((server, way)) => {
                    let state = Some(State(way.state.expose().to_owned()));
                    keeper.opened(&login, Opened::Browser { way, _server: server });
                    Input::Opened { login, state, within: BROWSER_LOGIN_TIMEOUT }
                }
                Err(why) => Input::Failed { login, why: format!("failed to start login server: {why}") },
            };
            keeper.step(input, context);
        });
    }

    pub(super) fn ask_for_user_code(&mut self, login: LoginId, context: &mut Context<Self>) {
        let issuer = self.issuer.clone();
        let asked = async move { issuer.device_authorization().await };
        self.run(&login.clone(), asked, context, move |keeper, answer, context| {
            let input = match answer {
                Ok(device) => {
                    let within = device.life();
                    keeper.opened(&login, Opened::Device(device));
                    Input::Opened { login, state: None, within }
                }
                Err(why) => Input::Failed { login, why: format!("failed to get a user code: {why}") },
            };
            keeper.step(input, context);
        });
    }

    /// Tells whoever asked what the person is to do; with a user code, begins to ask whether they did.
    pub(super) fn accept(&mut self, login: &LoginId, context: &mut Context<Self>) {
        let Some(work) = self.works.get_mut(login) else {
            return;
        };
        let (started, poll) = match &work.opened {
            None => (Started::ApiKey, None),
            Some(Opened::Browser { way, .. }) => {
                (Started::Browser { login: login.clone(), auth_url: way.url.to_string() }, None)
            }
            Some(Opened::Device(device)) => (device_code(login, device), Some(device.clone())),
        };
        if let Some(answer) = work.answer.take() {
            answer.give(Ok(started));
        }
        match poll {
            Some(device) => self.wait_for_user_code(login.clone(), device, context),
            None if work.opened.is_none() => drop(self.works.remove(login)),
            None => {}
        }
    }

    fn wait_for_user_code(&mut self, login: LoginId, device: DeviceAuthorization, context: &mut Context<Self>) {
        let polled = poll(self.issuer.clone(), device);
        self.run(&login.clone(), polled, context, move |keeper, tokens, context| keeper.got(login, tokens, context));
    }

    pub(super) fn exchange(&mut self, login: LoginId, code: AuthorizationCode, context: &mut Context<Self>) {
        let Some(Opened::Browser { way, .. }) = self.works.get(&login).and_then(|work| work.opened.as_ref()) else {
            return;
        };
        let (issuer, way) = (self.issuer.clone(), way.clone());
        let exchanged = async move { issuer.exchange(&way, &code.0, now_unix()).await };
        self.run(&login.clone(), exchanged, context, move |keeper, tokens, context| keeper.got(login, tokens, context));
    }

    /// The issuer's last word.
    fn got(&mut self, login: LoginId, tokens: Result<Tokens, IssuerError>, context: &mut Context<Self>) {
        let input = match tokens.map_err(|error| error.to_string()).and_then(|tokens| self.of_the_workspace(tokens)) {
            Ok(tokens) => {
                if let Some(work) = self.works.get_mut(&login) {
                    work.credentials = Some(StoredLogin::Account(tokens));
                }
                Input::Granted { login }
            }
            Err(why) => Input::Failed { login, why },
        };
        self.step(input, context);
    }

    fn of_the_workspace(&self, tokens: Tokens) -> Result<Tokens, String> {
        match &self.settings.workspace {
            Some(only) if tokens.account_id.as_ref() != Some(only) => {
                Err(format!("Login is restricted to workspace id {only}."))
            }
            _ => Ok(tokens),
        }
    }

    /// Ends whatever goes on for a login. Whoever still waits for its answer is told by what follows.
    pub(super) fn close(&mut self, login: &LoginId, context: &mut Context<Self>) {
        let Some(work) = self.works.get_mut(login) else {
            return;
        };
        if let Some(running) = work.running.take() {
            context.cancel_future(running);
        }
        if work.answer.is_none() {
            self.works.remove(login);
        }
    }

    fn opened(&mut self, login: &LoginId, opened: Opened) {
        if let Some(work) = self.works.get_mut(login) {
            work.opened = Some(opened);
        }
    }

    /// One thing at a time is done for a login; closing it ends that.
    fn run<T: 'static>(
        &mut self,
        login: &LoginId,
        future: impl Future<Output = T> + 'static,
        context: &mut Context<Self>,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        let running = context.spawn(future.into_actor(self).map(then_with(login.clone(), then)));
        if let Some(work) = self.works.get_mut(login) {
            work.running = Some(running);
        }
    }
}

/// What runs has ended when its result is dealt with, so that whatever that starts is not taken for it.
fn then_with<T>(
    login: LoginId,
    then: impl FnOnce(&mut Keeper, T, &mut Context<Keeper>) + 'static,
) -> impl FnOnce(T, &mut Keeper, &mut Context<Keeper>) {
    move |result, keeper, context| {
        if let Some(work) = keeper.works.get_mut(&login) {
            work.running = None;
        }
        then(keeper, result, context);
    }
}

async fn open_browser_way(
    issuer: Issuer,
    settings: Arc<LoginSettings>,
    login: LoginId,
    keeper: WeakAddr<Keeper>,
    pages: Tether,
) -> Result<(CallbackServer, Authorization), String> {
    let knock = Rc::new(move |callback: Callback| {
        let (page, shown) = oneshot::channel::<Page>();
        if let Some(keeper) = keeper.upgrade() {
            keeper.do_send(Knocked { login: login.clone(), callback, page });
        }
        shown
    });
    let server = CallbackServer::start(settings.callback_port, knock, pages).await.map_err(|e| e.to_string())?;
    let way = issuer.authorization(server.redirect_uri()).await.map_err(|e| e.to_string())?;
    Ok((server, way))
}

fn device_code(login: &LoginId, device: &DeviceAuthorization) -> Started {
    Started::DeviceCode {
        login: login.clone(),
        verification_url: device.verification_uri.clone(),
        user_code: device.user_code.clone(),
    }
}

/// Asks until the code was typed, or cannot be any more. A server that cannot be reached may be back the next time.
async fn poll(issuer: Issuer, device: DeviceAuthorization) -> Result<Tokens, IssuerError> {
    let mut interval = device.interval();
    loop {
        tokio::time::sleep(interval).await;
        match issuer.poll(&device, now_unix()).await {
            Err(error) if error.status.is_none() => tracing::debug!(%error, "login: the issuer cannot be asked"),
            Err(error) => match ask_again_after(&error.code, interval) {
                Some(longer) => interval = longer,
                None => return Err(error),
            },
            tokens => return tokens,
        }
    }
}
