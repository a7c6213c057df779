//! The table of the server's requests.

use super::{
    approval::{ApprovalResponse, CommandExecutionRequestApprovalParams, FileChangeRequestApprovalParams},
    rows::table,
};
use serde_json::Value;

macro_rules! server_requests {
    ($($(#[doc = $doc:literal])* $name:ident = $method:literal ($params:ty) -> $response:ty;)*) => {
        table! {
            /// What the server asks of a client.
            ServerRequest { $($(#[doc = $doc])* $name = $method ($params) -> $response;)* }
        }

        impl ServerRequest {
            /// The wire name.
            #[must_use]
            pub fn method(&self) -> &'static str {
                match self { $(Self::$name(_) => $method,)* }
            }

            /// The params as JSON.
            #[must_use]
            pub fn params(&self) -> Value {
                match self { $(Self::$name(params) => serde_json::to_value(params).unwrap_or_default(),)* }
            }
        }
    };
}

server_requests! {
    /// May this command run?
    CommandExecutionRequestApproval = "item/commandExecution/requestApproval" (CommandExecutionRequestApprovalParams) -> ApprovalResponse;
    /// May this patch be applied?
    FileChangeRequestApproval = "item/fileChange/requestApproval" (FileChangeRequestApprovalParams) -> ApprovalResponse;
}
