//! One task: turns, until one leaves nothing to feed back. Its events begin with `task_started` and end with exactly
//! one of `task_complete` and `error`.

use super::{
    deadline::Deadlines,
    retry::RetryPolicy,
    session::Point,
    settings::Settings,
    turn::{Outcome, STOP_DEADLINE, TurnEnd, TurnStart},
};
use crate::{
    history::{History, Prompt},
    ids::{ItemId, ResponseId, SessionId, SubmissionId, TaskId, TurnId},
    wire::{
        event::{AbortReason, EventMsg, ItemEvent, user_message},
        item::{TurnItem, UserInput},
        usage::TokenUsage,
    },
};
use std::{sync::Arc, time::Instant};

/// What a task starts from.
#[derive(Clone, Debug)]
pub struct TaskStart {
    /// The task.
    pub task: TaskId,
    /// The submission that started it.
    pub submission: SubmissionId,
    /// Its session.
    pub session: SessionId,
    /// What it runs under.
    pub settings: Arc<Settings>,
    /// The conversation, with the new input at its end.
    pub history: History,
    /// The new input, for the UI.
    pub input: Vec<UserInput>,
    /// The number of its first turn.
    pub first_turn: TurnId,
    /// Tokens that the session used before.
    pub used: TokenUsage,
    /// Spreads retries; anything.
    pub seed: u64,
}

/// What can happen to a task.
#[derive(Clone, Debug)]
pub enum Input {
    /// It may begin.
    Begin,
    /// A turn said how it ended.
    TurnEnded {
        /// Which.
        turn: TurnId,
        /// How.
        end: TurnEnd,
    },
    /// A turn died without saying so.
    TurnCrashed {
        /// Which.
        turn: TurnId,
        /// Of what.
        why: String,
    },
    /// The executor has ended everything.
    Swept,
    /// End now.
    Stop(AbortReason),
    /// A deadline may have passed.
    Tick,
}

/// What a task wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Tell the UI.
    Publish(EventMsg),
    /// Start a turn with this prompt.
    StartTurn(Box<TurnStart>, Prompt),
    /// Tell the turn to end.
    StopTurn,
    /// End every command of the session; `Swept` answers.
    Sweep,
    /// Remember a place to go on from, before what follows is published, and tell the session of it.
    Bookmark(ResponseId, Point),
    /// The task is over; nothing follows.
    Finish(TaskEnd),
}

/// What a task leaves.
#[derive(Clone, Debug)]
pub struct TaskEnd {
    /// The conversation at its end.
    pub history: History,
    /// The next free turn number.
    pub next_turn: TurnId,
    /// Tokens that the session has used by now.
    pub used: TokenUsage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Turning,
    /// The turn died: its commands first, then the terminal event with this text.
    Sweeping(String),
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Stop,
    Sweep,
}

/// The rules of one task.
#[derive(Debug)]
pub struct Task {
    start: TaskStart,
    phase: Phase,
    turn: TurnId,
    history: History,
    used: TokenUsage,
    stop: Option<AbortReason>,
    deadlines: Deadlines<Due>,
}

impl Task {
    /// A task that waits for [`Input::Begin`].
    #[must_use]
    pub fn new(start: TaskStart) -> Self {
        Self {
            phase: Phase::Idle,
            turn: start.first_turn,
            history: start.history.clone(),
            used: start.used,
            stop: None,
            deadlines: Deadlines::default(),
            start,
        }
    }

