//! Which language is spoken with a server, behind one type: how a request is written and an answer is read.

use super::{
    Failure, ModelEvent,
    chat::{self, ChatDecoder, ChatOptions},
    responses::{self, DecodeLimits, RequestHead, ResponsesDecoder},
};
use crate::history::Prompt;

/// The language that is spoken with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The Responses API.
    Responses,
    /// Chat Completions, as one provider speaks it.
    Chat(ChatOptions),
}

/// Reads the body of one answer; see [`ResponsesDecoder`] for what is owed to it.
#[derive(Debug)]
pub enum AnswerDecoder {
    /// Of the Responses API.
    Responses(Box<ResponsesDecoder>),
    /// Of Chat Completions.
    Chat(Box<ChatDecoder>),
}

impl Dialect {
    /// Where requests go, below the server's base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Responses => "responses",
            Self::Chat(_) => "chat/completions",
        }
    }

    /// The bytes to send. Chat knows no earlier responses: all that llmx has of the conversation is sent.
    #[must_use]
    pub fn body(self, head: &RequestHead, prompt: &Prompt) -> Vec<u8> {
        match self {
            Self::Responses => responses::body(head, prompt.items().into_iter().map(|item| &**item.json())),
            Self::Chat(options) => chat::body(head, options, &prompt.in_full().items()),
        }
    }

    /// A decoder at the beginning of an answer.
    #[must_use]
    pub fn decoder(self, limits: DecodeLimits) -> AnswerDecoder {
        match self {
            Self::Responses => AnswerDecoder::Responses(Box::new(ResponsesDecoder::new(limits))),
            Self::Chat(_) => AnswerDecoder::Chat(Box::new(ChatDecoder::new(limits))),
        }
    }
}

impl AnswerDecoder {
    /// Takes the next bytes of the body and appends what they say to `out`.
    ///
    /// # Errors
    ///
    /// A failure that ends the answer; the events before it are in `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        match self {
            Self::Responses(decoder) => decoder.feed(chunk, out),
            Self::Chat(decoder) => decoder.feed(chunk, out),
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed), and `Cut` if the answer was not complete.
    pub fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Failure> {
        match self {
            Self::Responses(decoder) => decoder.finish(out),
            Self::Chat(decoder) => decoder.finish(out),
        }
    }

    /// Whether the answer is over, completed or failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::Responses(decoder) => decoder.is_done(),
            Self::Chat(decoder) => decoder.is_done(),
        }
    }

    /// Whether all was said but the closing words, which are not worth a long wait.
    #[must_use]
    pub fn lacks_only_its_end(&self) -> bool {
        match self {
            Self::Responses(_) => false,
            Self::Chat(decoder) => decoder.lacks_only_its_end(),
        }
    }

    /// How many events could not be read and were skipped; worth a line in a log.
    #[must_use]
    pub fn skipped_events(&self) -> u64 {
        match self {
            Self::Responses(decoder) => decoder.skipped_events(),
            Self::Chat(decoder) => decoder.skipped_events(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::History, model::ResponseItem};
    use serde_json::Value;

    #[test]
    fn chat_is_sent_what_a_responses_server_keeps() {
        let said = |text: &str| vec![ResponseItem::message("user", text)];
        let history = History::default().with(said("a"), Some("resp_1".into())).with(said("b"), None);
        let prompt = history.prompt(true);
        let head = RequestHead {
            model: "m".into(),
            instructions: String::new(),
            tools: "[]".into(),
            may_call: true,
            parallel_tool_calls: false,
            reasoning: None,
            store: true,
            previous_response_id: prompt.previous.clone(),
            prompt_cache_key: None,
            verbosity: None,
            output_schema: None,
        };
        let sent = |dialect: Dialect, member: &str| {
            let body: Value = serde_json::from_slice(&dialect.body(&head, &prompt)).unwrap();
            body[member].as_array().unwrap().len()
        };
        assert_eq!(sent(Dialect::Responses, "input"), 1);
        assert_eq!(sent(Dialect::Chat(ChatOptions::default()), "messages"), 2);
    }
}
