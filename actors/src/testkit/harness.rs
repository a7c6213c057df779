//! What tests see of actors, and how they make them crash.

use llmx_protocol::ids::SessionId;
use std::{
    any::type_name,
    collections::BTreeMap,
    fmt::{Debug, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Sees which actors of an engine live, and makes them crash where a test wants them to. It goes into
/// [`EngineOptions::harness`](crate::engine::EngineOptions::harness) and is kept by the test; all clones are one.
///
/// It works by a task-local that the engine sets where it starts a session's family and that every actor hands to those
/// it starts. Before an actor deals with anything it names what that is; if a [`Crash`] is planned there, it panics
/// in that place, as it would by a bug. Without the feature `testkit` none of this is compiled.
#[derive(Clone, Debug, Default)]
pub struct Harness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    planned: Vec<(Option<SessionId>, Crash)>,
    alive: BTreeMap<String, usize>,
}

/// A panic that is to happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    actor: &'static str,
    at: &'static str,
    skip: usize,
}

impl Crash {
    /// The actor is the name of its type: `Session`, `Task`, `Turn`, `ModelStream`, `Executor` or `Outbox`. The place
    /// is `Start` (in the actor's `started`), or what it is about to deal with:
    ///
    /// * in Session, Task and Turn, a variant of its machine's `Input` or `Effect`;
    /// * in Executor and Outbox, a message;
    /// * in ModelStream, `CloseStream`, or `Ended` for the end of its answer.
    #[must_use]
    pub fn new(actor: &'static str, at: &'static str) -> Self {
        Self { actor, at, skip: 0 }
    }

    /// Not the first time, but after so many.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }
}

impl Harness {
    /// Plans a crash in this session, or else in the first actor of any session that gets there.
    pub fn plan(&self, session: Option<&SessionId>, crash: Crash) {
        self.state().planned.push((session.cloned(), crash));
    }

    /// The crashes that have not happened yet.
    #[must_use]
    pub fn planned(&self) -> Vec<Crash> {
        self.state().planned.iter().map(|(_, crash)| crash.clone()).collect()
    }

    /// How many actors live, by the names of their types.
    #[must_use]
    pub fn living(&self) -> BTreeMap<String, usize> {
        self.state().alive.clone()
    }

    /// `work`, whose actors are those of `session`.
    pub(crate) fn observe<W: Future<Output = ()>>(
        &self,
        session: &SessionId,
        work: W,
    ) -> impl Future<Output = ()> + use<W> {
        SCENE.scope(Scene { harness: self.clone(), session: session.clone() }, work)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_planned(&self, session: &SessionId, actor: &str, doing: &impl Debug) -> bool {
        let planned = &mut self.state().planned;
        if planned.is_empty() {
            return false;
        }
        let at = first_name(doing);
        let here = |(of, crash): &(Option<SessionId>, Crash)| {
            of.as_ref().is_none_or(|of| of == session) && crash.actor == actor && crash.at == at
        };
        match planned.iter().position(here) {
            Some(i) if planned[i].1.skip == 0 => {
                planned.remove(i);
                true
            }
            Some(i) => {
                planned[i].1.skip -= 1;
                false
            }
            None => false,
        }
    }
}

tokio::task_local! {
    static SCENE: Scene;
}

#[derive(Clone)]
struct Scene {
    harness: Harness,
    session: SessionId,
}

/// Counts an actor for as long as it lives.
struct Alive(Harness, &'static str);

impl Alive {
    fn begin(harness: &Harness, actor: &'static str) -> Self {
        *harness.state().alive.entry(actor.to_owned()).or_default() += 1;
        Self(harness.clone(), actor)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let alive = &mut self.0.state().alive;
        if let Some(count) = alive.get_mut(self.1) {
            *count -= 1;
        }
        alive.retain(|_, count| *count > 0);
    }
}

/// Panics if that is planned for an `A` that is about to deal with `what`.
pub(crate) fn crash_point<A>(what: &impl Debug) {
    let actor = short_name::<A>();
    let planned = SCENE.try_with(|scene| scene.harness.take_planned(&scene.session, actor, what));
    if planned == Ok(true) {
        panic!("planned crash of {actor} at {}", first_name(what));
    }
}

/// `running` is the life of an `A` that is started by whoever calls this: what is known of the one goes for the other.
pub(crate) fn inherit<A, R: Future<Output = ()>>(running: R) -> impl Future<Output = ()> + use<A, R> {
    let scene = SCENE.try_with(Clone::clone).ok();
    let alive = scene.as_ref().map(|scene| Alive::begin(&scene.harness, short_name::<A>()));
    async move {
        let _alive = alive;
        match scene {
            Some(scene) => SCENE.scope(scene, running).await,
            None => running.await,
        }
    }
}

fn short_name<A>() -> &'static str {
    type_name::<A>().rsplit("::").next().unwrap_or_default()
}

/// The first name in the `Debug` form: of an enum its variant. The rest, which may be long, is not written.
fn first_name(what: &impl Debug) -> String {
    let mut name = FirstName(String::new());
    let _ = write!(name, "{what:?}");
    name.0
}

struct FirstName(String);

impl Write for FirstName {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let text = if self.0.is_empty() { text.trim_start_matches('"') } else { text };
        let end = text.find(|c: char| !c.is_alphanumeric());
        self.0.push_str(&text[..end.unwrap_or(text.len())]);
        if end.is_some() { Err(std::fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only its Debug form is looked at")]
    enum Input {
        Begin,
        Said { text: &'static str },
        Ended(u32),
    }

    #[test]
    fn a_place_is_named_by_its_variant() {
        for (input, name) in [(Input::Begin, "Begin"), (Input::Said { text: "x" }, "Said"), (Input::Ended(7), "Ended")]
        {
            assert_eq!(first_name(&input), name);
        }
        assert_eq!(first_name(&"Start"), "Start");
    }

    #[test]
    fn a_crash_happens_once_in_its_session_and_place() {
        let (harness, session, other) = (Harness::default(), SessionId::from("a"), SessionId::from("b"));
        harness.plan(Some(&session), Crash::new("Turn", "Begin").after(1));
        assert!(!harness.take_planned(&other, "Turn", &Input::Begin));
        assert!(!harness.take_planned(&session, "Task", &Input::Begin));
        assert!(!harness.take_planned(&session, "Turn", &Input::Ended(1)));
        assert!(!harness.take_planned(&session, "Turn", &Input::Begin), "that was the first");
        assert!(harness.take_planned(&session, "Turn", &Input::Begin));
        assert!(!harness.take_planned(&session, "Turn", &Input::Begin));
        assert_eq!(harness.planned(), []);
    }
}
