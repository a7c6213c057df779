//! A model that is replayed: a recorded model session, served over real loopback HTTP, so that everything of llmx but
//! the model itself runs for real. It needs no network and no key.
//!
//! # The recording
//!
//! A recording is JSONL: each line is one exchange, a request to `POST …/responses` and its answer. Blank lines are
//! skipped; a field that is not listed here is an error. Broken in two for this page:
//!
//! ```json
//! {"request": {"contains": ["list the files"], "lacks": ["function_call_output"]},
//!  "response": {"status": 200, "events": [{"after_ms": 30, "data": {"type": "response.created"}}]}}
//! ```
//!
//! | field | meaning | default |
//! |---|---|---|
//! | `request.contains` | texts that must occur in the request's body | `[]` |
//! | `request.lacks` | texts that must not | `[]` |
//! | `request.body` | the whole request, as it was recorded; for readers, never compared | none |
//! | `response.status` | 200 to 599 | 200 |
//! | `response.headers` | sent as they are; those that frame the body (such as `content-length`) are left out | `{}` |
//! | `response.events` | server-sent events; `data` is a Responses event, whose `type` names the event, or a string that is sent as it is | |
//! | `response.events[].after_ms` | the pause before the event, in milliseconds | 0 |
//! | `response.body` | instead of `events`: the whole answer, as text or as JSON | |
//! | `response.cut` | whether the connection breaks off after the last event | `false` |
//!
//! A text *occurs* in a body if the raw JSON contains it, or if a string anywhere in it does once it is unescaped.
//! `{{n}}` in an answer stands for the number of the exchange, from 1, which keeps response ids unique.
//!
//! # Which exchange answers
//!
//! Each exchange answers once. A request gets the first unused one that it matches: the next one, as long as a
//! session goes as it was recorded; a later one where several sessions share a recording. A request that matches none is
//! answered with status 400 and a message that says what the next exchange expected and what came instead; see
//! [`ReplayServer::mismatches`].

pub mod exchange;
mod pace;
mod recording;
mod script;
mod server;

pub use pace::Pace;
pub use recording::{
    Exchange, ExpectedRequest, RecordedResponse, Recording, RecordingError, ResponseContent, TimedEvent,
};
pub use script::Mismatch;
pub use server::{ReplayOptions, ReplayServer};
