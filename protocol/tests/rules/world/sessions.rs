//! The session and its supervisor.

use super::{
    FAMILY_DEADLINE, World,
    executor::{self, Asker},
    tasks::TaskMail,
    turns::TurnMail,
};
use crate::{
    script::Who,
    trace::{Because, Seen},
};
use llmx_protocol::{
    ids::{SubmissionId, TaskId},
    machine::{
        gate::Origin,
        session::{self, SessionEnd},
        task, turn,
    },
    wire::event::EventMsg,
};
use std::collections::VecDeque;

pub(super) struct SessionSeat {
    pub(super) number: u32,
    pub(super) machine: session::Session,
    pub(super) mail: VecDeque<SessionMail>,
    pub(super) task: Option<TaskId>,
    pub(super) executor: u32,
    pub(super) begun: bool,
}

pub(super) enum SessionMail {
    Input(session::Input),
    ExecutorExited(u32),
}

impl World {
    pub(super) fn start_session(&mut self) {
        self.sessions += 1;
        let machine =
            session::Session::new(self.id.clone(), self.defaults.clone(), self.memory.clone(), self.sessions.into());
        let number = self.sessions;
        let executor = self.start_executor();
        let mut mail = VecDeque::from([SessionMail::Input(session::Input::Begin)]);
        mail.extend(self.insisted.drain(..).map(SessionMail::Input));
        self.session = Some(SessionSeat { number, machine, mail, task: None, executor, begun: false });
    }

    pub(super) fn session_reads(&mut self) {
        let Some(session) = &mut self.session else { return };
        match session.mail.pop_front() {
            Some(SessionMail::ExecutorExited(number)) if number != session.executor => {}
            Some(SessionMail::ExecutorExited(_)) => {
                self.session_hears(session::Input::ExecutorCrashed { why: "panic".into() });
            }
            Some(SessionMail::Input(input)) => self.session_hears(input),
            None => {}
        }
    }

    pub(super) fn session_hears(&mut self, input: session::Input) {
        if let session::Input::Submit(submission) = &input
            && self.session.is_some()
        {
            self.note(Seen::Taken(submission.clone()));
        }
        let Some(session) = &mut self.session else { return };
        session.begun = true;
        let because = because(&input);
        for effect in session.machine.apply(input, self.now) {
            self.perform_for_session(effect, &because);
        }
    }

    pub(super) fn perform_for_session(&mut self, effect: session::Effect, because: &Because) {
        use session::Effect;
        match effect {
            Effect::Record(record) => self.memory.fold(record),
            Effect::Publish { origin, id, msg } => self.publish(origin, &id, msg),
            Effect::StartTask(start) => self.start_task(*start),
            Effect::StopTask(reason) => self.tell_task(TaskMail::Input(task::Input::Stop(reason))),
            Effect::SteerTask(steering) => self.tell_task(TaskMail::Input(task::Input::Steer(steering))),
            Effect::Answer(call, answer) => {
                self.note(Seen::Answered { call, answer, because: because.clone() });
                self.tell_task(TaskMail::ToTurn(TurnMail::Input(turn::Input::Answered { call, answer })));
            }
            Effect::Sweep => {
                if let Some(SessionSeat { number, executor, .. }) = self.session {
                    self.tell_executor(executor, executor::Mail::Sweep(Asker::Session(number)));
                }
            }
            Effect::ReplaceExecutor => self.replace_executor(),
            Effect::OpenThread(_) | Effect::Rest | Effect::AddToHistory(..) | Effect::LookUpHistory { .. } => {}
            Effect::CallsLost => self.tell_task(TaskMail::ToTurn(TurnMail::Input(turn::Input::CallsLost))),
            Effect::Finish(SessionEnd::Closed) => {
                self.end = Some(SessionEnd::Closed);
                let session = self.session_is_gone();
                self.over.sessions.extend(session.map(|s| s.machine));
            }
            Effect::Finish(SessionEnd::Failed(why)) => self.session_died(why),
        }
    }

    pub(super) fn replace_executor(&mut self) {
        let number = self.start_executor();
        if let Some(session) = &mut self.session {
            session.executor = number;
        }
        self.tell_task(TaskMail::ToTurn(TurnMail::ReplaceExecutor(number)));
    }

    pub(super) fn tell_session(&mut self, number: u32, mail: SessionMail) {
        if let Some(session) = self.session.as_mut().filter(|s| s.number == number) {
            session.mail.push_back(mail);
        }
    }

    pub(super) fn session_is_gone(&mut self) -> Option<SessionSeat> {
        let session = self.session.take()?;
        let of_it = |number: u32| number == session.number;
        self.tasks.iter_mut().filter(|t| of_it(t.session)).for_each(|t| t.doomed = true);
        self.executors.iter_mut().filter(|e| of_it(e.session)).for_each(|e| e.doomed = true);
        Some(session)
    }

    pub(super) fn session_died(&mut self, why: String) {
        let Some(session) = self.session_is_gone() else { return };
        for mail in session.mail {
            match mail {
                SessionMail::Input(session::Input::Submit(submission)) => {
                    let id = submission.map_or_else(|bad| bad.id, |s| s.id);
                    self.note(Seen::LostWithSession(id));
                    self.publish(Origin::Session, &SubmissionId::default(), EventMsg::error("lost; send it again"));
                }
                SessionMail::Input(insisted @ (session::Input::NoMoreInput | session::Input::Leave)) => {
                    self.insisted.push(insisted);
                }
                _ => {}
            }
        }
        self.note(Seen::Crash(Who::Session));
        if self.restarts.spend(self.now) {
            self.rebuild_by = Some(self.now + FAMILY_DEADLINE);
        } else {
            self.give_up(why);
        }
    }

    pub(super) fn give_up(&mut self, why: String) {
        if let Some((task, id)) = self.memory.running.clone() {
            self.publish(Origin::Task(task), &id, EventMsg::error("the session crashes again and again"));
        }
        self.end = Some(SessionEnd::Failed(why));
    }

    pub(super) fn session_is_rebuilt(&mut self) {
        self.rebuild_by = None;
        self.note(Seen::Rebuilt { in_time: self.family_is_gone() });
        self.start_session();
    }
}

fn because(input: &session::Input) -> Because {
    match input {
        session::Input::Submit(Ok(submission)) => Because::Op(submission.op.clone()),
        session::Input::Ask { question, .. } => Because::Question(question.clone()),
        _ => Because::Other,
    }
}
