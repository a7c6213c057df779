//! The Chat Completions dialect (`reference/model-wire.md` §6, §7), as OpenAI, llama.cpp, vLLM, LiteLLM and others
//! speak it.

mod calls;
mod chunk;
mod messages;
mod request;
mod stream;
mod tools;

pub use request::{ChatOptions, body};
pub use stream::ChatDecoder;
