//! Turns.

use super::{World, executor, tasks::TaskMail};
use crate::trace::{Seen, What};
use llmx_protocol::{
    history::Prompt,
    ids::{Attempt, SubmissionId, TaskId, TurnId},
    machine::{
        gate::Origin,
        task,
        turn::{self, TurnStart},
    },
    model::{event::ModelEvent, failure::Failure},
};
use std::collections::VecDeque;

#[derive(Clone)]
pub(super) enum TurnMail {
    Input(turn::Input),
    ReplaceExecutor(u32),
}

pub(crate) struct TurnSeat {
    pub(super) task: TaskId,
    pub(crate) turn: TurnId,
    pub(super) submission: SubmissionId,
    pub(super) start: TurnStart,
    pub(super) prompt: Prompt,
    pub(crate) machine: turn::Turn,
    pub(super) mail: VecDeque<TurnMail>,
    pub(super) executor: u32,
    pub(super) doomed: bool,
}

impl World {
    pub(super) fn start_turn(&mut self, task: TaskId, start: TurnStart, prompt: Prompt) {
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        let turn = start.turn;
        seat.turn = Some(turn);
        self.turns.push(TurnSeat {
            task,
            turn,
            submission: start.submission.clone(),
            executor: seat.executor,
            machine: turn::Turn::new(start.clone()),
            start,
            prompt,
            mail: VecDeque::from([TurnMail::Input(turn::Input::Begin)]),
            doomed: false,
        });
    }

    pub(super) fn tell_turn(&mut self, turn: Option<TurnId>, mail: TurnMail) {
        if let Some(seat) = self.turns.iter_mut().find(|t| Some(t.turn) == turn) {
            seat.mail.push_back(mail);
        }
    }

    pub(super) fn turn_reads(&mut self, i: usize) {
        let (turn, doomed) = (self.turns[i].turn, self.turns[i].doomed);
        loop {
            let Some(seat) = self.turns.iter_mut().find(|t| t.turn == turn) else { return };
            match seat.mail.pop_front() {
                Some(TurnMail::Input(input)) => self.turn_hears(turn, input),
                Some(TurnMail::ReplaceExecutor(number)) => {
                    seat.executor = number;
                    self.turn_hears(turn, turn::Input::ExecutorReplaced);
                }
                None => break,
            }
            if !doomed {
                return;
            }
        }
        self.turn_is_gone(turn);
    }

    pub(super) fn turn_hears(&mut self, turn: TurnId, input: turn::Input) {
        self.note_model(turn, &input);
        let Some(seat) = self.turns.iter_mut().find(|t| t.turn == turn) else { return };
        for effect in seat.machine.apply(input, self.now) {
            self.perform_for_turn(turn, effect);
        }
    }

    pub(super) fn note_model(&mut self, turn: TurnId, input: &turn::Input) {
        let stream = |attempt: Attempt| self.streams.iter().find(move |s| s.turn == turn && s.attempt == attempt);
        match input {
            turn::Input::Model { attempt, event: ModelEvent::Completed { .. } } => {
                let response = stream(*attempt).map(|s| s.response.clone()).unwrap_or_default();
                self.note(Seen::Completed { turn, attempt: *attempt, response });
            }
            turn::Input::ModelEnded { attempt, how } => {
                let answered = stream(*attempt).is_some_and(|s| s.answered);
                let failure = how.clone().err().unwrap_or_else(|| Failure::cut("the stream ended early"));
                self.note(Seen::Failed { turn, attempt: *attempt, failure, answered });
            }
            _ => {}
        }
    }

    pub(super) fn perform_for_turn(&mut self, turn: TurnId, effect: turn::Effect) {
        use turn::Effect;
        let Some(seat) = self.turns.iter_mut().find(|t| t.turn == turn) else { return };
        let (task, executor, name) = (seat.task, seat.executor, seat.submission.clone());
        match effect {
            Effect::Publish(msg) => self.publish(Origin::Task(task), &name, msg),
            Effect::OpenModel { attempt, in_full } => self.open_model(turn, attempt, in_full),
            Effect::CloseModel => {
                let last = self.streams.iter_mut().rfind(|s| s.turn == turn);
                last.into_iter().for_each(|s| s.closing = true);
            }
            Effect::Ask(question) => self.send_task(task, TaskMail::Ask(question)),
            Effect::StartCall(call) => {
                self.note(Seen::Starts {
                    task,
                    call: call.call,
                    what: What::of(&call.work),
                    confinement: call.confinement,
                });
                self.tell_executor(executor, executor::Mail::Start { task, turn, call });
            }
            Effect::KillCall(call) => self.tell_executor(executor, executor::Mail::Kill(call)),
            Effect::Finish(end) => {
                self.send_task(task, TaskMail::Input(task::Input::TurnEnded { turn, end }));
                self.turn_is_gone(turn);
            }
        }
    }

    pub(super) fn send_task(&mut self, task: TaskId, mail: TaskMail) {
        if let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) {
            seat.mail.push_back(mail);
        }
    }

    pub(super) fn turn_is_gone(&mut self, turn: TurnId) {
        let Some(at) = self.turns.iter().position(|t| t.turn == turn) else { return };
        let seat = self.turns.remove(at);
        self.streams.retain(|s| s.turn != turn);
        self.send_task(seat.task, TaskMail::Input(task::Input::TurnCrashed { turn, why: "panic".into() }));
        self.over.turns.extend(seat.machine.is_over().then_some(seat.machine));
    }
}
