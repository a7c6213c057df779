//! The command line.

use clap::{Args, Parser, Subcommand};

/// A coding-agent engine: a UI submits work, llmx asks a model, runs its commands and shows what happens.
#[derive(Debug, Parser)]
#[command(name = "llmx", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Overrides a key of config.toml; the value is TOML, or else plain text. May be given often; a later one wins.
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE", global = true)]
    pub(crate) config: Vec<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Speak protocol v1: a submission a line on standard input, an event a line on standard output.
    Proto(ProtoArguments),
    /// Show the whole loop without network or key: a replayed model, real commands in a temporary directory.
    Demo(DemoArguments),
}

/// Arguments of `llmx proto`.
#[derive(Debug, Args)]
pub(crate) struct ProtoArguments {
    /// Where UIs connect. Only stdio:// so far.
    #[arg(long, value_name = "URL", default_value = "stdio://", value_parser = ["stdio://"])]
    pub(crate) listen: String,
}

/// Arguments of `llmx demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Show the lines of the protocol as they are.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Leave out the pauses, as is done anyway where standard output is no terminal.
    #[arg(long)]
    pub(crate) fast: bool,
}
