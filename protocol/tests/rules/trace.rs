//! What happened in a world, in order: all that the properties look at.

use crate::script::Who;
use llmx_protocol::{
    ids::{Attempt, ItemId, ResponseId, SubmissionId, TaskId, TurnId},
    machine::{
        approval::{Answer, CallKey, Confinement, Question},
        session::SessionEnd,
        turn::{Purpose, Work},
    },
    model::{
        failure::Failure,
        item::{ItemBody, ResponseItem},
    },
    wire::{
        event::{Event, EventMsg},
        item::{TurnItem, UserInput},
        op::Op,
        submission::{BadSubmission, Submission},
    },
};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) seen: Vec<Seen>,
    /// When each of them was.
    pub(crate) times: Vec<Duration>,
    pub(crate) close: Close,
}

/// How things stand when nothing more can happen.
#[derive(Clone, Debug)]
pub(crate) struct Close {
    pub(crate) end: Option<SessionEnd>,
    pub(crate) task_runs: bool,
    pub(crate) open_questions: usize,
    pub(crate) processes: usize,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The session took this up.
    Taken(Result<Submission, BadSubmission>),
    /// The session died over this.
    LostWithSession(SubmissionId),
    /// The UI was told.
    Event(Event),
    /// The gate kept this from the UI.
    HeldBack(TaskId, EventMsg),
    TaskStarts(TaskId, SubmissionId),
    Request(Box<Request>),
    /// The connection that a request opened is closed.
    ConnectionCloses {
        turn: TurnId,
        attempt: Attempt,
    },
    /// A turn heard the end of its response.
    Completed {
        turn: TurnId,
        attempt: Attempt,
        response: Response,
    },
    /// A turn heard that its model is lost.
    Failed {
        turn: TurnId,
        attempt: Attempt,
        failure: Failure,
        answered: bool,
    },
    Asked {
        task: TaskId,
        question: Question,
    },
    Answered {
        call: CallKey,
        answer: Answer,
        because: Because,
    },
    /// The executor is told to run a call.
    Starts {
        task: TaskId,
        call: CallKey,
        what: What,
        confinement: Confinement,
    },
    ProcessLives {
        process: usize,
        task: TaskId,
        call: CallKey,
    },
    ProcessDies {
        process: usize,
    },
    Crash(Who),
    /// A new session in place of a dead one; `in_time`: when all that the dead one ran was gone.
    Rebuilt {
        in_time: bool,
    },
}

/// What a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A command of no words.
    Nothing,
    Command,
    Inspect,
    Apply,
}

impl What {
    pub(crate) fn of(work: &Work) -> Self {
        match work {
            Work::Command { command, .. } if command.is_empty() => Self::Nothing,
            Work::Command { .. } => Self::Command,
            Work::Inspect { .. } => Self::Inspect,
            Work::Apply { .. } => Self::Apply,
        }
    }
}

/// A request to the model.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) task: TaskId,
    pub(crate) turn: TurnId,
    pub(crate) purpose: Purpose,
    pub(crate) attempt: Attempt,
    pub(crate) at: Duration,
    pub(crate) request_retries: u32,
    pub(crate) stream_retries: u32,
    /// The whole conversation, as the engine remembers it.
    pub(crate) whole: Vec<ResponseItem>,
    /// What the server can know: what it kept, and what it was sent.
    pub(crate) known_to_server: Vec<ResponseItem>,
}

/// What the model said in the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) id: Option<ResponseId>,
    pub(crate) items: Vec<ResponseItem>,
}

/// What a session was told when it gave an answer.
#[derive(Clone, Debug)]
pub(crate) enum Because {
    Op(Op),
    Question(Question),
    Other,
}

/// Everything between the start of a task and the start of the next, or the end.
#[derive(Debug)]
pub(crate) struct TaskRun<'t> {
    pub(crate) task: TaskId,
    pub(crate) submission: &'t SubmissionId,
    /// Where it starts in the trace.
    pub(crate) at: usize,
    pub(crate) seen: &'t [Seen],
}

