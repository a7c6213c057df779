//! `initialize`.

use super::absent_if_null;

optional_params! {
    /// What a client asks for beyond the ordinary.
    pub struct InitializeCapabilities {
        /// Methods that are not stable. llmx makes no difference.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub experimental_api: bool,
        /// Notifications that it does not want.
        pub opt_out_notification_methods: Option<Vec<String>>,
    }
}

wire! {
    /// Who a client is.
    pub struct ClientInfo {
        /// Its name.
        pub name: String,
        /// Its name for people.
        #[serde(default)]
        pub title: Option<String>,
        /// Its version.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<String>")]
        pub version: String,
    }

    /// Params of `initialize`.
    pub struct InitializeParams {
        /// Who asks.
        pub client_info: ClientInfo,
        /// What it can do.
        #[serde(default)]
        pub capabilities: Option<InitializeCapabilities>,
    }

    /// Result of `initialize`.
    pub struct InitializeResponse {
        /// `name/version …`, of the server and then of the client.
        pub user_agent: String,
        /// The home directory of llmx, under the name that clients read.
        pub codex_home: String,
        /// The same.
        pub llmx_home: String,
        /// `unix`.
        pub platform_family: String,
        /// `linux`.
        pub platform_os: String,
    }
}
