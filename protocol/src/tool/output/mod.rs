//! What a tool gives back: the bytes of a command while it runs, then a text for the model.
//!
//! The order is fixed: collect ([`OutputBuffer`]), shorten **once** ([`truncate_for_model`]), then wrap
//! ([`AnswerForm::shell_output`]). Shortening after wrapping would cut the JSON apart.

mod answer;
mod buffer;
mod truncate;

pub use answer::{
    AnswerForm, REJECTED, TIMEOUT_EXIT_CODE, aborted_command, aborted_tool, spawn_error, timed_out, unsupported_call,
    unsupported_custom_call,
};
pub use buffer::{DEFAULT_STREAM_LIMIT, OutputBuffer};
pub use truncate::{HEADER_BOUND, MODEL_BYTES, MODEL_LINES, truncate_for_model};
