//! Tokens that a thread has used.

use crate::ids::{SessionId, SubmissionId};

wire! {
    /// Tokens of requests.
    pub struct TokenUsageBreakdown {
        /// Everything.
        pub total_tokens: i64,
        /// What was sent.
        pub input_tokens: i64,
        /// The part of it that the server had cached.
        pub cached_input_tokens: i64,
        /// The part of it that the server put into its cache.
        pub cache_write_input_tokens: i64,
        /// What the model wrote.
        pub output_tokens: i64,
        /// The part of it that was thought.
        pub reasoning_output_tokens: i64,
    }

    /// Tokens of a thread.
    pub struct ThreadTokenUsage {
        /// Of all requests.
        pub total: TokenUsageBreakdown,
        /// Of the last one.
        pub last: TokenUsageBreakdown,
        /// The model's window.
        pub model_context_window: Option<i64>,
    }

    /// Params of `thread/tokenUsage/updated`.
    pub struct ThreadTokenUsageUpdatedNotification {
        /// Where.
        pub thread_id: SessionId,
        /// In which turn.
        pub turn_id: SubmissionId,
        /// The sums.
        pub token_usage: ThreadTokenUsage,
    }
}
