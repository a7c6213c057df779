//! What is told of a thread.

use super::{Thread, ThreadStatus};
use crate::ids::{SessionId, SubmissionId};

wire! {
    /// Params of `thread/started`.
    pub struct ThreadStartedNotification {
        /// The thread.
        pub thread: Thread,
    }

    /// Params of `thread/status/changed`.
    pub struct ThreadStatusChangedNotification {
        /// Which.
        pub thread_id: SessionId,
        /// What it does now.
        pub status: ThreadStatus,
    }

    /// Params of `thread/name/updated`.
    pub struct ThreadNameUpdatedNotification {
        /// Which.
        pub thread_id: SessionId,
        /// What its user calls it.
        pub thread_name: Option<String>,
    }

    /// Params of `thread/compacted`.
    pub struct ContextCompactedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// The turn that did it.
        pub turn_id: SubmissionId,
    }

    /// Params of `warning`.
    pub struct WarningNotification {
        /// Where, if anywhere.
        pub thread_id: Option<SessionId>,
        /// For a person.
        pub message: String,
    }

    /// Params of `deprecationNotice`.
    pub struct DeprecationNoticeNotification {
        /// What will go away.
        pub summary: String,
        /// What to do.
        pub details: Option<String>,
    }

    /// Params of `serverRequest/resolved`.
    pub struct ServerRequestResolvedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// The request that needs no answer any more.
        pub request_id: i64,
    }

    /// Params of notifications that only name a thread.
    pub struct ThreadNotification {
        /// Which.
        pub thread_id: SessionId,
    }
}
