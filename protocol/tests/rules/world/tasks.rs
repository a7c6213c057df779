//! Tasks.

use super::{
    World,
    executor::{self, Asker},
    sessions::SessionMail,
    turns::TurnMail,
};
use crate::trace::Seen;
use llmx_protocol::{
    ids::{SubmissionId, TaskId, TurnId},
    machine::{
        approval::Question,
        gate::Origin,
        session::{self, Record},
        task::{self, TaskStart},
        turn,
    },
};
use std::collections::VecDeque;

pub(crate) struct TaskSeat {
    pub(crate) task: TaskId,
    pub(super) submission: SubmissionId,
    pub(super) session: u32,
    pub(crate) machine: task::Task,
    pub(super) mail: VecDeque<TaskMail>,
    pub(super) turn: Option<TurnId>,
    pub(super) executor: u32,
    pub(super) doomed: bool,
}

pub(super) enum TaskMail {
    Input(task::Input),
    Ask(Question),
    ToTurn(TurnMail),
}

impl World {
    pub(super) fn start_task(&mut self, start: TaskStart) {
        self.note(Seen::TaskStarts(start.task, start.submission.clone()));
        let Some(session) = &mut self.session else { return };
        session.task = Some(start.task);
        self.tasks.push(TaskSeat {
            task: start.task,
            submission: start.submission.clone(),
            session: session.number,
            executor: session.executor,
            machine: task::Task::new(start),
            mail: VecDeque::from([TaskMail::Input(task::Input::Begin)]),
            turn: None,
            doomed: false,
        });
    }

    pub(super) fn tell_task(&mut self, mail: TaskMail) {
        let task = self.session.as_ref().and_then(|s| s.task);
        if let Some(seat) = self.tasks.iter_mut().find(|t| Some(t.task) == task) {
            seat.mail.push_back(mail);
        }
    }

    pub(super) fn task_reads(&mut self, i: usize) {
        let (task, doomed) = (self.tasks[i].task, self.tasks[i].doomed);
        loop {
            let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
            let Some(mail) = seat.mail.pop_front() else { break };
            self.task_handles(task, mail);
            if !doomed {
                return;
            }
        }
        self.task_is_gone(task);
    }

    pub(super) fn task_handles(&mut self, task: TaskId, mail: TaskMail) {
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        match mail {
            TaskMail::Input(input) => self.task_hears(task, input),
            TaskMail::Ask(question) => {
                let number = seat.session;
                self.note(Seen::Asked { task, question: question.clone() });
                self.tell_session(number, SessionMail::Input(session::Input::Ask { task, question }));
            }
            TaskMail::ToTurn(mail) => {
                if let TurnMail::ReplaceExecutor(number) = mail {
                    seat.executor = number;
                }
                let swept = matches!(mail, TurnMail::Input(turn::Input::CallsLost));
                let turn = seat.turn;
                self.tell_turn(turn, mail);
                // A sweep of its own may have died with its executor.
                if swept {
                    self.task_hears(task, task::Input::Swept);
                }
            }
        }
    }

    pub(super) fn task_hears(&mut self, task: TaskId, input: task::Input) {
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        for effect in seat.machine.apply(input, self.now) {
            self.perform_for_task(task, effect);
        }
    }

    pub(super) fn perform_for_task(&mut self, task: TaskId, effect: task::Effect) {
        use task::Effect;
        let Some(seat) = self.tasks.iter_mut().find(|t| t.task == task) else { return };
        let (number, executor, turn, name) = (seat.session, seat.executor, seat.turn, seat.submission.clone());
        match effect {
            Effect::Publish(msg) => self.publish(Origin::Task(task), &name, msg),
            Effect::StartTurn(start, prompt) => self.start_turn(task, *start, prompt),
            Effect::StopTurn => self.tell_turn(turn, TurnMail::Input(turn::Input::Stop)),
            Effect::YieldTurn => self.tell_turn(turn, TurnMail::Input(turn::Input::Yield)),
            Effect::Sweep => self.tell_executor(executor, executor::Mail::Sweep(Asker::Task(task))),
            Effect::Bookmark(bookmark) => {
                self.memory.fold(Record::Bookmark(task, bookmark.clone()));
                self.tell_session(number, SessionMail::Input(session::Input::Bookmark { task, bookmark }));
            }
            Effect::Finish(end) => {
                self.tell_session(number, SessionMail::Input(session::Input::TaskEnded { task, end }));
                self.task_is_gone(task);
            }
        }
    }

    /// It stopped or died; either way its parent is told so, last.
    pub(super) fn task_is_gone(&mut self, task: TaskId) {
        let Some(at) = self.tasks.iter().position(|t| t.task == task) else { return };
        let seat = self.tasks.remove(at);
        self.turns.iter_mut().filter(|t| t.task == task).for_each(|t| t.doomed = true);
        let exited = session::Input::TaskCrashed { task, why: "panic".into() };
        self.tell_session(seat.session, SessionMail::Input(exited));
        self.over.tasks.extend(seat.machine.is_over().then_some(seat.machine));
    }
}
