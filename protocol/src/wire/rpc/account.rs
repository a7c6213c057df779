//! Whose the models are, and how much of them is left.

use super::absent_if_null;
use super::{Null, Seconds};
use crate::ids::LoginId;
use crate::wire::usage as v1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Account {
    /// Whoever has the key.
    ApiKey {},
    /// A person with the issuer.
    #[serde(rename = "chatgpt")]
    ChatGpt {
        /// Their e-mail address, or what else the issuer calls them by.
        email: String,
        /// What they pay for; `unknown` where the issuer does not say.
        plan_type: String,
    },
}

/// Params of `account/login/start`: how somebody logs in. Does not print the key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LoginAccountParams {
    /// With a key.
    ApiKey {
        /// The key.
        api_key: String,
    },
    /// In a browser on this machine.
    #[serde(rename = "chatgpt")]
    ChatGpt {},
    /// In a browser anywhere, by typing a code.
    #[serde(rename = "chatgptDeviceCode")]
    DeviceCode {},
}

impl fmt::Debug for LoginAccountParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey { .. } => "ApiKey",
            Self::ChatGpt {} => "ChatGpt",
            Self::DeviceCode {} => "DeviceCode",
        })
    }
}

/// Result of `account/login/start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LoginAccountResponse {
    /// The key is kept.
    ApiKey {},
    /// A person is to open a page on this machine.
    #[serde(rename = "chatgpt")]
    ChatGpt {
        /// Names the login.
        login_id: LoginId,
        /// The page.
        auth_url: String,
    },
    /// A person is to open a page anywhere and type a code.
    #[serde(rename = "chatgptDeviceCode")]
    DeviceCode {
        /// Names the login.
        login_id: LoginId,
        /// The page.
        verification_url: String,
        /// The code.
        user_code: String,
    },
}

/// What became of a cancelled login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CancelLoginAccountStatus {
    /// It is over.
    Canceled,
    /// There was none.
    NotFound,
}

/// How requests to the model are paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// By a key.
    ApiKey,
    /// By an account.
    ChatGpt,
}

optional_params! {
    /// Params of `account/read`.
    pub struct GetAccountParams {
        /// Whether tokens are to be renewed first.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub refresh_token: bool,
    }
}

wire! {
    /// Result of `account/read`.
    pub struct GetAccountResponse {
        /// Who is logged in.
        pub account: Option<Account>,
        /// Not known to llmx.
        pub user_id: Null,
        /// Whether the configured provider wants an account with OpenAI.
        pub requires_openai_auth: bool,
        /// Not known to llmx.
        pub workspace_routing: Null,
    }

    /// Params of `account/login/cancel`.
    pub struct CancelLoginAccountParams {
        /// Which.
        pub login_id: LoginId,
    }

    /// Result of `account/login/cancel`.
    pub struct CancelLoginAccountResponse {
        /// Whether there was such a login.
        pub status: CancelLoginAccountStatus,
    }

    /// Params of `account/login/completed`.
    pub struct AccountLoginCompletedNotification {
        /// Which; none for a key.
        pub login_id: Option<LoginId>,
        /// Whether somebody is logged in by it.
        pub success: bool,
        /// Why not.
        pub error: Option<String>,
        /// llmx has no onboarding.
        pub onboarding_entrypoint: Null,
    }

    /// Params of `account/updated`.
    pub struct AccountUpdatedNotification {
        /// How it is paid now; none: nobody is logged in.
        pub auth_mode: Option<AuthMode>,
        /// What the account pays for, if it is one.
        pub plan_type: Option<String>,
    }

    /// Result of `account/rateLimits/read`.
    pub struct GetAccountRateLimitsResponse {
        /// The limits.
        pub rate_limits: RateLimitSnapshot,
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
    pub struct AccountRateLimitsUpdatedNotification {
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
