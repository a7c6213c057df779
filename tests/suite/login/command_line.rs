//! `llmx login` and `llmx logout`, as somebody at a terminal or a script uses them.

use super::Home;
use llmx_tests::world::{Issuer, PATIENCE, Person, http, llmx_binary};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, os::unix::fs::symlink, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// One run of llmx.
struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
}

/// How a run ended.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn of(home: &Home, arguments: &[&str]) -> Self {
        let mut command = Command::new(llmx_binary());
        command.args(arguments).env_clear().env("LLMX_HOME", home.path()).env("LLMX_LOG", "trace");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[expect(clippy::disallowed_methods, reason = "this starts llmx itself")]
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, said: String::new() }
    }

    /// The next line with this in it.
    async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap();
            let line = line.unwrap_or_else(|| panic!("{text:?} never came: {}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    async fn ends(mut self) -> Ended {
        drop(self.child.stdin.take());
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap() {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        Ended { code: status.code().unwrap_or(-1), out: self.said, err }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap()
    }
}

/// Goes where a browser would, up to the callback, and gives back its address.
async fn through_the_issuer(auth_url: &str) -> String {
    let issuer = http::get(auth_url).await;
    assert_eq!(issuer.status, 302, "{}", issuer.body);
    issuer.header("location").unwrap().to_owned()
}

fn assert_told(ended: &Ended, code: i32, out: &str, err: &str) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.out.contains(out) && ended.err.contains(err), "{ended:?}");
}

fn assert_no_secret(issuer: &Issuer, ended: &Ended) {
    for secret in issuer.secrets() {
        assert!(!ended.out.contains(&secret) && !ended.err.contains(&secret), "{secret} is in {ended:?}");
    }
}

async fn logged_in(home: &Home) -> Ended {
    let mut run = Run::of(home, &["login"]);
    let callback = through_the_issuer(&run.line_with("http").await).await;
    let page = http::get(&callback).await;
    assert_eq!((page.status, page.body.contains("You are logged in")), (200, true), "{page:?}");
    run.ends().await
}

#[tokio::test]
async fn somebody_logs_in_with_a_browser_and_out_again() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    assert_told(&Run::of(&home, &["login", "status"]).ends().await, 1, "Not logged in", "");
    let ended = logged_in(&home).await;
    assert_told(&ended, 0, "Logged in as ann@example.com (pro)", "");
    assert_no_secret(&issuer, &ended);
    let kept = home.kept();
    assert!(issuer.accepts(kept["tokens"]["access_token"].as_str().unwrap()), "{kept}");
    assert_eq!((kept["OPENAI_API_KEY"].is_null(), kept["tokens"]["account_id"].as_str()), (true, Some("org-1")));
    assert_told(&Run::of(&home, &["login", "status"]).ends().await, 0, "Logged in as ann@example.com (pro)", "");
    let out = Run::of(&home, &["logout"]).ends().await;
    assert_told(&out, 0, "Logged out", "");
    assert_no_secret(&issuer, &out);
    assert!(!home.auth_json().exists());
    assert!(!issuer.accepts(kept["tokens"]["access_token"].as_str().unwrap()), "the issuer took the tokens back");
    assert_told(&Run::of(&home, &["logout"]).ends().await, 0, "Not logged in", "");
}

#[tokio::test]
async fn only_the_browser_that_was_sent_can_end_the_login() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    let mut run = Run::of(&home, &["login"]);
    let auth_url = run.line_with("http").await;
    let callback = http::parameter(&auth_url, "redirect_uri").unwrap();
    let port = callback.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let host = format!("localhost:{port}");
    let right = through_the_issuer(&auth_url).await;
    for (method, url, host, status) in [
        ("GET", format!("{callback}?code=stolen&state=guessed"), host.as_str(), 400),
        ("GET", format!("{callback}?code=stolen"), &host, 400),
        ("GET", format!("{callback}?error=access_denied"), &host, 400),
        ("GET", callback.clone(), &host, 400),
        ("GET", right.clone(), "rebound.example", 403),
        ("POST", right.clone(), &host, 405),
        ("GET", format!("http://{host}/"), &host, 404),
        ("GET", format!("http://{host}/auth/callback/x"), &host, 404),
    ] {
        let page = http::request(method, &url, host).await;
        assert_eq!(page.status, status, "{method} {url} at {host}: {page:?}");
    }
    assert_eq!(http::get(&right).await.status, 200);
    assert_told(&run.ends().await, 0, "Logged in as", "");
}

