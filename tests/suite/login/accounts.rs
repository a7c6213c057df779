//! Logins as an application asks for them: one at a time, answers before facts.

use super::login_table;
use llmx_actors::{
    auth::{Account, AccountFact, Accounts, Answer, Bearer, NewLogin, Started},
    config::{ConfigSources, load},
    engine::{Engine, EngineHandle, EngineOptions},
    executor::process::HelperPath,
};
use llmx_protocol::{ids::LoginId, machine::login::Refusal};
use llmx_tests::world::{Issuer, PATIENCE, http};
use std::{fs, path::Path};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Duration, timeout},
};

/// An application that holds an engine, and hears what it is told in one queue.
struct Host {
    engine: EngineHandle,
    to: mpsc::UnboundedSender<String>,
    heard: mpsc::UnboundedReceiver<String>,
    home: TempDir,
}

fn engine(issuer: &Issuer, home: &Path, overrides: &[&str]) -> EngineHandle {
    fs::write(home.join("config.toml"), login_table(issuer)).unwrap();
    let overrides = overrides.iter().map(ToString::to_string).collect();
    let sources = ConfigSources { home: Some(home.to_owned()), overrides, ..ConfigSources::default() };
    let config = load(&sources).unwrap().config;
    let variables = vec![("LLMX_HOME".into(), home.as_os_str().to_owned())];
    Engine::launch(EngineOptions::configured(config, Vec::new(), variables, HelperPath::this_program()))
}

/// Leaves tokens in this home.
pub(super) async fn log_in(issuer: &Issuer, home: &Path) {
    let (issuer_url, home) = (login_table(issuer), home.to_owned());
    // An actix system needs a thread of its own in these tests.
    let logged_in = tokio::task::spawn_blocking(move || {
        actix_rt::System::new().block_on(async move {
            let config = home.join("config.toml");
            fs::write(config, issuer_url).unwrap();
            let sources = ConfigSources { home: Some(home.clone()), ..ConfigSources::default() };
            let variables = vec![("LLMX_HOME".into(), home.as_os_str().to_owned())];
            let config = load(&sources).unwrap().config;
            let engine =
                Engine::launch(EngineOptions::configured(config, Vec::new(), variables, HelperPath::this_program()));
            let (answer, answered) = Answer::awaited();
            engine.accounts().start_login(NewLogin::Browser, answer);
            let Started::Browser { auth_url, .. } = answered.await.unwrap().unwrap() else { panic!("no address") };
            browse(&auth_url).await;
        });
    });
    logged_in.await.unwrap();
}

async fn browse(auth_url: &str) -> http::Page {
    let issuer = http::get(auth_url).await;
    http::get(issuer.header("location").unwrap()).await
}

impl Host {
    fn with(issuer: &Issuer, overrides: &[&str]) -> Self {
        let home = TempDir::with_prefix("llmx-host-").unwrap();
        let engine = engine(issuer, home.path(), overrides);
        let (to, heard) = mpsc::unbounded_channel();
        let facts = to.clone();
        engine.accounts().subscribe(move |fact| facts.send(told(fact)).is_ok());
        Self { engine, to, heard, home }
    }

    fn accounts(&self) -> &Accounts {
        self.engine.accounts()
    }

    /// Starts a login without waiting for anything but its answer.
    async fn start(&mut self, login: NewLogin) -> Result<Started, Refusal> {
        let (answer, answered) = Answer::awaited();
        self.accounts().start_login(login, answer);
        answered.await.unwrap()
    }

    /// With somebody who has logged in by a browser, and their credentials.
    async fn logged_in(issuer: &Issuer) -> (Self, Bearer) {
        let mut host = Self::with(issuer, &[]);
        let (_, auth_url) = host.browser().await;
        browse(&auth_url).await;
        host.hears(&["login: done", "ann@example.com pro"]).await;
        let bearer = host.accounts().bearer().await.unwrap().unwrap();
        (host, bearer)
    }

    async fn browser(&mut self) -> (LoginId, String) {
        match self.start(NewLogin::Browser).await.unwrap() {
            Started::Browser { login, auth_url } => (login, auth_url),
            other => panic!("{other:?}"),
        }
    }

    async fn hears(&mut self, expected: &[&str]) {
        for expected in expected {
            let heard = timeout(PATIENCE, self.heard.recv()).await;
            assert_eq!(heard.ok().flatten().as_deref(), Some(*expected));
        }
        assert_eq!(self.heard.try_recv().ok(), None);
    }
}

fn told(fact: &AccountFact) -> String {
    match fact {
        AccountFact::LoginCompleted { login, error } => {
            let whose = if login.is_some() { "login" } else { "key" };
            format!("{whose}: {}", error.as_deref().unwrap_or("done"))
        }
        AccountFact::Updated(None) => "nobody".to_owned(),
        AccountFact::Updated(Some(Account::ApiKey)) => "a key".to_owned(),
        AccountFact::Updated(Some(Account::ChatGpt { email, plan })) => {
            format!("{email} {}", plan.as_deref().unwrap_or_default())
        }
    }
}

