//! What may happen in a world: the choices that a property test generates. Everything is small numbers that the world
//! reads relative to what is there ("the k-th open question"), so that every script makes sense and shrinks well.

use llmx_protocol::wire::{
    decision::ReviewDecision,
    policy::{AskForApproval, SandboxPolicy},
};
use proptest::{collection::vec, prelude::*};
use std::time::Duration;

/// One run of a world.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) setup: Setup,
    pub(crate) steps: Vec<Step>,
    pub(crate) farewell: Farewell,
    /// What happens when the UI says no more.
    pub(crate) afterwards: Vec<Step>,
    /// What the model answers, request by request; after that it says a word and is done.
    pub(crate) answers: Vec<Answer>,
    /// What commands do, one by one; after that they exit.
    pub(crate) commands: Vec<Behaviour>,
}

/// The configuration.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) configured: bool,
    pub(crate) approval: AskForApproval,
    pub(crate) sandbox: SandboxPolicy,
    pub(crate) stored_responses: bool,
    pub(crate) can_confine: bool,
    pub(crate) request_retries: u32,
    pub(crate) stream_retries: u32,
    pub(crate) approval_timeout: Option<Duration>,
    /// From how many items on a conversation is summed up.
    pub(crate) auto_compact_limit: Option<i64>,
    pub(crate) hide_summaries: bool,
    pub(crate) show_raw: bool,
}

/// How the UI goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// It does not.
    Stays,
    NoMoreInput,
    Leave,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The UI sends a line.
    Say { say: Say, id: Name },
    /// One of the things that can happen does.
    Run(u8),
    /// Everything happens that can without time passing; the number decides in which order.
    Settle(u64),
    /// Mail is read, then time passes.
    Wait(Duration),
    /// Time passes while mail lies about.
    Stall(Duration),
    /// An actor panics over its next mail, when the world outside has said `amid` things that nobody has read yet.
    Crash { who: Who, amid: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    ModelStream,
    Turn,
    Task,
    Executor,
    Session,
}

/// The id of a submission.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    Fresh,
    /// One that was used before.
    Used(u8),
}

#[derive(Clone, Debug)]
pub(crate) enum Say {
    Configure {
        approval: AskForApproval,
        sandbox: SandboxPolicy,
        absolute: bool,
    },
    UserInput {
        from: From,
    },
    UserTurn {
        from: From,
        approval: AskForApproval,
        sandbox: SandboxPolicy,
    },
    EmptyInput,
    Interrupt,
    /// `crossed`: with the op that is for the other kind of question.
    Decide {
        which: Which,
        decision: ReviewDecision,
        crossed: bool,
    },
    Override {
        approval: Option<AskForApproval>,
        absolute: bool,
    },
    Compact,
    /// To a task that the UI was told of, counted from the last; without a number, to one that there is not.
    Steer {
        task: Option<u8>,
    },
    Shutdown,
    NotBuilt,
    BadLine,
}

/// Where user input goes on from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    TheEnd,
    /// A bookmark that the UI was told, counted from the last.
    Bookmark(u8),
    Unknown,
}

/// Which question an approval means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// Whichever is the oldest of the task that asked last.
    OldestOfTask,
    /// One that the UI was ever asked, counted from the last.
    Call(u8),
    /// The same, with the call's id in place of the task's.
    CallAsId(u8),
    WrongCall,
    WrongTask,
}

/// What the model says to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) items: Vec<Said>,
    pub(crate) ending: Ending,
}