impl Trace {
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.seen.iter().filter_map(Seen::event)
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.seen.iter().filter_map(Seen::request)
    }

    pub(crate) fn tasks(&self) -> Vec<TaskRun<'_>> {
        let mut tasks: Vec<TaskRun<'_>> = Vec::new();
        for (at, seen) in self.seen.iter().enumerate().rev() {
            if let Seen::TaskStarts(task, submission) = seen {
                let end = tasks.last().map_or(self.seen.len(), |later| later.at);
                tasks.push(TaskRun { task: *task, submission, at, seen: &self.seen[at..end] });
            }
        }
        tasks.reverse();
        tasks
    }

    /// Whether these words were shown as the user's, under this task's id.
    pub(crate) fn shows(&self, task: &str, words: &[UserInput]) -> bool {
        let is_it = |item: &TurnItem| matches!(item, TurnItem::UserMessage { content, .. } if content == words);
        let shown = |event: &Event| matches!(&event.msg, EventMsg::ItemCompleted(completed) if is_it(&completed.item));
        self.events().any(|event| event.id.as_str() == task && shown(event))
    }

    /// The words of every steer that the session took up.
    pub(crate) fn steers(&self) -> Vec<&str> {
        fn words(seen: &Seen) -> Option<&str> {
            match seen {
                Seen::Taken(Ok(Submission { op: Op::Steer { items, .. }, .. })) => text_of(items),
                _ => None,
            }
        }
        self.seen.iter().filter_map(words).collect()
    }

    /// The submission ids that name tasks.
    pub(crate) fn task_names(&self) -> Vec<&SubmissionId> {
        self.tasks().into_iter().map(|t| t.submission).collect()
    }
}

impl Seen {
    pub(crate) fn event(&self) -> Option<&Event> {
        if let Self::Event(event) = self { Some(event) } else { None }
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        if let Self::Request(request) = self { Some(request) } else { None }
    }

    pub(crate) fn msg(&self) -> Option<&EventMsg> {
        self.event().map(|e| &e.msg)
    }
}

impl<'t> TaskRun<'t> {
    /// What the UI was told under the task's id.
    pub(crate) fn events(&self) -> impl Iterator<Item = &'t EventMsg> {
        let name = self.submission;
        self.seen.iter().filter_map(Seen::event).filter(move |e| e.id == *name).map(|e| &e.msg)
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &'t Request> {
        let task = self.task;
        self.seen.iter().filter_map(Seen::request).filter(move |r| r.task == task)
    }

    /// Whether something of the task, or above it, died before its terminal event.
    pub(crate) fn was_hit(&self, by: &[Who]) -> bool {
        let until = self.terminal_at().unwrap_or(self.seen.len());
        self.seen[..until].iter().any(|s| matches!(s, Seen::Crash(who) if by.contains(who)))
    }

    /// Where in `seen` the terminal event is.
    pub(crate) fn terminal_at(&self) -> Option<usize> {
        self.seen.iter().position(|s| s.event().is_some_and(|e| e.id == *self.submission && e.msg.ends_a_task()))
    }

    /// What had happened when the terminal event went out.
    pub(crate) fn until_terminal(&self) -> &'t [Seen] {
        &self.seen[..self.terminal_at().unwrap_or(self.seen.len())]
    }
}

/// The id of a call, and whether it is an output.
pub(crate) fn call_or_output(item: &ResponseItem) -> Option<(&str, bool)> {
    match item.body() {
        ItemBody::FunctionCall { call_id, .. }
        | ItemBody::CustomToolCall { call_id, .. }
        | ItemBody::LocalShellCall { call_id, .. } => Some((call_id.as_str(), false)),
        ItemBody::FunctionCallOutput { call_id } | ItemBody::CustomToolCallOutput { call_id } => {
            Some((call_id.as_str(), true))
        }
        _ => None,
    }
}

/// The words of user input.
pub(crate) fn text_of(items: &[UserInput]) -> Option<&str> {
    items.iter().find_map(|item| if let UserInput::Text { text } = item { Some(text.as_str()) } else { None })
}

/// Whether a piece of a conversation is these words and no others.
pub(crate) fn says(item: &ResponseItem, words: &str) -> bool {
    item.json().contains(&format!("\"{words}\""))
}

/// The item that an event shows something of.
pub(crate) fn shown_item(msg: &EventMsg) -> Option<&ItemId> {
    match msg {
        EventMsg::ItemStarted(item) | EventMsg::ItemCompleted(item) => match &item.item {
            TurnItem::AgentMessage { id, .. } | TurnItem::Reasoning { id, .. } | TurnItem::WebSearch { id, .. } => {
                Some(id)
            }
            TurnItem::UserMessage { .. } => None,
        },
        EventMsg::AgentMessage { item_id, .. }
        | EventMsg::AgentMessageDelta { item_id, .. }
        | EventMsg::AgentReasoningDelta { item_id, .. }
        | EventMsg::AgentReasoningRawContentDelta { item_id, .. } => item_id.as_ref(),
        _ => None,
    }
}
