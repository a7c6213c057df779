//! Whose the models are, and how much of them is left.

use super::{Null, Seconds};
use crate::wire::usage as v1;
use serde::{Deserialize, Serialize};

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Account {
    /// Whoever has the key.
    ApiKey {},
}

optional_params! {
    /// Params of `account/read`.
    pub struct AccountReadParams {
        /// Whether tokens are to be renewed first.
        pub refresh_token: bool,
    }
}

wire! {
    /// Result of `account/read`.
    pub struct AccountReadResponse {
        /// Who is logged in.
        pub account: Option<Account>,
        /// Not known to llmx.
        pub user_id: Null,
        /// Whether the configured provider wants an account with OpenAI.
        pub requires_openai_auth: bool,
        /// Not known to llmx.
        pub workspace_routing: Null,
    }

    /// One window of a rate limit.
    pub struct RateLimitWindow {
        /// How much of it is used, in percent.
        pub used_percent: i64,
        /// Its length in minutes.
        pub window_duration_mins: Option<i64>,
        /// When it starts afresh.
        pub resets_at: Option<Seconds>,
    }

    /// What a server said of the caller's limits.
    pub struct RateLimitSnapshot {
        /// Whose limits: `codex`, the name under which clients look.
        pub limit_id: String,
        /// Not known to llmx.
        pub limit_name: Null,
        /// Not known to llmx.
        pub normal_model_slug: Null,
        /// The short window.
        pub primary: Option<RateLimitWindow>,
        /// The long window.
        pub secondary: Option<RateLimitWindow>,
        /// Not known to llmx.
        pub credits: Null,
        /// Not known to llmx.
        pub individual_limit: Null,
        /// Not known to llmx.
        pub spend_control_reached: Null,
        /// Not known to llmx.
        pub plan_type: Null,
        /// Not known to llmx.
        pub rate_limit_reached_type: Null,
    }

    /// Params of `account/rateLimits/updated`.
    pub struct RateLimitsUpdatedNotification {
        /// The limits.
        pub rate_limits: RateLimitSnapshot,
    }
}

impl From<v1::RateLimitSnapshot> for RateLimitSnapshot {
    fn from(limits: v1::RateLimitSnapshot) -> Self {
        Self {
            limit_id: "codex".to_owned(),
            limit_name: (),
            normal_model_slug: (),
            primary: limits.primary.map(Into::into),
            secondary: limits.secondary.map(Into::into),
            credits: (),
            individual_limit: (),
            spend_control_reached: (),
            plan_type: (),
            rate_limit_reached_type: (),
        }
    }
}

impl From<v1::RateLimitWindow> for RateLimitWindow {
    fn from(window: v1::RateLimitWindow) -> Self {
        Self {
            // Whatever a server claims, a percentage fits.
            #[expect(clippy::cast_possible_truncation, reason = "clamped")]
            used_percent: window.used_percent.round().clamp(0.0, 1_000_000.0) as i64,
            window_duration_mins: window.window_minutes,
            resets_at: window.resets_at,
        }
    }
}
