//! A model that is replayed: a recorded model session, served over real loopback HTTP, so that everything of llmx but
//! the model itself runs for real. It needs no network and no key.
//!
//! # The recording
//!
//! A recording is JSONL: each line is one exchange, a request to a model server and its answer. It is written by hand,
//! or by llmx itself where a provider has `record = "FILE"`. Blank lines are skipped; a field that is not listed here is
//! an error. Broken in two for this page:
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
//! | `request.route` | `responses` or `chat/completions` | `responses` |
//! | `request.body` | the whole request, as it was recorded; what is asked must be the same (below) | none |
//! | `response.status` | 200 to 599 | 200 |
//! | `response.headers` | sent as they are; those that frame the body (such as `content-length`) are left out | `{}` |
//! | `response.events` | server-sent events; `data` is a Responses event, whose `type` names the event, or a string that is sent as it is | |
//! | `response.events[].after_ms` | the pause before the event, in milliseconds | 0 |
//! | `response.body` | instead of `events`: the whole answer, as text or as JSON | |
//! | `response.cut` | whether the connection breaks off after the last event | `false` |
//! | `response.left` | whether nothing follows until the client closes the connection, as it did when it was recorded | `false` |
//! | `response.verbatim` | whether `{{n}}` stands for nothing but itself | `false` |
//!
//! A text *occurs* in a body if the raw JSON contains it, or if a string anywhere in it does once it is unescaped.
//! `{{n}}` in an answer stands for the number of the exchange, from 1, which keeps response ids unique.
//!
//! A recorded body is compared member by member, but for what no two runs share: the member `prompt_cache_key`, which
//! names the session; the session's directory, wherever a text has it; and how long a command took
//! (`"duration_seconds":…` and `Wall time: … seconds` in its output). Of a request that differs the first difference is
//! told, by its place and with both values.
//!
//! # Recording
//!
//! Every request that a server answered is an exchange, refusals and answers that broke off included; it is appended
//! when its answer has ended. Of the headers only those are kept that mean something to llmx, and the keys and header
//! values that the provider is configured with are replaced by `***` wherever they occur. What the user, the model and
//! the commands said is kept as it is: a recording is as confidential as the conversation.
//!
//! # Which exchange answers
//!
//! Each exchange answers once. A request gets the first unused one that it matches: the next one, as long as a
//! session goes as it was recorded; a later one where several sessions share a recording. A request that matches none is
//! answered with status 400 and a message that says what the next exchange expected and what came instead; see
//! [`ReplayServer::mismatches`].

mod difference;
pub mod exchange;
mod pace;
mod recording;
mod recordings;
mod script;
mod server;
mod tape;
mod taped;

pub use pace::Pace;
pub use recording::{
    Exchange, ExpectedRequest, RecordedResponse, Recording, RecordingError, ResponseContent, Route, TimedEvent,
};
pub use recordings::Recordings;
pub use script::Mismatch;
pub use server::{ReplayOptions, ReplayServer};
pub(crate) use tape::Tape;
