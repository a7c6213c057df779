//! The table of the server's notifications.

use super::{account, command, files, rows::table, thread, turn};

macro_rules! notifications {
    ($($(#[doc = $doc:literal])* $name:ident = $method:literal ($params:ty);)*) => {
        table! {
            /// What the server tells a client.
            ServerNotification { $($(#[doc = $doc])* $name = $method ($params);)* }
        }

        impl ServerNotification {
            /// Every wire name.
            pub const METHODS: &'static [&'static str] = &[$($method),*];

            /// The wire name.
            #[must_use]
            pub fn method(&self) -> &'static str {
                match self { $(Self::$name(_) => $method,)* }
            }

            pub(super) fn write_params(&self, to: &mut Vec<u8>) -> serde_json::Result<()> {
                match self { $(Self::$name(params) => serde_json::to_writer(to, params),)* }
            }
        }
    };
}

notifications! {
    /// A thread is there.
    ThreadStarted = "thread/started" (Box<thread::ThreadStartedNotification>);
    /// A thread does something else now.
    ThreadStatusChanged = "thread/status/changed" (thread::ThreadStatusChangedNotification);
    /// A thread is over.
    ThreadClosed = "thread/closed" (thread::ThreadNotification);
    /// A thread was put away.
    ThreadArchived = "thread/archived" (thread::ThreadNotification);
    /// A thread was taken out again.
    ThreadUnarchived = "thread/unarchived" (thread::ThreadNotification);
    /// A thread was forgotten.
    ThreadDeleted = "thread/deleted" (thread::ThreadNotification);
    /// A conversation was summed up, as a client wanted.
    ContextCompacted = "thread/compacted" (thread::ContextCompactedNotification);
    /// A thread has another name.
    ThreadNameUpdated = "thread/name/updated" (thread::ThreadNameUpdatedNotification);
    /// Tokens used so far.
    ThreadTokenUsageUpdated = "thread/tokenUsage/updated" (thread::ThreadTokenUsageUpdatedNotification);
    /// A turn began.
    TurnStarted = "turn/started" (turn::TurnStartedNotification);
    /// A turn is over, and nothing of it lives.
    TurnCompleted = "turn/completed" (turn::TurnCompletedNotification);
    /// What all patches of a turn have done so far.
    TurnDiffUpdated = "turn/diff/updated" (turn::TurnDiffUpdatedNotification);
    /// The model's plan.
    TurnPlanUpdated = "turn/plan/updated" (turn::TurnPlanUpdatedNotification);
    /// An item appears.
    ItemStarted = "item/started" (Box<turn::ItemStartedNotification>);
    /// An item is whole.
    ItemCompleted = "item/completed" (Box<turn::ItemCompletedNotification>);
    /// The model says something.
    AgentMessageDelta = "item/agentMessage/delta" (turn::DeltaNotification);
    /// A command says something.
    CommandExecutionOutputDelta = "item/commandExecution/outputDelta" (turn::DeltaNotification);
    /// The model thinks something.
    ReasoningTextDelta = "item/reasoning/textDelta" (turn::ReasoningTextDeltaNotification);
    /// The model sums up its thoughts.
    ReasoningSummaryTextDelta = "item/reasoning/summaryTextDelta" (turn::ReasoningSummaryTextDeltaNotification);
    /// The summary of the model's thoughts has a further part.
    ReasoningSummaryPartAdded = "item/reasoning/summaryPartAdded" (turn::ReasoningSummaryPartAddedNotification);
    /// A request of the server's needs no answer any more.
    ServerRequestResolved = "serverRequest/resolved" (thread::ServerRequestResolvedNotification);
    /// Something went wrong in a turn.
    Error = "error" (turn::ErrorNotification);
    /// Something that the user should know.
    Warning = "warning" (thread::WarningNotification);
    /// Something that the client uses will go away.
    DeprecationNotice = "deprecationNotice" (thread::DeprecationNoticeNotification);
    /// A command of the client's own says something.
    CommandExecOutputDelta = "command/exec/outputDelta" (command::CommandExecOutputDeltaNotification);
    /// What a search has found for what is looked for now.
    FuzzyFileSearchSessionUpdated = "fuzzyFileSearch/sessionUpdated" (files::FuzzyFileSearchSessionUpdatedNotification);
    /// A search has found what there is.
    FuzzyFileSearchSessionCompleted = "fuzzyFileSearch/sessionCompleted" (files::FuzzyFileSearchSessionCompletedNotification);
    /// A login has ended.
    AccountLoginCompleted = "account/login/completed" (account::AccountLoginCompletedNotification);
    /// Somebody else, or nobody, is logged in now.
    AccountUpdated = "account/updated" (account::AccountUpdatedNotification);
    /// What a server said of the caller's limits.
    AccountRateLimitsUpdated = "account/rateLimits/updated" (account::AccountRateLimitsUpdatedNotification);
}
