//! The command line.

use crate::listen::{Address, TokenArguments};
use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

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
    /// Turns a feature on, as -c features.FEATURE=true does. May be given often.
    #[arg(long, value_name = "FEATURE", global = true)]
    enable: Vec<String>,
    /// Turns a feature off. May be given often.
    #[arg(long, value_name = "FEATURE", global = true)]
    disable: Vec<String>,
}

impl Cli {
    /// What the command line says of the configuration.
    pub(crate) fn overrides(&self) -> Vec<String> {
        let on = self.enable.iter().map(|feature| format!("features.{feature}=true"));
        let off = self.disable.iter().map(|feature| format!("features.{feature}=false"));
        self.config.iter().cloned().chain(on).chain(off).collect()
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Speak protocol v1: a submission a line on standard input, an event a line on standard output.
    Proto(ProtoArguments),
    /// Speak the app-server's JSON-RPC: threads, turns and items for editors and SDKs.
    AppServer(AppServerArguments),
    /// Show the whole loop without network or key: a replayed model, real commands in a temporary directory.
    Demo(DemoArguments),
    /// Run a command in the sandbox, or without one say how well commands can be confined here: full, degraded, none.
    Sandbox(SandboxArguments),
    /// Look at the configuration, the keys and the sandbox; exit code 0 only if nothing is broken.
    Doctor(DoctorArguments),
    /// Log in with an account in a browser, with a code typed elsewhere, or with an API key from standard input.
    Login(LoginArguments),
    /// Forget who is logged in, and tell the issuer.
    Logout,
}

/// Arguments of `llmx login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// Read an API key from standard input.
    #[arg(long, alias = "with-api-key", conflicts_with = "device_code")]
    pub(crate) api_key: bool,
    /// Show a code to type in a browser on any machine.
    #[arg(long, alias = "device-auth")]
    pub(crate) device_code: bool,
    /// Something else about logins.
    #[command(subcommand)]
    pub(crate) about: Option<LoginCommand>,
}

/// Subcommands of `llmx login`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum LoginCommand {
    /// Say who is logged in; exit code 0 only if somebody is.
    Status,
}

/// Arguments of `llmx sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// What the command may touch [default: read-only].
    #[arg(long, value_parser = ["read-only", "workspace-write", "danger-full-access"])]
    pub(crate) policy: Option<String>,
    /// Where the command runs; under workspace-write it may write there.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// A further directory that workspace-write may write. May be given often.
    #[arg(long = "writable-root", value_name = "DIR")]
    pub(crate) writable_roots: Vec<PathBuf>,
    /// Let workspace-write use the network.
    #[arg(long)]
    pub(crate) network: bool,
    /// Keep $TMPDIR read-only.
    #[arg(long)]
    pub(crate) exclude_tmpdir_env_var: bool,
    /// Keep /tmp read-only.
    #[arg(long)]
    pub(crate) exclude_slash_tmp: bool,
    /// The command and its arguments.
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Arguments of `llmx doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// For a program: one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `llmx proto`.
#[derive(Debug, Args)]
pub(crate) struct ProtoArguments {
    /// Where UIs connect: stdio://, unix://PATH or tcp://IP:PORT. Each that connects has a session of its own.
    #[arg(long, value_name = "URL", default_value = "stdio://", value_parser = Address::of_proto)]
    pub(crate) listen: Address,
    /// What whoever connects must know.
    #[command(flatten)]
    pub(crate) token: TokenArguments,
}

/// Arguments of `llmx app-server`.
#[derive(Debug, Args)]
pub(crate) struct AppServerArguments {
    /// Where clients connect: stdio://, unix://PATH or ws://IP:PORT.
    #[arg(long, value_name = "URL", default_value = "stdio://", value_parser = Address::of_app_server)]
    pub(crate) listen: Address,
    /// What whoever connects must know.
    #[command(flatten)]
    pub(crate) token: TokenArguments,
    /// Something about its protocol.
    #[command(subcommand)]
    pub(crate) about: Option<AppServerCommand>,
}

/// Subcommands of `llmx app-server`.
#[derive(Debug, Subcommand)]
pub(crate) enum AppServerCommand {
    /// Write the protocol as TypeScript, a file a type.
    GenerateTs {
        /// Where to; made if need be.
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
        /// A Prettier that formats what was written.
        #[arg(short, long, value_name = "PRETTIER_BIN")]
        prettier: Option<PathBuf>,
        /// Include what is not stable; llmx makes no difference.
        #[arg(long)]
        experimental: bool,
    },
    /// Write the protocol as JSON Schema: a file a message, and all in one.
    GenerateJsonSchema {
        /// Where to; made if need be.
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
        /// Include what is not stable; llmx makes no difference.
        #[arg(long)]
        experimental: bool,
    },
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
