//! Configuration: `config.toml` in the llmx home and `-c key=value`, later ones winning over earlier ones, key by key.
//!
//! Nothing global is read here. Whoever starts the engine says which home, overrides and environment count, so that an
//! application that embeds it can decide otherwise. Loading reads one file at the most, since it is part of every cold
//! start.
//!
//! A key that is not known only earns a warning: one file often serves several versions and several programs. A known
//! key with a bad value is an error, because running with another sandbox than the user wrote down would be worse.

mod environment;
mod error;
mod file;
mod layers;
mod login;
mod other_keys;
mod override_argument;
mod provider;
mod providers;
mod secret;
mod settings;

pub use environment::{Environment, home_directory};
pub use error::ConfigError;
pub use login::{CredentialsStore, LoginSettings, OPENAI_ISSUER};
pub use provider::{AuthCommand, OPENAI_BASE_URL, ProviderInfo, REPLAY_BASE_URL, WireApi};
pub use secret::Secret;
pub use settings::{Config, ConfigSources, Loaded, load};
