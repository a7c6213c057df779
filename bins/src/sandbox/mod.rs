//! `llmx sandbox`: runs one command as the engine would, with this terminal as its own.

use crate::{cli::SandboxArguments, exit};
use llmx_actors::{
    config::{ConfigSources, Environment, home_directory, load},
    engine::commands_policy,
    executor::{
        process::{Ended, HelperPath, Launch, RunningCommand, child_environment, spawn_in_place},
        sandbox::{NETWORK_DISABLED, Sandbox, Strength, enforcement},
    },
};
use llmx_protocol::{machine::settings::Enforcement, wire::policy::SandboxPolicy};
use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    task::Poll,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that are the command's business. Those that a terminal sends would otherwise reach only llmx, because the
/// command has a session of its own.
const FORWARDED: [SignalKind; 7] = [
    SignalKind::hangup(),
    SignalKind::interrupt(),
    SignalKind::quit(),
    SignalKind::terminate(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
    SignalKind::window_change(),
];

/// Runs the command to its end, or says how well commands can be confined here when there is none.
pub(crate) fn run(overrides: &[String], arguments: &SandboxArguments) -> ExitCode {
    match prepare(overrides, arguments) {
        Ok(Task::Run(launch)) => run_here(&launch),
        Ok(Task::Tell(found)) => tell(&found),
        Err(why) => exit::not_confined(why),
    }
}

enum Task {
    Run(Launch),
    Tell(Enforcement),
}

fn prepare(overrides: &[String], arguments: &SandboxArguments) -> Result<Task, String> {
    let environment = Environment::from_os(env::vars_os());
    let home = home_directory(&environment);
    let sources = ConfigSources { home: home.clone(), overrides: overrides.to_vec(), environment };
    let config = load(&sources).map_err(|error| error.to_string())?.config;
    let helper = HelperPath::this_program();
    if arguments.command.is_empty() {
        return Ok(Task::Tell(enforcement(&helper, config.allow_degraded_sandbox)));
    }
    let here = env::current_dir().map_err(|error| format!("cannot tell the current directory: {error}"))?;
    let cwd = arguments.cwd.as_ref().map_or_else(|| here.clone(), |cwd| here.join(cwd));
    let mut env = child_environment(&commands_policy(&config), env::vars_os());
    let sandbox = sandbox(arguments, &here, &cwd, home).map(|sandbox| Sandbox {
        strength: strength(&sandbox.policy, &helper, config.allow_degraded_sandbox),
        ..sandbox
    });
    if sandbox.as_ref().is_some_and(|sandbox| !sandbox.has_network()) {
        env.push((NETWORK_DISABLED.into(), "1".into()));
    }
    Ok(Task::Run(Launch { argv: arguments.command.clone(), cwd, env, helper, sandbox }))
}

/// Only the user's own word, or a policy that writes nothing, makes it worth finding out whether less would do.
fn strength(policy: &SandboxPolicy, helper: &HelperPath, degraded_writes: bool) -> Strength {
    let less_will_do = degraded_writes || *policy == SandboxPolicy::ReadOnly;
    match less_will_do.then(|| enforcement(helper, degraded_writes)) {
        Some(Enforcement::Degraded { .. }) => Strength::WithoutNamespaces,
        _ => Strength::Full,
    }
}

/// `None` where nothing is confined.
fn sandbox(arguments: &SandboxArguments, here: &Path, cwd: &Path, llmx_home: Option<PathBuf>) -> Option<Sandbox> {
    let policy = match arguments.policy.as_str() {
        "danger-full-access" => return None,
        "workspace-write" => SandboxPolicy::WorkspaceWrite {
            writable_roots: arguments.writable_roots.iter().map(|root| here.join(root)).collect(),
            network_access: arguments.network,
            exclude_tmpdir_env_var: arguments.exclude_tmpdir_env_var,
            exclude_slash_tmp: arguments.exclude_slash_tmp,
        },
        _ => SandboxPolicy::ReadOnly,
    };
    let path = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    Some(Sandbox {
        policy,
        session_cwd: cwd.to_owned(),
        llmx_home,
        user_home: path("HOME"),
        tmpdir: path("TMPDIR"),
        strength: Strength::Full,
    })
}

fn run_here(launch: &Launch) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let signals = Forwarder::new()?; // before the command exists, or one might be lost
            Ok(signals.forward_until_the_end(spawn_in_place(launch)?).await)
        })
    });
    match ended {
        Ok(Ended::Exited(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(Ended::Signalled(number)) => ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX)),
        Ok(Ended::SpawnFailed(why)) => exit::not_confined(why),
        Ok(Ended::Lost) => exit::not_confined("the command was lost; it was ended"),
        Err(error) => exit::not_confined(format!("cannot start a helper: {error}")),
    }
}

struct Forwarder(Vec<(SignalKind, Signal)>);

impl Forwarder {
    fn new() -> io::Result<Self> {
        FORWARDED.into_iter().map(|kind| Ok((kind, signal(kind)?))).collect::<io::Result<_>>().map(Self)
    }

    async fn forward_until_the_end(mut self, mut command: RunningCommand) -> Ended {
        loop {
            let came = tokio::select! {
                end = command.ended() => return end.ended,
                kind = self.next() => kind,
            };
            command.signal(u8::try_from(came.as_raw_value()).unwrap_or_default());
        }
    }

    async fn next(&mut self) -> SignalKind {
        std::future::poll_fn(|context| {
            let came =
                self.0.iter_mut().find_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn tell(found: &Enforcement) -> ExitCode {
    match found {
        Enforcement::Full => println!("full"),
        Enforcement::Degraded { why, writes } => {
            let writes = if *writes { "allowed" } else { "refused" };
            println!("degraded: {why} (workspace-write is {writes}: allow_degraded_sandbox)");
        }
        Enforcement::None(why) => println!("none: {why}"),
    }
    ExitCode::from(exit::DONE)
}