#[actix_rt::test]
async fn a_login_is_answered_then_completed_then_everybody_is_told() {
    let issuer = Issuer::start().await;
    let mut host = Host::with(&issuer, &[]);
    let (_, auth_url) = host.browser().await;
    assert_eq!(host.accounts().account(false).await, Ok(None));
    assert_eq!(browse(&auth_url).await.status, 200);
    host.hears(&["login: done", "ann@example.com pro"]).await;
    let to = host.to.clone();
    host.accounts().log_out(Answer::to(move |out| drop(to.send(format!("answer: {out:?}")))));
    host.hears(&["answer: Ok(Ok(true))", "nobody"]).await;
    let to = host.to.clone();
    let answer = Answer::to(move |started| drop(to.send(format!("answer: {started:?}"))));
    host.accounts().start_login(NewLogin::ApiKey("sk-1".into()), answer);
    host.hears(&["answer: Ok(Ok(ApiKey))", "key: done", "a key"]).await;
    assert_eq!(host.accounts().account(false).await, Ok(Some(Account::ApiKey)));
}

#[actix_rt::test]
async fn a_second_login_replaces_the_first() {
    let issuer = Issuer::start().await;
    let mut host = Host::with(&issuer, &[]);
    let (_, first) = host.browser().await;
    let (_, second) = host.browser().await;
    host.hears(&["login: Login was replaced by a new one"]).await;
    let callback = http::parameter(&first, "redirect_uri").unwrap();
    let port = callback.split(':').nth(2).unwrap().split('/').next().unwrap().parse::<u16>().unwrap();
    TcpListener::bind(("127.0.0.1", port)).await.expect("the first server is gone");
    assert_eq!(browse(&second).await.status, 200);
    host.hears(&["login: done", "ann@example.com pro"]).await;
}

#[actix_rt::test]
async fn a_login_can_be_cancelled_also_while_the_issuer_hangs() {
    let issuer = Issuer::start().await;
    issuer.hang_at_token(true);
    let mut host = Host::with(&issuer, &[]);
    let (login, auth_url) = host.browser().await;
    let browser = actix_rt::spawn(async move { browse(&auth_url).await });
    issuer.was_asked("/token authorization_code", 1).await;
    for expected in [&["answer: Ok(true)", "login: Login was cancelled"][..], &["answer: Ok(false)"]] {
        let to = host.to.clone();
        let answer = Answer::to(move |found| drop(to.send(format!("answer: {found:?}"))));
        host.accounts().cancel_login(login.clone(), answer);
        host.hears(expected).await;
    }
    let page = browser.await.unwrap();
    assert_eq!((page.status, page.body.contains("Login was cancelled")), (400, true), "{page:?}");
    assert!(!host.home.path().join("auth.json").exists());
}

#[actix_rt::test]
async fn a_login_that_nobody_completes_times_out() {
    let issuer = Issuer::start().await;
    let mut host = Host::with(&issuer, &[]);
    host.browser().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    host.hears(&["login: Login timed out"]).await;
}

#[actix_rt::test]
async fn a_taken_port_is_no_obstacle() {
    let issuer = Issuer::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut host = Host::with(&issuer, &[&format!("login.callback_port={port}")]);
    let (_, auth_url) = host.browser().await;
    assert!(!auth_url.contains(&format!("%3A{port}%2F")), "{auth_url}");
    assert_eq!(browse(&auth_url).await.status, 200);
    host.hears(&["login: done", "ann@example.com pro"]).await;
}

#[actix_rt::test]
async fn everybody_who_needs_new_tokens_gets_those_of_one_renewal() {
    let issuer = Issuer::start().await;
    let (host, old) = Host::logged_in(&issuer).await;
    issuer.end_tokens(false);
    let renewals = (0..20).map(|_| {
        let (accounts, old) = (host.accounts().clone(), old.clone());
        actix_rt::spawn(async move { accounts.renewed(old).await.unwrap().unwrap() })
    });
    let renewals: Vec<_> = renewals.collect();
    let mut renewed = Vec::new();
    for renewal in renewals {
        renewed.push(renewal.await.unwrap());
    }
    assert!(renewed.iter().all(|bearer| *bearer == renewed[0] && issuer.accepts(bearer.token.expose())));
    let times = |issuer: &Issuer| issuer.asked().iter().filter(|path| *path == "/token refresh_token").count();
    assert_eq!(times(&issuer), 1);
    assert_eq!(host.accounts().renewed(old).await.unwrap().unwrap(), renewed[0], "others have done it");
    assert_eq!(times(&issuer), 1);
    assert!(host.accounts().account(true).await.unwrap().is_some());
    assert_eq!(times(&issuer), 2, "whoever asks for it gets a renewal");
}

#[actix_rt::test]
async fn a_logout_during_a_renewal_has_the_last_word() {
    let issuer = Issuer::start().await;
    let (mut host, old) = Host::logged_in(&issuer).await;
    issuer.hang_at_token(true);
    let accounts = host.accounts().clone();
    let renewal = actix_rt::spawn(async move { accounts.renewed(old).await });
    issuer.was_asked("/token refresh_token", 1).await;
    let (answer, answered) = Answer::awaited();
    host.accounts().log_out(answer);
    assert_eq!(answered.await, Ok(Ok(true)));
    assert!(renewal.await.unwrap().is_err());
    host.hears(&["nobody"]).await;
    assert!(!host.home.path().join("auth.json").exists());
}
