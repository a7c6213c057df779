//! What llmx is put into: a home, a work tree, a model, a UI; and a look at the processes of the machine.

mod binary;
mod client;
mod conformance;
mod event;
pub mod http;
mod issuer;
mod model_server;
pub mod processes;
pub mod responses;
mod server;
mod setup;
mod socket;
mod ui;
mod workspace;

pub use binary::llmx_binary;
pub use client::Client;
pub use conformance::fault_of_params;
pub use event::{Event, kinds, shown};
pub use issuer::{Issuer, Person};
pub use model_server::{Answer, Gate, ModelServer, Request, deserted_url};
pub use responses::Response;
pub use server::Server;
pub use setup::Setup;
pub use socket::{Socket, WebSocket};
pub use ui::{Remains, Ui, user_input};
pub use workspace::Workspace;

use std::time::Duration;

/// How long the world waits for what should come at once, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at what cannot be waited for.
pub const GLANCE: Duration = Duration::from_millis(5);
