//! A model that follows a script.

use super::{Answer, answer::Step};
use crate::{
    engine::TransportFactory,
    model_stream::{AnswerBody, ModelRequest, Transport},
};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{ids::SessionId, machine::settings::Settings, model::Dialect, model::failure::Failure};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Between the chunks of what never ends.
const A_MOMENT: Duration = Duration::from_millis(10);

/// A [`Transport`] that answers from a script. A request gets the next answer of its session's own script, else of
/// the common one; when both are used up, the model says `done`. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct ScriptedModel(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    common: VecDeque<Answer>,
    own: HashMap<String, VecDeque<Answer>>,
    requests: Vec<SeenRequest>,
    open: HashMap<String, usize>,
    taken: usize,
}

/// A request that the model got.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The session it came from.
    pub conversation: String,
    /// Its body.
    pub body: Value,
}

impl SeenRequest {
    /// The entries of its `input` that have this `type`.
    #[must_use]
    pub fn input(&self, kind: &str) -> Vec<&Value> {
        let input = self.body["input"].as_array();
        input.into_iter().flatten().filter(|item| item["type"] == kind).collect()
    }
}

impl ScriptedModel {
    /// Adds to the common script.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().common.extend(answers);
    }

    /// Adds to the script of one session.
    pub fn answers_to(&self, session: &SessionId, answers: impl IntoIterator<Item = Answer>) {
        self.state().own.entry(session.to_string()).or_default().extend(answers);
    }

    /// The requests so far, of all sessions.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.state().requests.clone()
    }

    /// How many requests there were so far, in all sessions.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.state().requests.len()
    }

    /// Drops what is left of all scripts.
    pub fn forget_scripts(&self) {
        let state = &mut *self.state();
        state.common.clear();
        state.own.clear();
    }

    /// How many connections of a session are open: requests under way and answers not dropped.
    #[must_use]
    pub fn open_in(&self, session: &SessionId) -> usize {
        self.state().open.get(session.as_str()).copied().unwrap_or_default()
    }

    /// How many bytes of answers were taken so far, in all sessions.
    #[must_use]
    pub fn bytes_taken(&self) -> usize {
        self.state().taken
    }

    /// For [`EngineOptions::transports`](crate::engine::EngineOptions::transports).
    #[must_use]
    pub fn factory(&self) -> TransportFactory {
        let model = self.clone();
        Arc::new(move || Arc::new(model.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request down and finds its answer.
    fn connect(&self, request: &ModelRequest) -> Connection {
        let state = &mut *self.state();
        let body = serde_json::from_slice(&request.body(Dialect::Responses)).unwrap_or_default();
        let conversation = request.conversation.clone();
        state.requests.push(SeenRequest { conversation: conversation.clone(), body });
        *state.open.entry(conversation.clone()).or_default() += 1;
        let own = state.own.get_mut(&conversation).and_then(VecDeque::pop_front);
        let answer = own.or_else(|| state.common.pop_front());
        Connection {
            model: self.clone(),
            number: state.requests.len(),
            answer: answer.unwrap_or_else(|| Answer::new().says("done").completes()),
            conversation,
        }
    }
}

impl Transport for ScriptedModel {
    fn open(&self, request: ModelRequest) -> LocalBoxFuture<'static, Result<Box<dyn AnswerBody>, Failure>> {
        let mut connection = self.connect(&request);
        async move {
            while let Some(step) = connection.answer.before.pop_front() {
                perform(step).await?;
            }
            Ok(Box::new(connection) as Box<dyn AnswerBody>)
        }
        .boxed_local()
    }

    /// Ten seconds.
    fn idle_timeout(&self, _: &Settings) -> Duration {
        Duration::from_secs(10)
    }
}

/// Open until it is dropped.
struct Connection {
    model: ScriptedModel,
    conversation: String,
    number: usize,
    answer: Answer,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(open) = self.model.state().open.get_mut(&self.conversation) {
            *open -= 1;
        }
    }
}

impl Connection {
    async fn following(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(step) = self.answer.steps.pop_front() {
            if let Step::SendEndlessly(_) = &step {
                self.answer.steps.push_front(step.clone());
                // Time must go on, else nobody finds out that this one does.
                tokio::time::sleep(A_MOMENT).await;
            }
            match step {
                Step::Send(bytes) | Step::SendEndlessly(bytes) => return Ok(Some(bytes)),
                Step::Complete(event) => return Ok(Some(event.replace("{n}", &self.number.to_string()).into())),
                other => perform(other).await?,
            }
        }
        Ok(None)
    }
}

impl AnswerBody for Connection {
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, Failure>> {
        async move {
            let bytes = self.following().await?;
            self.model.state().taken += bytes.as_ref().map_or(0, Bytes::len);
            Ok(bytes)
        }
        .boxed_local()
    }

    fn leave(self: Box<Self>) {}
}

async fn perform(step: Step) -> Result<(), Failure> {
    match step {
        Step::Send(_) | Step::Complete(_) | Step::SendEndlessly(_) => Ok(()),
        Step::Pause(pause) => {
            tokio::time::sleep(pause).await;
            Ok(())
        }
        Step::Wait(gate) => {
            gate.pass().await;
            Ok(())
        }
        Step::Stall => std::future::pending().await,
        Step::Fail(failure) => Err(failure),
        Step::Panic => panic!("the script says panic"),
    }
}
