//! How much was used: tokens, and what the server says of its limits (`reference/protocol-v1.md` §4.4).

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// The tokens of one model request, or of many together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenUsage {
    /// What was sent, cached part included.
    pub input_tokens: i64,
    /// The part of the input that the server had cached.
    pub cached_input_tokens: i64,
    /// The part of the input that the server put into its cache, which some charge for; left out where it is 0. llmx's
    /// own member.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_input_tokens: i64,
    /// What the model wrote, reasoning included.
    pub output_tokens: i64,
    /// The part of the output that was reasoning.
    pub reasoning_output_tokens: i64,
    /// Everything together: of the last request, the context now in use.
    pub total_tokens: i64,
}

fn is_zero(tokens: &i64) -> bool {
    *tokens == 0
}

/// Member by member; a server's nonsense stops at the largest number instead of overflowing.
impl AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_input_tokens = self.cached_input_tokens.saturating_add(other.cached_input_tokens);
        self.cache_write_input_tokens = self.cache_write_input_tokens.saturating_add(other.cache_write_input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.reasoning_output_tokens = self.reasoning_output_tokens.saturating_add(other.reasoning_output_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
    }
}

/// The usage of a session, as the `token_count` event carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsageInfo {
    /// All requests of the session together.
    pub total_token_usage: TokenUsage,
    /// The last request alone.
    pub last_token_usage: TokenUsage,
    /// The size of the model's context window in tokens, where it is known.
    pub model_context_window: Option<i64>,
}

impl TokenUsageInfo {
    /// Counts one more request.
    pub fn record(&mut self, usage: TokenUsage) {
        self.total_token_usage += usage;
        self.last_token_usage = usage;
    }
}

/// What the server said of the caller's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimitSnapshot {
    /// The short window.
    pub primary: Option<RateLimitWindow>,
    /// The long window.
    pub secondary: Option<RateLimitWindow>,
}

/// One window of a rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimitWindow {
    /// How much of it is used, from 0 to 100.
    pub used_percent: f64,
    /// Its length in minutes.
    pub window_minutes: Option<i64>,
    /// When it starts afresh, in Unix seconds.
    pub resets_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usage(tokens: i64) -> TokenUsage {
        TokenUsage {
            input_tokens: tokens,
            cached_input_tokens: tokens,
            cache_write_input_tokens: tokens,
            output_tokens: tokens,
            reasoning_output_tokens: tokens,
            total_tokens: tokens,
        }
    }

    #[test]
    fn the_sum_goes_member_by_member_and_saturates() {
        let mut info = TokenUsageInfo::default();
        info.record(usage(2));
        info.record(usage(3));
        assert_eq!((info.total_token_usage, info.last_token_usage), (usage(5), usage(3)));
        info.record(usage(i64::MAX));
        assert_eq!(info.total_token_usage, usage(i64::MAX));
    }

    #[test]
    fn absent_values_are_null_on_the_wire() {
        let wrote = TokenUsage { cache_write_input_tokens: 7, ..TokenUsage::default() };
        assert_eq!(json!(wrote)["cache_write_input_tokens"], 7);
        let info = TokenUsageInfo { model_context_window: None, ..TokenUsageInfo::default() };
        let limits = RateLimitSnapshot {
            primary: Some(RateLimitWindow { used_percent: 12.5, window_minutes: Some(300), resets_at: None }),
            secondary: None,
        };
        let zero = json!({"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0,
            "reasoning_output_tokens": 0, "total_tokens": 0});
        assert_eq!(
            json!([info, limits]),
            json!([
                {"total_token_usage": zero, "last_token_usage": zero, "model_context_window": null},
                {"primary": {"used_percent": 12.5, "window_minutes": 300, "resets_at": null}, "secondary": null},
            ])
        );
    }
}