#[tokio::test]
async fn a_refusal_of_the_person_ends_the_login() {
    let issuer = Issuer::start().await;
    issuer.person(Person::Refuses);
    let home = Home::with(&issuer);
    let mut run = Run::of(&home, &["login"]);
    let callback = through_the_issuer(&run.line_with("http").await).await;
    let page = http::get(&callback).await;
    assert_eq!((page.status, page.body.contains("not today")), (400, true), "{page:?}");
    assert_told(&run.ends().await, 1, "", "llmx: access_denied: not today");
    assert!(!home.auth_json().exists());
}

#[tokio::test]
async fn a_signal_ends_the_login() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    let mut run = Run::of(&home, &["login"]);
    run.line_with("http").await;
    kill_process(run.pid(), Signal::INT).unwrap();
    assert_told(&run.ends().await, 130, "", "");
    assert!(!home.auth_json().exists());
}

#[tokio::test]
async fn a_code_can_be_typed_elsewhere() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    let mut run = Run::of(&home, &["login", "--device-code"]);
    run.line_with("/activate").await;
    run.line_with("WDJB-MJHT").await;
    issuer.was_asked("/token urn:ietf:params:oauth:grant-type:device_code", 2).await;
    issuer.user_code_typed(Person::Agrees);
    let ended = run.ends().await;
    assert_told(&ended, 0, "Logged in as ann@example.com (pro)", "");
    assert_no_secret(&issuer, &ended);
    issuer.user_code_typed(Person::Refuses);
    let refused = Run::of(&home, &["login", "--device-auth"]).ends().await;
    assert_told(&refused, 1, "WDJB-MJHT", "llmx: access_denied");
    assert_told(&Run::of(&home, &["login", "status"]).ends().await, 0, "ann@example.com", "");
}

#[tokio::test]
async fn a_key_comes_from_standard_input_only() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    let mut run = Run::of(&home, &["login", "--api-key"]);
    run.child.stdin.as_mut().unwrap().write_all(b"  sk-of-a-test\n").await.unwrap();
    let ended = run.ends().await;
    assert_told(&ended, 0, "Logged in with an API key", "");
    assert!(!ended.out.contains("sk-of-a-test") && !ended.err.contains("sk-of-a-test"), "{ended:?}");
    assert_eq!(home.kept()["OPENAI_API_KEY"], "sk-of-a-test");
    assert_told(&Run::of(&home, &["login", "--api-key"]).ends().await, 1, "", "no API key on standard input");
    assert_eq!(Run::of(&home, &["login", "--api-key", "sk-argument"]).ends().await.code, 2);
    assert_eq!(home.kept()["OPENAI_API_KEY"], "sk-of-a-test");
    assert_eq!(issuer.asked().len(), 0, "a key is nobody else's business");
}

#[tokio::test]
async fn what_the_configuration_forbids_is_refused() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    let refused = Run::of(&home, &["-c", "forced_login_method=api", "login"]).ends().await;
    assert_told(&refused, 1, "", "llmx: ChatGPT login is disabled. Use API key login instead.");
    let mut run = Run::of(&home, &["-c", "forced_login_method=chatgpt", "login", "--with-api-key"]);
    run.child.stdin.as_mut().unwrap().write_all(b"sk-1").await.unwrap();
    assert_told(&run.ends().await, 1, "", "llmx: API key login is disabled. Use ChatGPT login instead.");
    let mut run = Run::of(&home, &["-c", "forced_chatgpt_workspace_id=org-2", "login"]);
    let callback = through_the_issuer(&run.line_with("http").await).await;
    assert_eq!(http::get(&callback).await.status, 400);
    assert_told(&run.ends().await, 1, "", "llmx: Login is restricted to workspace id org-2.");
    let elsewhere = Run::of(&home, &["-c", "login.issuer=http://issuer.example", "login"]).ends().await;
    assert_told(&elsewhere, 1, "", "only https, or http on this machine");
    assert!(!home.auth_json().exists());
}

#[tokio::test]
async fn a_symbolic_link_in_the_place_of_the_credentials_is_refused() {
    let issuer = Issuer::start().await;
    let home = Home::with(&issuer);
    let victim = home.path().join("victim");
    fs::write(&victim, "theirs").unwrap();
    symlink(&victim, home.auth_json()).unwrap();
    let mut run = Run::of(&home, &["login", "--api-key"]);
    run.child.stdin.as_mut().unwrap().write_all(b"sk-1").await.unwrap();
    assert_told(&run.ends().await, 1, "", "it is a symbolic link");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    assert_told(&Run::of(&home, &["login", "status"]).ends().await, 1, "", "it is a symbolic link");
}
