//! `llmx login` and `llmx logout`. A key is read from standard input, never from an argument, which other users of the
//! machine can see.

use crate::{
    cli::{LoginArguments, LoginCommand},
    exit, sources,
};
use llmx_actors::{
    auth::{Account, AccountFact, Accounts, Answer, NewLogin, Started},
    config::Secret,
    engine::Engine,
};
use llmx_protocol::ids::LoginId;
use std::{
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// No key is longer, in bytes.
const LONGEST_KEY: u64 = 64 * 1024;

/// Logs somebody in, or says who is.
pub(crate) fn run(overrides: &[String], arguments: &LoginArguments) -> ExitCode {
    let login = match arguments {
        LoginArguments { about: Some(LoginCommand::Status), .. } => return with_accounts(overrides, status),
        LoginArguments { api_key: true, .. } => match key_from_stdin() {
            Ok(key) => NewLogin::ApiKey(key),
            Err(why) => return exit::cannot_start(why),
        },
        LoginArguments { device_code: true, .. } => NewLogin::DeviceCode,
        LoginArguments { .. } => NewLogin::Browser,
    };
    with_accounts(overrides, |accounts| log_in(accounts, login))
}

/// Logs whoever is logged in out.
pub(crate) fn log_out(overrides: &[String]) -> ExitCode {
    with_accounts(overrides, async |accounts: Accounts| {
        let (answer, answered) = Answer::awaited();
        accounts.log_out(answer);
        let was_logged_in = answered.await.map_err(|e| e.to_string())??;
        say(if was_logged_in { "Logged out" } else { "Not logged in" })
    })
}

fn with_accounts<F: Future<Output = Result<u8, String>>>(
    overrides: &[String],
    work: impl FnOnce(Accounts) -> F,
) -> ExitCode {
    let options = match sources::configured(overrides) {
        Ok(configured) => configured.engine(),
        Err(why) => return exit::cannot_start(why),
    };
    let done = actix_rt::System::new().block_on(async {
        let engine = Engine::launch(options);
        work(engine.accounts().clone()).await
    });
    done.map_or_else(exit::cannot_start, ExitCode::from)
}

fn key_from_stdin() -> Result<Secret, String> {
    let input = io::stdin();
    if input.is_terminal() {
        exit::warn("type or paste the API key, then Enter and Ctrl-D");
    }
    let mut key = String::new();
    input.lock().take(LONGEST_KEY).read_to_string(&mut key).map_err(|e| format!("failed to read the API key: {e}"))?;
    match key.trim() {
        "" => Err("there is no API key on standard input".to_owned()),
        key => Ok(key.into()),
    }
}

async fn status(accounts: Accounts) -> Result<u8, String> {
    let account = accounts.account(false).await?;
    say(&described(account.as_ref()))?;
    Ok(if account.is_some() { exit::DONE } else { exit::CANNOT_START })
}

/// Who is logged in, in words.
pub(crate) fn described(account: Option<&Account>) -> String {
    match account {
        None => "Not logged in".to_owned(),
        Some(Account::ApiKey) => "Logged in with an API key".to_owned(),
        Some(Account::ChatGpt { email, plan: Some(plan) }) => format!("Logged in as {email} ({plan})"),
        Some(Account::ChatGpt { email, plan: None }) => format!("Logged in as {email}"),
    }
}

async fn log_in(accounts: Accounts, login: NewLogin) -> Result<u8, String> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let (to, mut facts) = mpsc::unbounded_channel();
    accounts.subscribe(move |fact| to.send(fact.clone()).is_ok());
    let code = tokio::select! {
        done = complete(&accounts, login, &mut facts) => done?,
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
    };
    Ok(code)
}

async fn complete(
    accounts: &Accounts,
    login: NewLogin,
    facts: &mut mpsc::UnboundedReceiver<AccountFact>,
) -> Result<u8, String> {
    let (answer, answered) = Answer::awaited();
    accounts.start_login(login, answer);
    let started = answered.await.map_err(|e| e.to_string())?.map_err(|why| why.to_string())?;
    let login = show(started)?;
    let ended = end_of(login, facts).await;
    accounts.pages_delivered().await;
    ended?;
    status(accounts.clone()).await
}

/// Tells the person what to do; gives back the login to wait for.
fn show(started: Started) -> Result<Option<LoginId>, String> {
    match started {
        Started::ApiKey => Ok(None),
        Started::Browser { login, auth_url } => {
            say(&format!("Open this address in a browser on this machine to log in:\n\n{auth_url}\n"))?;
            Ok(Some(login))
        }
        Started::DeviceCode { login, verification_url, user_code } => {
            say(&format!("Open {verification_url}\nand type this code: {user_code}\n"))?;
            Ok(Some(login))
        }
    }
}

async fn end_of(login: Option<LoginId>, facts: &mut mpsc::UnboundedReceiver<AccountFact>) -> Result<(), String> {
    while let Some(fact) = facts.recv().await {
        match fact {
            AccountFact::LoginCompleted { login: ended, error } if ended == login => {
                return error.map_or(Ok(()), Err);
            }
            _ => {}
        }
    }
    Err("internal error: the login was lost".to_owned())
}

/// Standard output is where whoever started this waits for it, also through a pipe.
fn say(text: &str) -> Result<u8, String> {
    let mut output = io::stdout().lock();
    let said = writeln!(output, "{text}").and_then(|()| output.flush());
    said.map(|()| exit::DONE).map_err(|error| format!("failed to write to standard output: {error}"))
}