#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// A message in `deltas` pieces, which are all that comes of it unless it is `whole`.
    Message {
        deltas: u8,
        whole: bool,
    },
    Blank,
    Reasoning {
        summaries: u8,
        raw: bool,
    },
    Call {
        call: Call,
        repeats_an_id: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Safe,
    Plain,
    OtherPlain,
    Dangerous,
    Escalated,
    /// Gives its command a second.
    Hasty,
    LocalShell,
    /// A local shell call of no words.
    Nothing,
    Custom,
    /// Of a file that may be written.
    Patch,
    /// The same, as a freeform call.
    FreeformPatch,
    /// The same, as a command.
    PatchInShell,
    /// Of a file that may not.
    PatchOutside,
    /// One that does not fit its file.
    Misfit,
    NoPatch,
    Plan,
    BadArguments,
    UnknownTool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `again`: so many further times, with other ids.
    Completed { named: bool, incomplete: bool, again: u8 },
    /// `after`: so many things were said before.
    Fails { how: Fault, after: u8 },
    /// Falls silent after so many things.
    Hangs { after: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    Cut,
    /// The stream ends without a word.
    EndsEarly,
    BusyFor(Duration),
    Quota,
    PreviousUnknown,
}

/// What a command does.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(crate) writes: u8,
    pub(crate) then: Then,
    /// How long it lives on when killed.
    pub(crate) dies_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Exits(i32),
    /// It says that something was forbidden, and fails.
    IsDenied,
    IsSignalled(i32),
    Hangs,
    /// It never ran.
    FailsToStart,
}

/// How bad a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// No actor crashes, mail is read at once, commands die when told to. The model and the UI may do anything.
    Calm,
    /// Anything may happen.
    Rough,
}

pub(crate) fn any_script() -> impl Strategy<Value = Script> {
    script(Weather::Rough)
}

pub(crate) fn calm_script() -> impl Strategy<Value = Script> {
    script(Weather::Calm)
}

/// A calm world but for executors that crash now and then.
pub(crate) fn script_of_crashing_executors() -> impl Strategy<Value = Script> {
    (script(Weather::Calm), vec(any::<(u8, u8)>(), 1..4)).prop_map(|(mut script, crashes)| {
        for (at, amid) in crashes {
            let crash = Step::Crash { who: Who::Executor, amid: amid % 4 };
            script.steps.insert(usize::from(at) % (script.steps.len() + 1), crash);
        }
        script
    })
}

/// A world whose model is lost three times out of four, mostly in the middle of what it says.
pub(crate) fn script_of_lost_models() -> impl Strategy<Value = Script> {
    script(Weather::Rough).prop_map(|mut script| {
        for (n, answer) in (0..).zip(&mut script.answers) {
            if let Ending::Completed { .. } = answer.ending
                && n % 4 != 3
            {
                let how = if n % 4 == 1 { Fault::Refused } else { Fault::Cut };
                answer.ending = Ending::Fails { how, after: 3 + n };
            }
        }
        script
    })
}

/// Each part is read from a number of its own: that is quick to generate, leaving out a part changes no other, and a
/// smaller number is a simpler part.
fn script(weather: Weather) -> impl Strategy<Value = Script> {
    let numbers = |most| vec(any::<u64>(), 0..most);
    let steps = (numbers(70), any::<u8>(), numbers(16));
    let outside = (vec((any::<u64>(), vec(any::<u64>(), 0..5)), 0..8), numbers(6));
    (any::<u64>(), steps, outside).prop_map(move |(setup, (steps, farewell, afterwards), (answers, commands))| Script {
        setup: Setup::read(&mut Dice(setup)),
        steps: steps.into_iter().map(|n| Step::read(&mut Dice(n), weather)).collect(),
        farewell: *Dice(farewell.into()).of(&[Farewell::Stays, Farewell::NoMoreInput, Farewell::Leave]),
        afterwards: afterwards.into_iter().map(|n| Step::read_silent(&mut Dice(n), weather)).collect(),
        answers: answers.into_iter().map(|(ending, items)| Answer::read(&mut Dice(ending), &items)).collect(),
        commands: commands.into_iter().map(|n| Behaviour::read(&mut Dice(n), weather)).collect(),
    })
}

