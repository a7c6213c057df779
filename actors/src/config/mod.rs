//! Configuration: `config.toml` in the llmx home and `-c key=value`, later ones winning over earlier ones, key by key.

mod environment;
mod environment_policy;
mod secret;

pub use environment::{Environment, home_directory};
pub use environment_policy::{EnvironmentInherit, ShellEnvironmentPolicy};
pub use secret::Secret;