    /// Whether it is over: then nothing it is told matters.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// When a `Tick` is due; ask again after every `apply`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Takes what happened, says what to do, in that order.
    #[must_use]
    pub fn apply(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut out = Vec::new();
        match (&self.phase, input) {
            (Phase::Over, _) => {}
            (Phase::Idle, Input::Begin) => self.begin(&mut out),
            (Phase::Turning, Input::TurnEnded { turn, end }) if turn == self.turn => self.turn_ended(end, &mut out),
            (Phase::Turning, Input::TurnCrashed { turn, why }) if turn == self.turn => {
                self.sweep(format!("internal error: the turn crashed: {why}"), now, &mut out);
            }
            (Phase::Turning, Input::Stop(reason)) if self.stop.is_none() => {
                self.stop = Some(reason);
                // The turn has a deadline of its own; this one is for a turn that does not answer at all.
                self.deadlines.set(Due::Stop, now + 2 * STOP_DEADLINE);
                out.push(Effect::StopTurn);
            }
            (Phase::Sweeping(why), Input::Swept) => {
                let why = why.clone();
                self.fail(why, &mut out);
            }
            (Phase::Idle, Input::Stop(reason)) => self.stop = Some(reason),
            (_, Input::Stop(reason)) => self.stop = self.stop.or(Some(reason)),
            (_, Input::Tick) => self.tick(now, &mut out),
            _ => {}
        }
        out
    }

    fn begin(&mut self, out: &mut Vec<Effect>) {
        let window = self.start.settings.window();
        self.phase = Phase::Turning;
        out.push(Effect::Publish(EventMsg::TaskStarted { model_context_window: window }));
        self.show_input(out);
        match self.stop {
            Some(_) => self.end(out),
            None => self.start_turn(out),
        }
    }

    fn show_input(&self, out: &mut Vec<Effect>) {
        let item = TurnItem::UserMessage {
            id: ItemId::from(format!("item_{}_user", self.start.task)),
            content: self.start.input.clone(),
        };
        let item = ItemEvent { thread_id: self.start.session.clone(), turn_id: self.start.submission.clone(), item };
        out.push(Effect::Publish(EventMsg::ItemStarted(item.clone())));
        out.push(Effect::Publish(EventMsg::ItemCompleted(item)));
        out.push(Effect::Publish(user_message(&self.start.input)));
    }

    fn start_turn(&mut self, out: &mut Vec<Effect>) {
        let settings = &self.start.settings;
        let start = TurnStart {
            turn: self.turn,
            session: self.start.session.clone(),
            submission: self.start.submission.clone(),
            settings: settings.clone(),
            retry: RetryPolicy {
                request_max: settings.provider.request_max_retries,
                stream_max: settings.provider.stream_max_retries,
                seed: self.start.seed.wrapping_add(self.turn.0),
            },
            used: self.used,
            history_is_whole: self.history.is_whole(),
        };
        out.push(Effect::StartTurn(Box::new(start), self.history.prompt(settings.stored_responses)));
    }

    fn turn_ended(&mut self, end: TurnEnd, out: &mut Vec<Effect>) {
        self.deadlines.clear(Due::Stop);
        self.used = end.used;
        let feeds_back = !end.outputs.is_empty();
        let stored_as = end.response_id.clone().filter(|_| self.start.settings.stored_responses);
        self.history = self.history.with(end.said, stored_as).with(end.outputs, None);
        match end.outcome {
            Outcome::Failed(message) => self.fail(message, out),
            Outcome::Stopped => self.end(out),
            Outcome::Completed => {
                self.turn_completed(end.response_id, out);
                match (self.stop, feeds_back) {
                    (Some(_), _) => self.end(out),
                    (None, true) => {
                        self.turn = self.turn.next();
                        self.start_turn(out);
                    }
                    (None, false) => {
                        let done = EventMsg::TaskComplete { last_agent_message: end.last_message };
                        self.finish(vec![done], out);
                    }
                }
            }
        }
    }

    fn turn_completed(&self, response_id: Option<ResponseId>, out: &mut Vec<Effect>) {
        let id = response_id.unwrap_or_else(|| ResponseId::from(format!("llmx_{}_{}", self.start.session, self.turn)));
        let point = Point { history: self.history.clone(), told: Some(self.start.settings.clone()) };
        out.push(Effect::Bookmark(id.clone(), point));
        out.push(Effect::Publish(EventMsg::TurnComplete { response_id: Some(id) }));
    }

