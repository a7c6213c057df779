//! llmx, a coding-agent engine: the command line. One file per subcommand; nothing of the engine lives here.

mod app_server;
mod cli;
mod demo;
mod doctor;
mod exit;
mod generate;
mod listen;
mod logging;
mod login;
mod outgoing;
mod proto;
mod sandbox;
mod sources;
mod stdio;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: a command's helper is this same program and must not become anything else.
    if let Some(exit) = llmx_actors::executor::process::run_if_helper() {
        return exit;
    }
    // Keys are in the memory and the environment of this process: commands run as the same user and may not look.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let cli = cli::Cli::parse();
    logging::to_stderr();
    let overrides = cli.overrides();
    match cli.command {
        cli::Command::Proto(arguments) => proto::run(&overrides, &arguments),
        cli::Command::AppServer(arguments) => app_server::run(&overrides, &arguments),
        cli::Command::Demo(arguments) => demo::run(&overrides, &arguments),
        cli::Command::Sandbox(arguments) => sandbox::run(&overrides, &arguments),
        cli::Command::Doctor(arguments) => doctor::run(&overrides, &arguments),
        cli::Command::Login(arguments) => login::run(&overrides, &arguments),
        cli::Command::Logout => login::log_out(&overrides),
    }
}
