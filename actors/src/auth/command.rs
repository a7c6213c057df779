//! Keys that a program of the user's prints.

use crate::{
    config::{AuthCommand, Secret},
    executor::process::{self, Ended, HelperPath, Launch, OutputStream},
};
use bytes::Bytes;
use std::{
    ffi::{OsStr, OsString},
    time::Duration,
};

/// No key is longer, in bytes.
const LONGEST_KEY: usize = 64 * 1024;
/// Of what the program says of its failure, this much is shown, in characters.
const SHOWN: usize = 300;

/// What programs that print keys are run with.
#[derive(Clone)]
pub(super) struct Programs {
    pub(super) helper: HelperPath,
    /// The engine's own variables: such a program is the user's, not the model's.
    pub(super) environment: Vec<(OsString, OsString)>,
}

/// Runs the program and takes the first line that it prints for the key.
pub(super) async fn key_from(command: AuthCommand, programs: Programs) -> Result<Secret, String> {
    let failed = |why: String| format!("the provider's `auth.command` {}: {why}", command.command);
    let launch = Launch {
        argv: [&command.command].into_iter().chain(&command.args).map(OsString::from).collect(),
        cwd: std::env::current_dir().map_err(|error| failed(error.to_string()))?,
        env: programs.environment,
        helper: programs.helper,
        sandbox: None,
    };
    let (running, output) = process::spawn(&launch).map_err(|error| failed(error.to_string()))?;
    let (mut said, mut complaint) = (Vec::new(), Vec::new());
    let take = async |stream, chunk: Bytes| {
        let into = if stream == OutputStream::Stdout { &mut said } else { &mut complaint };
        into.extend_from_slice(&chunk[..chunk.len().min(LONGEST_KEY - into.len())]);
    };
    let time_out = async {
        tokio::time::sleep(Duration::from_millis(command.timeout_ms)).await;
        Duration::ZERO
    };
    let finished = process::run(running, output, time_out, take).await;
    match finished.end.ended {
        Ended::Exited(0) => first_line(&said).ok_or_else(|| failed("it printed no key".into())),
        Ended::Exited(code) => Err(failed(format!("exit code {code}{}", shown(&complaint)))),
        Ended::Signalled(_) => Err(failed(format!("no key within {} ms", command.timeout_ms))),
        Ended::SpawnFailed(why) => Err(failed(why.text)),
        Ended::Lost => Err(failed("it was lost".into())),
    }
}

fn first_line(said: &[u8]) -> Option<Secret> {
    let text = str::from_utf8(said).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.into())
}

fn shown(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

impl std::fmt::Debug for Programs {
    /// Names only: values hold keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&OsStr> = self.environment.iter().map(|(name, _)| name.as_os_str()).collect();
        f.debug_struct("Programs").field("helper", &self.helper).field("environment", &names).finish()
    }
}