/// A number that is thrown as often as is needed; of 0 every throw is 0.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        let thrown = self.0 % n;
        self.0 /= n;
        thrown
    }

    fn small(&mut self, n: u8) -> u8 {
        u8::try_from(self.below(n.into())).unwrap()
    }

    /// True in `n` of ten throws, and in the simplest.
    fn tenths(&mut self, n: u64) -> bool {
        self.below(10) < n
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    /// The first choice whose share, added to those before it, is not used up.
    fn shared<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut thrown = self.below(choices.iter().map(|(share, _)| share).sum());
        for (share, choice) in choices {
            match thrown.checked_sub(*share) {
                Some(left) => thrown = left,
                None => return *choice,
            }
        }
        choices[0].1
    }

    fn millis(&mut self, choices: &[u64]) -> Duration {
        Duration::from_millis(*self.of(choices))
    }

    fn approval_policy(&mut self) -> AskForApproval {
        use AskForApproval::{Never, OnFailure, OnRequest, Untrusted};
        self.shared(&[(3, Untrusted), (3, OnRequest), (2, OnFailure), (1, Never)])
    }

    fn sandbox_policy(&mut self) -> SandboxPolicy {
        self.of(&[SandboxPolicy::DangerFullAccess, SandboxPolicy::ReadOnly]).clone()
    }
}

impl Setup {
    fn read(dice: &mut Dice) -> Self {
        Self {
            configured: dice.tenths(9),
            approval: dice.approval_policy(),
            sandbox: dice.sandbox_policy(),
            stored_responses: dice.tenths(5),
            can_confine: dice.tenths(8),
            request_retries: dice.small(3).into(),
            stream_retries: dice.small(3).into(),
            approval_timeout: *dice.of(&[None, None, Some(Duration::from_secs(30))]),
            hide_summaries: !dice.tenths(5),
            show_raw: !dice.tenths(5),
            auto_compact_limit: *dice.of(&[None, None, Some(12), Some(6)]),
        }
    }
}

impl Step {
    fn read(dice: &mut Dice, weather: Weather) -> Self {
        if dice.tenths(7) { Self::read_silent(dice, weather) } else { Self::say(dice) }
    }

    fn say(dice: &mut Dice) -> Self {
        let id = if dice.tenths(9) { Name::Fresh } else { Name::Used(dice.small(255)) };
        Self::Say { say: Say::read(dice), id }
    }

    /// One that the UI has no part in.
    fn read_silent(dice: &mut Dice, weather: Weather) -> Self {
        let waits = |dice: &mut Dice| dice.millis(&[1, 150, 250, 1_000, 6_000, 11_000, 40_000]);
        let rough = u64::from(weather == Weather::Rough);
        match dice.shared(&[(14, 0), (12, 1), (2, 2), (rough, 3), (rough, 4)]) {
            0 => Self::Run(dice.small(255)),
            1 => Self::Settle(dice.0),
            2 => Self::Wait(waits(dice)),
            3 => Self::Stall(waits(dice)),
            _ => {
                let who = *dice.of(&[Who::ModelStream, Who::Turn, Who::Task, Who::Executor, Who::Session]);
                Self::Crash { who, amid: dice.small(8) }
            }
        }
    }
}

impl Say {
    fn read(dice: &mut Dice) -> Self {
        match dice.shared(&[(8, 0), (20, 1), (1, 2), (1, 3), (1, 4), (2, 5), (1, 6), (1, 7), (1, 8), (1, 9), (3, 10)]) {
            0 => Self::UserInput { from: From::read(dice) },
            1 => Self::Decide {
                which: Which::read(dice),
                decision: dice.shared(&[
                    (4, ReviewDecision::Approved),
                    (2, ReviewDecision::ApprovedForSession),
                    (2, ReviewDecision::Denied),
                    (1, ReviewDecision::Abort),
                ]),
                crossed: !dice.tenths(9),
            },
            2 => Self::UserTurn {
                from: From::read(dice),
                approval: dice.approval_policy(),
                sandbox: dice.sandbox_policy(),
            },
            3 => Self::EmptyInput,
            4 => Self::NotBuilt,
            5 => Self::Interrupt,
            6 => Self::Override { approval: dice.tenths(5).then(|| dice.approval_policy()), absolute: dice.tenths(8) },
            7 => Self::Configure {
                approval: dice.approval_policy(),
                sandbox: dice.sandbox_policy(),
                absolute: dice.tenths(8),
            },
            8 => Self::Compact,
            10 => Self::Steer { task: dice.tenths(9).then(|| *dice.of(&[0, 0, 0, 1, 2])) },
            _ => {
                if dice.tenths(7) {
                    Self::BadLine
                } else {
                    Self::Shutdown
                }
            }
        }
    }
}

