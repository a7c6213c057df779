//! How somebody logs in: one login at a time, each with one end (`spec/app-server.md`, "Auth endpoints").
//!
//! The machine never sees a token. It sees the code that the browser brings, because whether it counts is a rule.

mod browser;
mod device;
mod effect;
mod input;

pub use self::{
    browser::{AuthorizationCode, Callback, Page, State, Visit},
    device::ask_again_after,
    effect::Effect,
    input::Input,
};

use super::deadline::Deadlines;
use crate::ids::LoginId;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long a person may take in the browser.
pub const BROWSER_LOGIN_TIMEOUT: Duration = Duration::from_secs(600);

/// How somebody proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By a key that is at hand.
    ApiKey,
    /// In a browser that is sent back to this machine.
    Browser,
    /// In a browser anywhere, by typing a code.
    DeviceCode,
}

/// The only kind of login that a configuration lets in (`forced_login_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForcedMethod {
    /// API keys.
    Api,
    /// An account, by browser or device code.
    ChatGpt,
}

/// Why a login is not even begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `forced_login_method = "chatgpt"`.
    #[error("API key login is disabled. Use ChatGPT login instead.")]
    ApiKeyDisabled,
    /// `forced_login_method = "api"`.
    #[error("ChatGPT login is disabled. Use API key login instead.")]
    ChatGptDisabled,
    /// What it needs cannot be had.
    #[error("{0}")]
    Failed(String),
}

/// The one login that may be under way, and those whose credentials are being written.
#[derive(Clone, Debug, Default)]
pub struct Login {
    forced: Option<ForcedMethod>,
    pending: Option<Pending>,
    storing: VecDeque<Storing>,
    deadline: Deadlines<()>,
}

#[derive(Clone, Debug)]
struct Pending {
    login: LoginId,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// Nobody has been told of it yet.
    Opening,
    /// The person is with the issuer.
    Waiting(Option<State>),
    /// The browser came back and waits for its page.
    Exchanging(Visit),
}

#[derive(Clone, Debug)]
struct Storing {
    login: LoginId,
    method: Method,
    visit: Option<Visit>,
}

const REPLACED: &str = "Login was replaced by a new one";
const CANCELLED: &str = "Login was cancelled";
const LOGGED_OUT: &str = "Login was cancelled by a logout";
const TIMED_OUT: &str = "Login timed out";

impl Login {
    /// Nobody logs in yet.
    #[must_use]
    pub fn new(forced: Option<ForcedMethod>) -> Self {
        Self { forced, ..Self::default() }
    }

