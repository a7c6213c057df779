//! What the rules know of a provider: not where it is, but how patient to be with it and what it remembers.

use serde_json::Value;
use std::{fmt::Debug, sync::Arc};

/// A provider, as far as the rules see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its id in the configuration; empty for one that came as a record.
    pub id: String,
    /// The record that it came as (reference `model-wire.md` §9), instead of an id.
    pub record: Option<Arc<Value>>,
    /// What is otherwise in this session than the provider of the id has it, member by member.
    pub overrides: Option<Arc<Value>>,
    /// Further tries of requests that got no answer.
    pub request_max_retries: u32,
    /// Further tries of answers that broke off.
    pub stream_max_retries: u32,
    /// Whether its server keeps responses, so that only what is new need be sent.
    pub stores_responses: bool,
    /// Whether its server knows freeform ("custom") tools: the Responses API has them, Chat Completions has not.
    pub takes_freeform_tools: bool,
}

/// The providers that a session may use; the engine's configuration implements it.
pub trait Providers: Debug + Send + Sync {
    /// The provider with this id, with these members of its record in place of its own.
    ///
    /// # Errors
    /// Says what is wrong with it, or that there is none.
    fn by_id(&self, id: &str, overrides: Option<&Value>) -> Result<Provider, String>;

    /// A provider that came as a record.
    ///
    /// # Errors
    /// Says what is wrong with the record.
    fn by_record(&self, record: &Value) -> Result<Provider, String>;
}
