//! The app-server's wire: `spec/app-server.md`, with the members of reference `app-server-v2.md` and those that
//! published clients need (`app-server-clients.md`).
//!
//! What is read accepts the spellings of both documents; what is written has the members of both. Members of the
//! current wire for things that llmx does not have are [`Null`]: always there, always `null`, because strict clients
//! insist on the member and not on its value.

/// Structs of this wire: camelCase members.
macro_rules! wire {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($body)* }
    )*};
}

/// Structs that a client sends: as [`wire!`], with every absent member at its default.
macro_rules! optional_params {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($body)* }
    )*};
}

pub mod account;
pub mod approval;
pub mod command;
pub mod configuration;
mod envelope;
pub mod files;
pub mod handshake;
pub mod item;
mod methods;
mod notifications;
mod params;
pub mod policy;
mod rows;
mod server_requests;
pub mod thread;
pub mod turn;

pub use self::{
    envelope::{Incoming, RequestId, RpcError, answer_line, error_line, notification_line, request_line},
    methods::{CallError, ClientRequest, Method, method},
    notifications::ServerNotification,
    rows::{Generate, Row},
    server_requests::ServerRequest,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// For members that may be left out: to many clients `null` says the same.
fn absent_if_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(member: D) -> Result<T, D::Error> {
    Option::deserialize(member).map(Option::unwrap_or_default)
}

/// A member that is always `null`.
pub type Null = ();

/// A result, or params, without members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Empty {}

/// A moment or a length in milliseconds; moments count from the Unix epoch.
pub type Millis = i64;
/// A moment in seconds from the Unix epoch.
pub type Seconds = i64;

#[cfg(test)]
mod tests {
    use super::{account::GetAccountParams, command::CommandExecParams, thread::ThreadResumeParams};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use std::fmt::Debug;

    fn check<P: DeserializeOwned + PartialEq + Debug>(with: &Value, without: &Value) {
        let read = |params: &Value| serde_json::from_value::<P>(params.clone()).unwrap();
        assert_eq!(read(with), read(without), "{with}");
    }

    #[test]
    fn a_member_that_is_null_is_as_good_as_absent() {
        let policy = json!({"type": "workspaceWrite", "writableRoots": null, "networkAccess": null});
        check::<CommandExecParams>(
            &json!({"command": ["ls"], "tty": null, "streamStdin": null, "cwd": null, "sandboxPolicy": policy}),
            &json!({"command": ["ls"], "sandboxPolicy": {"type": "workspaceWrite"}}),
        );
        check::<ThreadResumeParams>(&json!({"threadId": "t", "excludeTurns": null}), &json!({"threadId": "t"}));
        check::<GetAccountParams>(&json!({"refreshToken": null}), &json!({}));
    }
}
