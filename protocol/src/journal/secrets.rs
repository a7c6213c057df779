//! What of a provider's record may be written down.

use serde_json::{Map, Value};

/// The members of a provider's record (reference `model-wire.md` §9) that hold no secret. Others, headers above all, are
/// left out: what is not known to be harmless is not written.
const HARMLESS: [&str; 16] = [
    "base_url",
    "env_http_headers",
    "env_key",
    "env_key_instructions",
    "env_key_required",
    "id",
    "max_tokens",
    "name",
    "recorded_pauses",
    "recording",
    "request_max_retries",
    "requires_openai_auth",
    "store_responses",
    "stream_idle_timeout_ms",
    "stream_max_retries",
    "wire_api",
];

/// The record without its secrets.
pub(super) fn without_secrets(record: &Value) -> Value {
    let Value::Object(members) = record else {
        return Value::Null;
    };
    let harmless = members.iter().filter(|(name, _)| HARMLESS.contains(&name.as_str()));
    let mut kept: Map<String, Value> = harmless.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(Value::String(url)) = kept.get_mut("base_url") {
        *url = without_credentials(url);
    }
    Value::Object(kept)
}

/// A URL without `user:password@` and without its query.
fn without_credentials(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_secret_is_written() {
        let record = json!({"name": "n", "base_url": "https://me:pw@host:1/v1?key=s", "env_key": "KEY", "wire_api": "chat",
            "experimental_bearer_token": "s", "http_headers": {"Authorization": "s"}, "query_params": {"k": "s"}, "new": "s"});
        let kept = json!({"name": "n", "base_url": "https://host:1/v1", "env_key": "KEY", "wire_api": "chat"});
        assert_eq!(without_secrets(&record), kept);
        assert_eq!(without_secrets(&json!("s")), Value::Null);
        assert_eq!(without_credentials("replay:"), "replay:");
    }
}