    fn sweep(&mut self, why: String, now: Instant, out: &mut Vec<Effect>) {
        self.phase = Phase::Sweeping(why);
        self.deadlines.clear(Due::Stop);
        self.deadlines.set(Due::Sweep, now + STOP_DEADLINE);
        out.push(Effect::Sweep);
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(due) = self.deadlines.take_passed(now) {
            match (due, &self.phase) {
                (Due::Stop, _) => self.sweep("internal error: the turn did not stop".into(), now, out),
                (Due::Sweep, Phase::Sweeping(why)) => {
                    let why = format!("{why}; its commands may still run");
                    self.fail(why, out);
                }
                (Due::Sweep, _) => {}
            }
        }
    }

    /// The terminal events of a task that was told to stop.
    fn end(&mut self, out: &mut Vec<Effect>) {
        let reason = self.stop.unwrap_or(AbortReason::Interrupted);
        self.finish(aborted(reason), out);
    }

    /// The terminal event of a task that broke; if it was to stop anyway, it just stopped.
    fn fail(&mut self, message: String, out: &mut Vec<Effect>) {
        match self.stop {
            Some(_) => {
                out.push(Effect::Publish(EventMsg::warning(message)));
                self.end(out);
            }
            None => self.finish(vec![EventMsg::Error { message }], out),
        }
    }

    fn finish(&mut self, last_words: Vec<EventMsg>, out: &mut Vec<Effect>) {
        self.phase = Phase::Over;
        self.deadlines = Deadlines::default();
        out.extend(last_words.into_iter().map(Effect::Publish));
        out.push(Effect::Finish(TaskEnd {
            history: self.history.clone(),
            next_turn: self.turn.next(),
            used: self.used,
        }));
    }
}