impl From {
    fn read(dice: &mut Dice) -> Self {
        match dice.shared(&[(5, 0), (3, 1), (1, 2)]) {
            0 => Self::TheEnd,
            1 => Self::Bookmark(dice.small(255)),
            _ => Self::Unknown,
        }
    }
}

impl Which {
    fn read(dice: &mut Dice) -> Self {
        match dice.shared(&[(5, 0), (5, 1), (1, 2), (1, 3), (1, 4)]) {
            0 => Self::OldestOfTask,
            1 => Self::Call(dice.small(4)),
            2 => Self::CallAsId(dice.small(4)),
            3 => Self::WrongCall,
            _ => Self::WrongTask,
        }
    }
}

impl Answer {
    fn read(dice: &mut Dice, items: &[u64]) -> Self {
        Self { ending: Ending::read(dice), items: items.iter().map(|n| Said::read(&mut Dice(*n))).collect() }
    }
}

impl Said {
    fn read(dice: &mut Dice) -> Self {
        match dice.shared(&[(2, 0), (8, 1), (1, 2), (1, 3)]) {
            0 => Self::Message { deltas: dice.small(3), whole: dice.tenths(8) },
            1 => Self::Call { repeats_an_id: !dice.tenths(7), call: *dice.of(&Call::ALL) },
            2 => Self::Reasoning { summaries: dice.small(3), raw: dice.tenths(5) },
            _ => Self::Blank,
        }
    }
}

impl Call {
    /// The commands twice, for they are what most can happen to.
    const ALL: [Self; 28] = [
        Self::Plain,
        Self::Plain,
        Self::Plain,
        Self::Plain,
        Self::Safe,
        Self::OtherPlain,
        Self::OtherPlain,
        Self::Dangerous,
        Self::Escalated,
        Self::Escalated,
        Self::Hasty,
        Self::Hasty,
        Self::LocalShell,
        Self::Nothing,
        Self::Custom,
        Self::Patch,
        Self::Patch,
        Self::Patch,
        Self::FreeformPatch,
        Self::PatchInShell,
        Self::PatchOutside,
        Self::PatchOutside,
        Self::PatchOutside,
        Self::Misfit,
        Self::NoPatch,
        Self::Plan,
        Self::BadArguments,
        Self::UnknownTool,
    ];
}

impl Ending {
    fn read(dice: &mut Dice) -> Self {
        match dice.shared(&[(12, 0), (5, 1), (1, 2)]) {
            0 => Self::Completed {
                named: dice.tenths(8),
                incomplete: !dice.tenths(9),
                again: dice.shared(&[(8, 0), (1, 1), (1, 2)]),
            },
            1 => Self::Fails {
                how: *dice.of(&[
                    Fault::Refused,
                    Fault::Cut,
                    Fault::EndsEarly,
                    Fault::BusyFor(Duration::from_secs(2)),
                    Fault::BusyFor(Duration::from_secs(7200)),
                    Fault::Quota,
                    Fault::PreviousUnknown,
                ]),
                after: dice.small(8),
            },
            _ => Self::Hangs { after: dice.small(8) },
        }
    }
}

impl Behaviour {
    fn read(dice: &mut Dice, weather: Weather) -> Self {
        let obstinate = if weather == Weather::Rough { 7_000 } else { 1_200 };
        Self {
            writes: dice.small(3),
            then: match dice.shared(&[(4, 0), (4, 1), (1, 2), (1, 3), (3, 4)]) {
                0 => Then::Exits(dice.small(3).into()),
                1 => Then::Hangs,
                2 => Then::IsSignalled(11),
                3 => Then::FailsToStart,
                _ => Then::IsDenied,
            },
            dies_after: dice.millis(&[0, 0, 100, obstinate]),
        }
    }
}
