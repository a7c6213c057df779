//! From a status and a server's words to a kind of failure: the status first, then type and code, then the message.

use super::{ErrorBody, FailureKind};

pub(super) fn http(status: u16, error: &ErrorBody) -> FailureKind {
    match status {
        401 => FailureKind::Auth,
        429 => by_name(&REFINEMENTS, error).unwrap_or(FailureKind::RateLimited),
        _ => by_name(&REFINEMENTS, error).or_else(|| by_message(status, error)).unwrap_or_else(|| by_status(status)),
    }
}

/// A stream has no status of its own, but its error may name one as the code.
pub(super) fn stream(error: &ErrorBody) -> FailureKind {
    let kind = match error.code.parse() {
        Ok(status @ 400..=599) => http(status, error),
        _ => by_name(&REFINEMENTS, error)
            .or_else(|| is_context_overflow(error).then_some(FailureKind::ContextOverflow))
            .or_else(|| by_name(&CLASSES, error))
            .unwrap_or(FailureKind::Server),
    };
    // The route exists: the stream came by it.
    if kind == FailureKind::NoSuchRoute { FailureKind::BadRequest } else { kind }
}

type Names<const N: usize> = [(&'static str, FailureKind); N];

/// Types and codes that say more than a status can.
const REFINEMENTS: Names<8> = [
    ("usage_limit_reached", FailureKind::UsageLimit),
    ("usage_not_included", FailureKind::UsageLimit),
    ("insufficient_quota", FailureKind::Quota),
    ("billing_hard_limit_reached", FailureKind::Quota),
    ("context_length_exceeded", FailureKind::ContextOverflow),
    ("exceed_context_size_error", FailureKind::ContextOverflow),
    ("previous_response_not_found", FailureKind::PreviousResponseNotFound),
    ("model_not_found", FailureKind::BadRequest),
];

/// Types and codes that stand in for a status where there is none.
const CLASSES: Names<9> = [
    ("rate_limit_exceeded", FailureKind::RateLimited),
    ("rate_limit_error", FailureKind::RateLimited),
    ("throttling_error", FailureKind::RateLimited),
    ("too_many_requests", FailureKind::RateLimited),
    ("authentication_error", FailureKind::Auth),
    ("invalid_api_key", FailureKind::Auth),
    ("invalid_prompt", FailureKind::BadRequest),
    ("invalid_request_error", FailureKind::BadRequest),
    ("permission_error", FailureKind::BadRequest),
];

fn by_name<const N: usize>(names: &Names<N>, error: &ErrorBody) -> Option<FailureKind> {
    names.iter().find(|(name, _)| error.is_named(name)).map(|(_, kind)| *kind)
}

fn by_message(status: u16, error: &ErrorBody) -> Option<FailureKind> {
    let message = error.message.to_lowercase();
    if is_context_overflow(error) {
        Some(FailureKind::ContextOverflow)
    } else if status < 500 && mentions_previous_response(&message) {
        Some(FailureKind::PreviousResponseNotFound)
    } else if status == 503 && message.contains("loading model") {
        Some(FailureKind::Loading)
    } else if denies_route(&message) {
        Some(FailureKind::NoSuchRoute)
    } else if status == 404 && is_about_a_model(&message) {
        Some(FailureKind::BadRequest)
    } else {
        None
    }
}

fn by_status(status: u16) -> FailureKind {
    match status {
        404 | 405 | 501 => FailureKind::NoSuchRoute,
        408 | 409 | 500..=599 => FailureKind::Server,
        413 => FailureKind::TooLarge,
        _ => FailureKind::BadRequest,
    }
}

/// OpenAI: "Previous response with id '…' not found."; llama.cpp: "… does not support 'previous_response_id'."
fn mentions_previous_response(lowercase_message: &str) -> bool {
    lowercase_message.contains("previous_response_id") || lowercase_message.contains("previous response")
}

/// What a server says that does not speak the dialect, whatever the status that it says it with. The error is the whole
/// answer, so that the status of a proxy that always says 200 counts for nothing.
pub(super) fn instead_of_a_stream(error: &ErrorBody) -> FailureKind {
    if denies_route(&error.message.to_lowercase()) { FailureKind::NoSuchRoute } else { stream(error) }
}

/// Some servers list the routes that they have where they deny one: `/v1/models` is no model.
fn is_about_a_model(lowercase_message: &str) -> bool {
    let message = lowercase_message.replace("/models", "");
    ["model", "deployment"].iter().any(|word| message.contains(word))
}

/// Whether it is the route that a server does not know, not the model or something else in the request.
fn denies_route(lowercase_message: &str) -> bool {
    const WORDS: [&str; 9] = [
        "unexpected endpoint or method",  // LM Studio, with 200
        "unknown request url",            // Groq
        "invalid url (",                  // OpenAI
        "no route matched",               // Kong
        "no route found",                 // gateways; "no route to host" is a network's word
        "route not found",                // gateways
        "unsupported endpoint",           // gateways
        "endpoint is not supported",      // gateways
        "does not support the responses", // bridges, of a model that has Chat only
    ];
    WORDS.iter().any(|words| lowercase_message.contains(words))
}

/// Whether the conversation did not fit, in the words of servers and proxies that give it no name of its own.
fn is_context_overflow(error: &ErrorBody) -> bool {
    const WORDS: [&str; 10] = [
        "contextwindowexceedederror",           // LiteLLM
        "context_length_exceeded",              // OpenAI's code, quoted by proxies
        "exceed_context_size_error",            // llama.cpp's type, quoted by proxies
        "exceeds the available context size",   // llama.cpp, before it starts
        "context size has been exceeded",       // llama.cpp, on the way
        "maximum context length",               // OpenAI Chat, vLLM
        "exceeds the context window",           // OpenAI Responses
        "prompt is too long",                   // Anthropic
        "exceed context limit",                 // Anthropic
        "exceeds the maximum number of tokens", // Gemini
    ];
    let message = error.message.to_lowercase();
    WORDS.iter().any(|words| message.contains(words))
}
