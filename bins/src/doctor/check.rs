//! One thing that was looked at, and how all of them are shown.

use serde_json::{Map, Value, json};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Works, but the user should know.
    Note,
    /// Does not work.
    Broken,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Check {
    name: String,
    state: State,
    /// A line for a person.
    said: String,
    /// The same for a program.
    facts: Map<String, Value>,
}

impl Check {
    pub(super) fn new(name: impl Into<String>, state: State, said: impl Into<String>) -> Self {
        Self { name: name.into(), state, said: said.into(), facts: Map::new() }
    }

    pub(super) fn ok(name: impl Into<String>, said: impl Into<String>) -> Self {
        Self::new(name, State::Ok, said)
    }

    pub(super) fn note(name: impl Into<String>, said: impl Into<String>) -> Self {
        Self::new(name, State::Note, said)
    }

    pub(super) fn broken(name: impl Into<String>, said: impl Into<String>) -> Self {
        Self::new(name, State::Broken, said)
    }

    /// Adds a fact for programs.
    pub(super) fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(fact.to_owned(), value.into());
        self
    }

    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    fn to_json(&self) -> Value {
        let mut object = self.facts.clone();
        object.insert("name".into(), self.name.clone().into());
        object.insert("state".into(), self.state.word().into());
        object.insert("message".into(), self.said.clone().into());
        Value::Object(object)
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
pub(super) fn print(checks: &[Check]) {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    for Check { name, state, said, .. } in checks {
        println!("{:<6}  {name:<width$}  {said}", state.word());
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
pub(super) fn print_json(checks: &[Check]) {
    let broken = checks.iter().any(Check::is_broken);
    let checks: Vec<Value> = checks.iter().map(Check::to_json).collect();
    println!("{}", json!({ "ok": !broken, "checks": checks }));
}