    /// When to say [`Input::Tick`]; ask again after each `apply`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.next()
    }

    /// Late mail, of a login that has ended, has no effect.
    #[must_use]
    pub fn apply(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Start { login, method } => self.start(login, method, &mut out),
            Input::Opened { login, state, within } => self.opened(&login, state, now + within, &mut out),
            Input::Called { login, visit, callback } => self.called(&login, visit, callback, &mut out),
            Input::Granted { login } => self.granted(&login, &mut out),
            Input::Failed { login, why } if self.is_pending(&login) => self.end(&why, &mut out),
            Input::Failed { .. } => {}
            Input::Stored { login, result } => self.stored(&login, result, &mut out),
            Input::Cancel { login } => self.cancel(login, &mut out),
            Input::Logout => {
                self.end(LOGGED_OUT, &mut out);
                out.push(Effect::Remove);
            }
            Input::Tick => {
                if self.deadline.take_passed(now).is_some() {
                    self.end(TIMED_OUT, &mut out);
                }
            }
        }
        out
    }

    fn start(&mut self, login: LoginId, method: Method, out: &mut Vec<Effect>) {
        if let Some(why) = self.forbids(method) {
            return out.push(Effect::Refuse { login, why });
        }
        self.end(REPLACED, out);
        if method == Method::ApiKey {
            return self.store(Storing { login, method, visit: None }, out);
        }
        self.pending = Some(Pending { login: login.clone(), step: Step::Opening });
        out.push(Effect::Open { login, method });
    }

    fn forbids(&self, method: Method) -> Option<Refusal> {
        match (self.forced?, method) {
            (ForcedMethod::ChatGpt, Method::ApiKey) => Some(Refusal::ApiKeyDisabled),
            (ForcedMethod::Api, Method::Browser | Method::DeviceCode) => Some(Refusal::ChatGptDisabled),
            _ => None,
        }
    }

    fn opened(&mut self, login: &LoginId, state: Option<State>, until: Instant, out: &mut Vec<Effect>) {
        let Some(Pending { step: step @ Step::Opening, login }) = self.pending_of(login) else {
            return;
        };
        *step = Step::Waiting(state);
        out.push(Effect::Accept { login: login.clone() });
        self.deadline.set((), until);
    }

    /// Whoever does not know the state was not sent by this login, and must not be able to end it.
    fn called(&mut self, login: &LoginId, visit: Visit, callback: Callback, out: &mut Vec<Effect>) {
        let strange = |why| Effect::Show { visit, page: Page::Strange(why) };
        let Some(Pending { step, login }) = self.pending_of(login) else {
            return out.push(strange("this login is over"));
        };
        let Step::Waiting(state) = step else {
            return out.push(strange("this login is being completed already"));
        };
        if callback.state.is_none() || callback.state != *state {
            return out.push(strange("the state is not the one that this login was started with"));
        }
        if let Some(why) = callback.error {
            out.push(Effect::Show { visit, page: Page::Failed(why.clone()) });
            return self.end(&why, out);
        }
        let Some(code) = callback.code else {
            return out.push(strange("there is no code"));
        };
        *step = Step::Exchanging(visit);
        out.push(Effect::Exchange { login: login.clone(), code });
    }

    fn granted(&mut self, login: &LoginId, out: &mut Vec<Effect>) {
        let storing = match self.pending_of(login) {
            Some(Pending { step: Step::Exchanging(visit), login }) => {
                Storing { login: login.clone(), method: Method::Browser, visit: Some(*visit) }
            }
            Some(Pending { step: Step::Waiting(None), login }) => {
                Storing { login: login.clone(), method: Method::DeviceCode, visit: None }
            }
            _ => return,
        };
        self.pending = None;
        self.deadline.clear(());
        self.store(storing, out);
    }

    /// From here on it cannot be stopped: what follows is stored, or removed, after it.
    fn store(&mut self, storing: Storing, out: &mut Vec<Effect>) {
        out.push(Effect::Store { login: storing.login.clone() });
        self.storing.push_back(storing);
    }

    fn stored(&mut self, login: &LoginId, result: Result<(), String>, out: &mut Vec<Effect>) {
        let Some(place) = self.storing.iter().position(|storing| storing.login == *login) else {
            return;
        };
        let Some(Storing { login, method, visit }) = self.storing.remove(place) else {
            return;
        };
        if let Some(visit) = visit {
            let page = result.as_ref().map_or_else(|why| Page::Failed(why.clone()), |()| Page::Done);
            out.push(Effect::Show { visit, page });
        }
        out.push(Effect::Close { login: login.clone() });
        let is_key = method == Method::ApiKey;
        match result {
            Err(why) if is_key => return out.push(Effect::Refuse { login, why: Refusal::Failed(why) }),
            Err(error) => return out.push(Effect::Completed { login: Some(login), error: Some(error) }),
            Ok(()) if is_key => out.push(Effect::Accept { login: login.clone() }),
            Ok(()) => {}
        }
        out.push(Effect::Completed { login: (!is_key).then_some(login), error: None });
        out.push(Effect::AccountChanged);
    }

    fn cancel(&mut self, login: LoginId, out: &mut Vec<Effect>) {
        let found = self.is_pending(&login);
        out.push(Effect::Cancelled { login, found });
        if found {
            self.end(CANCELLED, out);
        }
    }

    /// Ends the pending login, if there is one, without credentials.
    fn end(&mut self, why: &str, out: &mut Vec<Effect>) {
        let Some(Pending { login, step }) = self.pending.take() else {
            return;
        };
        self.deadline.clear(());
        if let Step::Exchanging(visit) = step {
            out.push(Effect::Show { visit, page: Page::Failed(why.to_owned()) });
        }
        out.push(Effect::Close { login: login.clone() });
        out.push(match step {
            Step::Opening => Effect::Refuse { login, why: Refusal::Failed(why.to_owned()) },
            _ => Effect::Completed { login: Some(login), error: Some(why.to_owned()) },
        });
    }

    fn is_pending(&self, login: &LoginId) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.login == *login)
    }

    fn pending_of(&mut self, login: &LoginId) -> Option<&mut Pending> {
        self.pending.as_mut().filter(|pending| pending.login == *login)
    }
}

#[cfg(test)]
mod tests;
