//! `llmx sandbox`: runs one command as the engine would, with this terminal as its own.

mod signals;

use crate::{cli::SandboxArguments, exit};
use llmx_actors::{
    config::{ConfigSources, Environment, home_directory, load},
    engine::commands_policy,
    executor::{
        process::{Cause, Ended, HelperPath, Launch, NotStarted, child_environment, spawn_in_place},
        sandbox::{NETWORK_DISABLED, Sandbox, Strength, enforcement},
    },
};
use llmx_protocol::{
    machine::{approval::unenforceable, settings::Enforcement},
    wire::policy::SandboxPolicy,
};
use signals::Forwarder;
use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Runs the command to its end, or says how well commands can be confined here when there is none.
pub(crate) fn run(overrides: &[String], arguments: &SandboxArguments) -> ExitCode {
    if arguments.command.is_empty() && expects_a_command(arguments) {
        return exit::wrong_arguments("a command is missing: llmx sandbox --policy POLICY -- CMD…");
    }
    match prepare(overrides, arguments) {
        Ok(Task::Run(run)) => run_here(*run),
        Ok(Task::Tell(found)) => tell(&found),
        Err(why) => exit::not_confined(why),
    }
}

/// `-- $COMMAND` of a script in which that is empty must not look like success.
fn expects_a_command(arguments: &SandboxArguments) -> bool {
    arguments.policy.is_some() || env::args_os().next_back().is_some_and(|last| last == "--")
}

enum Task {
    Run(Box<Run>),
    Tell(Enforcement),
}

struct Run {
    launch: Launch,
    /// The user's word in `config.toml` for a sandbox without namespaces.
    allow_degraded: bool,
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
    let cwd = directory(&here, arguments.cwd.as_deref().unwrap_or(Path::new("")), "enter")?;
    let mut env = child_environment(&commands_policy(&config), env::vars_os());
    let sandbox = sandbox(arguments, &here, &cwd, home)?;
    if sandbox.as_ref().is_some_and(|sandbox| !sandbox.has_network()) {
        env.push((NETWORK_DISABLED.into(), "1".into()));
    }
    let launch = Launch { argv: arguments.command.clone(), cwd, env, helper, sandbox };
    Ok(Task::Run(Box::new(Run { launch, allow_degraded: config.allow_degraded_sandbox })))
}

/// The directory that an argument means; `purpose` reads after "cannot".
fn directory(here: &Path, argument: &Path, purpose: &str) -> Result<PathBuf, String> {
    let path = here.join(argument);
    let found = fs::metadata(&path)
        .and_then(|meta| if meta.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
    found.map_err(|error| format!("cannot {purpose} {}: {error}", path.display()))?;
    Ok(path)
}

/// `None` where nothing is confined.
fn sandbox(
    arguments: &SandboxArguments,
    here: &Path,
    cwd: &Path,
    llmx_home: Option<PathBuf>,
) -> Result<Option<Sandbox>, String> {
    let roots = arguments.writable_roots.iter().map(|root| directory(here, root, "use the writable root"));
    let writable_roots = roots.collect::<Result<_, _>>()?;
    let policy = match arguments.policy.as_deref() {
        Some("danger-full-access") => return Ok(None),
        Some("workspace-write") => SandboxPolicy::WorkspaceWrite {
            writable_roots,
            network_access: arguments.network,
            exclude_tmpdir_env_var: arguments.exclude_tmpdir_env_var,
            exclude_slash_tmp: arguments.exclude_slash_tmp,
        },
        _ => SandboxPolicy::ReadOnly,
    };
    let path = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    Ok(Some(Sandbox {
        policy,
        session_cwd: cwd.to_owned(),
        llmx_home,
        user_home: path("HOME"),
        spare_placeholders: None,
        tmpdir: path("TMPDIR"),
        strength: Strength::Full,
    }))
}

fn run_here(run: Run) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(to_its_end(run))) {
        Ok(Ended::Exited(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(Ended::Signalled(number)) => ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX)),
        Ok(Ended::SpawnFailed(why)) => not_started(&why),
        Ok(Ended::Lost) => exit::not_confined("the command was lost; it was ended"),
        Err(error) => exit::not_confined(format!("cannot start a helper: {error}")),
    }
}

async fn to_its_end(mut run: Run) -> io::Result<Ended> {
    let ended = once(&run.launch).await?;
    let Ended::SpawnFailed(NotStarted { cause: Cause::NotConfined, .. }) = ended else { return Ok(ended) };
    match less_than_full(&run) {
        Some(why) => {
            exit::warn(format!("degraded sandbox: {why}"));
            run.launch.sandbox.iter_mut().for_each(|sandbox| sandbox.strength = Strength::WithoutNamespaces);
            once(&run.launch).await
        }
        None => Ok(ended),
    }
}

async fn once(launch: &Launch) -> io::Result<Ended> {
    let signals = Forwarder::new()?; // before the command exists, or one might be lost
    Ok(signals.forward_until_the_end(spawn_in_place(launch)?).await.ended)
}

/// What is missing, where the policy may do with less than the whole sandbox: nothing is written, or the user said so.
fn less_than_full(run: &Run) -> Option<String> {
    let policy = &run.launch.sandbox.as_ref()?.policy;
    let found = enforcement(&run.launch.helper, run.allow_degraded);
    match &found {
        Enforcement::Degraded { why, .. } if unenforceable(&found, policy).is_none() => Some(why.clone()),
        _ => None,
    }
}

fn not_started(why: &NotStarted) -> ExitCode {
    match why.cause {
        Cause::NotFound => exit::not_found(why),
        Cause::NotExecutable => exit::not_executable(why),
        Cause::NotConfined | Cause::Other => exit::not_confined(why),
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
