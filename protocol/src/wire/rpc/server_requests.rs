//! The table of the server's requests.

use super::approval::{CommandApprovalParams, FileChangeApprovalParams};
use serde_json::Value;

macro_rules! server_requests {
    ($($(#[$doc:meta])* $name:ident = $method:literal ($params:ty);)*) => {
        /// What the server asks of a client.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ServerRequest { $($(#[$doc])* $name($params),)* }

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
    CommandApproval = "item/commandExecution/requestApproval" (CommandApprovalParams);
    /// May this patch be applied?
    FileChangeApproval = "item/fileChange/requestApproval" (FileChangeApprovalParams);
}
