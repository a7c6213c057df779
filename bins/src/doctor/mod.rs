//! `llmx doctor`: looks at what llmx depends on and says what is broken, for a person or as JSON.

mod check;
mod files;
mod machine;
mod provider;

use crate::{cli::DoctorArguments, exit};
use check::Check;
use llmx_actors::{
    auth::account_of,
    config::{ConfigSources, Environment, home_directory, load},
};
use std::process::ExitCode;

/// Exit code 0 only if nothing is broken.
pub(crate) fn run(overrides: &[String], arguments: &DoctorArguments) -> ExitCode {
    let checks = examine(overrides);
    if arguments.json {
        check::print_json(&checks);
    } else {
        check::print(&checks);
    }
    let broken = checks.iter().any(Check::is_broken);
    ExitCode::from(if broken { exit::CANNOT_START } else { exit::DONE })
}

fn examine(overrides: &[String]) -> Vec<Check> {
    let environment = Environment::from_os(std::env::vars_os());
    let home = home_directory(&environment);
    let sources = ConfigSources { home: home.clone(), overrides: overrides.to_vec(), environment: environment.clone() };
    let loaded = load(&sources);
    let mut checks = vec![
        Check::ok("version", env!("CARGO_PKG_VERSION")),
        files::home(home.as_deref()),
        files::config(home.as_deref(), &loaded),
    ];
    let config = loaded.ok().map(|loaded| loaded.config);
    let account = home.as_deref().map(account_of);
    checks.extend(
        config.iter().flat_map(|config| provider::all(config, &environment, matches!(account, Some(Ok(Some(_)))))),
    );
    checks.extend(account.as_ref().map(files::login));
    checks.push(machine::kernel());
    checks.push(machine::sandbox(config.as_ref()));
    checks
}
