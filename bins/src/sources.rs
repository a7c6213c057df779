//! Where a configuration comes from: the user's home, `-c`, and the environment.

use llmx_actors::{
    config::{Config, ConfigSources, Environment, home_directory, load},
    engine::EngineOptions,
    executor::process::HelperPath,
};
use std::ffi::OsString;

/// The configuration of this process, and what an engine needs beside it.
pub(crate) struct Configured {
    pub(crate) sources: ConfigSources,
    pub(crate) config: Config,
    warnings: Vec<String>,
    variables: Vec<(OsString, OsString)>,
}

/// Reads the user's configuration; `overrides` are the arguments of `-c`.
pub(crate) fn configured(overrides: &[String]) -> Result<Configured, String> {
    let variables: Vec<_> = std::env::vars_os().collect();
    let environment = Environment::from_os(variables.clone());
    let sources = ConfigSources { home: home_directory(&environment), overrides: overrides.to_vec(), environment };
    let loaded = load(&sources).map_err(|e| e.to_string())?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(Configured { sources, config: loaded.config, warnings: loaded.warnings, variables })
}

impl Configured {
    /// Keeps a variable from commands, whatever is configured.
    pub(crate) fn hide(&mut self, variable: &str) {
        self.variables.retain(|(name, _)| name != variable);
    }

    pub(crate) fn engine(self) -> EngineOptions {
        EngineOptions::configured(self.config, self.warnings, self.variables, HelperPath::this_program())
    }
}