/// How a task that was told to stop ends: newer UIs read the first, the user's document has the second.
#[must_use]
pub fn aborted(reason: AbortReason) -> Vec<EventMsg> {
    vec![EventMsg::TurnAborted { reason }, EventMsg::error(reason.as_str())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine::fixture, model::item::ResponseItem};
    use std::time::Duration;

    /// Tells a task what the words say and compares what it does. `turn:2:done` is the end of turn 2, `turn:2:fed` one
    /// with an output to feed back; `+5s` lets time pass. Its first events are left out.
    fn check(script: &str, expected: &str) {
        let mut task = Task::new(start());
        let mut now = Instant::now();
        let mut done = Vec::new();
        for word in script.split_whitespace() {
            let input = match word.strip_prefix('+') {
                Some(wait) => {
                    now += Duration::from_secs(wait.trim_end_matches('s').parse().unwrap());
                    Input::Tick
                }
                None => input(word),
            };
            done.extend(task.apply(input, now).iter().map(shown));
        }
        let done = done.join(" ");
        let beginning = "task_started item_started item_completed user_message ";
        assert_eq!(done.strip_prefix(beginning), Some(expected), "script: {script}: {done}");
    }

    fn start() -> TaskStart {
        TaskStart {
            task: TaskId(1),
            submission: "u1".into(),
            session: "thread".into(),
            settings: Arc::new(fixture::settings()),
            history: History::default().with(vec![ResponseItem::message("user", "hi")], None),
            input: vec![UserInput::Text { text: "hi".into() }],
            first_turn: TurnId(1),
            used: TokenUsage::default(),
            seed: 0,
        }
    }

    fn input(word: &str) -> Input {
        let turn = |n: &str| TurnId(n.parse().unwrap());
        match word.split(':').collect::<Vec<_>>()[..] {
            ["begin"] => Input::Begin,
            ["turn", n, how] => Input::TurnEnded { turn: turn(n), end: turn_end(how) },
            ["crashed", n] => Input::TurnCrashed { turn: turn(n), why: "bang".into() },
            ["swept"] => Input::Swept,
            ["stop"] => Input::Stop(AbortReason::Interrupted),
            ["replace"] => Input::Stop(AbortReason::Replaced),
            _ => panic!("unknown word {word}"),
        }
    }

    fn turn_end(how: &str) -> TurnEnd {
        let output = || ResponseItem::function_call_output(&"c1".into(), "x");
        TurnEnd {
            outcome: match how {
                "stopped" => Outcome::Stopped,
                "failed" => Outcome::Failed("broken".into()),
                _ => Outcome::Completed,
            },
            said: vec![ResponseItem::message("assistant", "hello")],
            response_id: (how != "nameless").then(|| "r1".into()),
            outputs: (how == "fed").then(output).into_iter().collect(),
            last_message: Some("hello".into()),
            used: TokenUsage::default(),
        }
    }

    fn shown(effect: &Effect) -> String {
        match effect {
            Effect::Publish(EventMsg::TurnAborted { reason }) => format!("turn_aborted:{}", reason.as_str()),
            Effect::Publish(EventMsg::Error { message }) => format!("error:{}", message.replace(' ', "_")),
            Effect::Publish(msg) => fixture::name(msg),
            Effect::StartTurn(start, prompt) => format!("start:{}:{}", start.turn, prompt.items().len()),
            Effect::StopTurn => "stop_turn".into(),
            Effect::Sweep => "sweep".into(),
            Effect::Bookmark(id, point) => format!("bookmark:{id}:{}", point.history.items().len()),
            Effect::Finish(end) => format!("finish:{}:{}", end.history.items().len(), end.next_turn),
        }
    }

    const ABORTED: &str = "turn_aborted:interrupted error:interrupted";

    #[test]
    fn a_task_goes_on_while_there_is_something_to_feed_back() {
        check("begin", "start:1:1");
        check("begin turn:1:done turn:1:done", "start:1:1 bookmark:r1:2 turn_complete task_complete finish:2:2");
        check(
            "begin turn:1:fed turn:1:fed turn:2:done",
            "start:1:1 bookmark:r1:3 turn_complete start:2:3 bookmark:r1:4 turn_complete task_complete finish:4:3",
        );
        check("begin turn:1:nameless", "start:1:1 bookmark:llmx_thread_1:2 turn_complete task_complete finish:2:2");
        check("turn:1:done begin begin", "start:1:1");
    }

    #[test]
    fn a_task_that_is_stopped_ends_when_its_turn_has() {
        check("begin stop stop", "start:1:1 stop_turn");
        check("begin stop turn:1:stopped stop", &format!("start:1:1 stop_turn {ABORTED} finish:2:2"));
        check("begin stop replace turn:1:stopped", &format!("start:1:1 stop_turn {ABORTED} finish:2:2"));
        check("begin replace turn:1:stopped", "start:1:1 stop_turn turn_aborted:replaced error:replaced finish:2:2");
        check(
            "begin stop turn:1:fed",
            &format!("start:1:1 stop_turn bookmark:r1:3 turn_complete {ABORTED} finish:3:2"),
        );
        check("begin stop turn:1:failed", &format!("start:1:1 stop_turn warning {ABORTED} finish:2:2"));
        check("stop begin", &format!("{ABORTED} finish:1:2"));
        check("begin stop turn:1:stopped +60s crashed:1", &format!("start:1:1 stop_turn {ABORTED} finish:2:2"));
    }

    #[test]
    fn a_turn_that_breaks_breaks_its_task() {
        let died = "error:internal_error:_the_turn_crashed:_bang";
        check("begin turn:1:failed", "start:1:1 error:broken finish:2:2");
        check("begin crashed:1", "start:1:1 sweep");
        check("begin crashed:1 swept swept", &format!("start:1:1 sweep {died} finish:1:2"));
        check("begin crashed:1 stop swept", &format!("start:1:1 sweep warning {ABORTED} finish:1:2"));
        check("begin crashed:1 +5s", &format!("start:1:1 sweep {died};_its_commands_may_still_run finish:1:2"));
        check("begin crashed:2 swept", "start:1:1");
    }

    #[test]
    fn a_turn_that_does_not_hear_a_stop_is_swept_away() {
        check("begin stop +9s", "start:1:1 stop_turn");
        check("begin stop +10s swept", &format!("start:1:1 stop_turn sweep warning {ABORTED} finish:1:2"));
    }
}
