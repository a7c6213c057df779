//! Identities as types. A message that can arrive late carries the identity *and attempt* it belongs to, so that a
//! machine can tell it from today's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A session (a thread of conversation); a `UUIDv7` made by the engine.
    SessionId
}
text_id! {
    /// A submission, chosen by the UI. The one of the `user_input` that starts a task names the task too; the empty
    /// one marks events that belong to no submission.
    SubmissionId
}
text_id! {
    /// A tool call, chosen by the model. Opaque; unique within a response at the best.
    CallId
}
text_id! {
    /// A response of the model, or the bookmark that llmx makes where a server names none. Opaque, of any length.
    ResponseId
}
text_id! {
    /// Something shown to a UI as one piece (a message, a stretch of reasoning). Made by llmx, unique in a session.
    ItemId
}
text_id! {
    /// A login under way; a UUID made by the engine.
    LoginId
}

macro_rules! count_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after this.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

count_id! {
    /// A task within its session, counted from 1. Unlike its submission id it is the engine's own.
    TaskId
}
count_id! {
    /// A turn within its session, counted from 1 over all tasks.
    TurnId
}
count_id! {
    /// One try at a model request within a turn, counted from 1.
    Attempt
}
