//! What models are sent of a login, and what commands and logs see of it.

use super::{Home, login_table};
use llmx_tests::world::{Answer, Issuer, ModelServer, Response, Setup, Ui};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt};

fn hello(id: &str) -> Answer {
    Response::of(id).says(&["Hello."]).completed()
}

fn unauthorized() -> Answer {
    Answer::refusal(401, &[], r#"{"error":{"message":"token expired"}}"#)
}

/// A session whose model takes the login's credentials, with `auth` as its `auth.json`.
fn session(server: &ModelServer, issuer: &Issuer, auth: &serde_json::Value) -> Setup {
    Setup::with(server)
        .provider("requires_openai_auth", "true")
        .tables(&login_table(issuer))
        .variable("LLMX_LOG", "trace")
        .file("auth.json", &auth.to_string())
}

fn account(access: &str, refresh: &str) -> serde_json::Value {
    json!({"OPENAI_API_KEY": null, "tokens": {"id_token": "e30.e30.x", "access_token": access,
        "refresh_token": refresh, "account_id": "org-1"}, "last_refresh": null})
}

async fn last_of(ui: &mut Ui, task: &str) -> String {
    let events = ui.task(task, "hello").await;
    let last = events.last().unwrap();
    if last.kind() == "error" { format!("error: {}", last.text("message")) } else { last.kind().to_owned() }
}

/// Tokens as a login would have left them.
async fn issued(issuer: &Issuer) -> serde_json::Value {
    let home = Home::with(issuer);
    super::accounts::log_in(issuer, home.path()).await;
    home.kept()
}

#[tokio::test]
async fn a_request_carries_the_key_or_the_account() {
    let issuer = Issuer::start().await;
    for (auth, expected) in [
        (json!({"OPENAI_API_KEY": "sk-kept"}), [Some("Bearer sk-kept"), None]),
        (account("access-1", "refresh-1"), [Some("Bearer access-1"), Some("org-1")]),
    ] {
        let server = ModelServer::start([hello("resp_1")]).await;
        let mut ui = session(&server, &issuer, &auth).configured().await;
        ui.task("u1", "hello").await;
        let request = server.request(1).await;
        assert_eq!([request.header("authorization"), request.header("chatgpt-account-id")], expected);
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn the_providers_own_key_wins_and_other_providers_get_nothing() {
    let issuer = Issuer::start().await;
    let auth = account("access-1", "refresh-1");
    let server = ModelServer::start([hello("resp_1"), hello("resp_2")]).await;
    let own = session(&server, &issuer, &auth).provider("experimental_bearer_token", "'sk-own'");
    let mut ui = own.configured().await;
    ui.task("u1", "hello").await;
    ui.ends_with(0).await;
    let mut ui = session(&server, &issuer, &auth).provider("requires_openai_auth", "false").configured().await;
    ui.task("u1", "hello").await;
    ui.ends_with(0).await;
    let sent = [server.request(1).await, server.request(2).await];
    assert_eq!(sent.each_ref().map(|r| r.header("authorization")), [Some("Bearer sk-own"), None]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_what_is_renewed_is_kept() {
    let issuer = Issuer::start().await;
    let auth = issued(&issuer).await;
    let first = auth["tokens"]["access_token"].as_str().unwrap().to_owned();
    issuer.end_tokens(false);
    let server = ModelServer::start([unauthorized(), hello("resp_1"), hello("resp_2")]).await;
    let mut ui = session(&server, &issuer, &auth).configured().await;
    assert_eq!(last_of(&mut ui, "u1").await, "task_complete");
    assert_eq!(last_of(&mut ui, "u2").await, "task_complete");
    let mut sent = Vec::new();
    for number in 1..=3 {
        sent.push(server.request(number).await.header("authorization").unwrap().to_owned());
    }
    assert_eq!(sent[0], format!("Bearer {first}"));
    assert!(sent[1] != sent[0] && sent[2] == sent[1], "{sent:?}");
    assert!(issuer.accepts(sent[1].strip_prefix("Bearer ").unwrap()));
    assert_eq!(issuer.asked().iter().filter(|path| *path == "/token refresh_token").count(), 1);
    let home = ui.home().to_owned();
    let kept = fs::read_to_string(home.join("auth.json")).unwrap();
    assert!(kept.contains(sent[1].strip_prefix("Bearer ").unwrap()), "{kept}");
    assert_eq!(fs::metadata(home.join("auth.json")).unwrap().permissions().mode() & 0o7777, 0o600);
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_refresh_token_that_was_revoked_ends_the_task_with_one_clear_error() {
    let issuer = Issuer::start().await;
    let auth = issued(&issuer).await;
    issuer.end_tokens(true);
    let server = ModelServer::start([unauthorized(), unauthorized()]).await;
    let mut ui = session(&server, &issuer, &auth).configured().await;
    for task in ["u1", "u2"] {
        let last = last_of(&mut ui, task).await;
        assert!(last.starts_with("error: the login could not be renewed because"), "{last}");
        assert!(last.ends_with("log out and log in again"), "{last}");
    }
    assert_eq!(server.count(), 2);
    let asked = issuer.asked().iter().filter(|path| *path == "/token refresh_token").count();
    assert_eq!(asked, 1, "what was refused for good is not asked again");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_second_refusal_is_an_error_and_not_a_second_renewal() {
    let issuer = Issuer::start().await;
    let auth = issued(&issuer).await;
    let server = ModelServer::start([unauthorized(), unauthorized()]).await;
    let mut ui = session(&server, &issuer, &auth).configured().await;
    let last = last_of(&mut ui, "u1").await;
    assert!(last.starts_with("error: ") && last.contains("401"), "{last}");
    assert_eq!((server.count(), issuer.asked().iter().filter(|p| *p == "/token refresh_token").count()), (2, 1));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn nobody_logged_in_is_told_what_to_do() {
    let server = ModelServer::start([]).await;
    let issuer = Issuer::start().await;
    let setup = session(&server, &issuer, &json!({})).provider("env_key", "'NO_SUCH_KEY'");
    let mut ui = setup.configured().await;
    let last = last_of(&mut ui, "u1").await;
    assert_eq!(last, "error: Missing environment variable: `NO_SUCH_KEY`. Set it, or run `llmx login`.");
    ui.ends_with(0).await;
}

/// Looks, as a command of the model's, at everything that a command can see of its parents, and at itself.
const LOOK: &str = "env; cat /proc/self/environ /proc/$PPID/environ /proc/$PPID/cmdline; \
                    for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; done 2>/dev/null";

#[tokio::test]
async fn logs_commands_and_events_see_nothing_of_it() {
    let issuer = Issuer::start().await;
    let auth = issued(&issuer).await;
    issuer.end_tokens(false);
    let look = Response::of("resp_1").runs("call_1", &["sh", "-c", LOOK]).completed();
    let server = ModelServer::start([unauthorized(), look, hello("resp_2")]).await;
    let mut ui = session(&server, &issuer, &auth).configured().await;
    ui.task("u1", "look").await;
    let seen = server.request(3).await.body.to_string();
    let stderr = ui.stderr();
    assert!(seen.contains("LLMX_HOME") && stderr.len() > 1000, "there is something to look at");
    for secret in issuer.secrets() {
        for (where_, text) in [("a command", &seen), ("the log", &stderr), ("an event", &ui.story())] {
            assert!(!text.contains(&secret), "{where_} sees {secret}");
        }
    }
    ui.ends_with(0).await;
}
