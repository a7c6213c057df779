//! What `config.toml` and `-c` say counts, and what they say wrongly is told.

use llmx_tests::world::{ModelServer, Response, Setup};
use serde_json::json;

fn hello() -> llmx_tests::world::Answer {
    Response::of("resp_1").says(&["Hello."]).completed()
}

#[tokio::test]
async fn a_session_with_nothing_but_a_directory_takes_its_settings_from_the_file() {
    let server = ModelServer::start([hello()]).await;
    let setup = Setup::with(&server)
        .setting("model", "'gpt-5'")
        .setting("model_reasoning_effort", "'high'")
        .setting("user_instructions", "'Be kind.'")
        .setting("developer_instructions", "'Be exact.'");
    let mut ui = setup.start();
    let session = ui.configure(json!({})).await;
    assert_eq!((session.text("model"), session.text("reasoning_effort")), ("gpt-5", "high"));
    ui.task("u1", "hello").await;
    let request = server.request(1).await;
    assert_eq!((&request.body["model"], &request.body["reasoning"]["effort"]), (&json!("gpt-5"), &json!("high")));
    let input = request.body["input"].to_string();
    for told in ["Be kind.", "Be exact.", "<approval_policy>never</approval_policy>", "danger-full-access"] {
        assert!(input.contains(told), "{told} is not in {input}");
    }
    ui.ends_with(0).await;
}

#[tokio::test]
async fn an_override_on_the_command_line_beats_the_file_and_the_op_beats_both() {
    let server = ModelServer::start([hello()]).await;
    let arguments = ["-c", "model=from the line", "-c", "model_providers.scripted.http_headers={x-test='yes'}"];
    let mut ui = Setup::with(&server).arguments(&arguments).start();
    assert_eq!(ui.configure(json!({})).await.text("model"), "from the line");
    ui.send("c2", json!({"type": "configure_session", "cwd": "/", "model": "from the op"})).await;
    assert_eq!(ui.until("session_configured").await.text("model"), "from the op");
    ui.task("u1", "hello").await;
    let request = server.request(1).await;
    assert_eq!((&request.body["model"], request.header("x-test")), (&json!("from the op"), Some("yes")));
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_provider_may_come_with_the_op() {
    let elsewhere = ModelServer::start([hello()]).await;
    let mut ui = Setup::with_model_at("http://127.0.0.1:9/v1").start();
    ui.configure(json!({"provider": {"name": "Elsewhere", "base_url": elsewhere.url()}})).await;
    assert_eq!(ui.task("u1", "hello").await.last().unwrap().kind(), "task_complete");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn some_of_a_provider_that_is_known_may_be_changed() {
    for by_op in [true, false] {
        let elsewhere = ModelServer::start([hello()]).await;
        let url = elsewhere.url();
        let setup = Setup::with_model_at("http://127.0.0.1:9/v1").provider("http_headers", "{ x-kept = 'yes' }");
        let mut ui = if by_op {
            let mut ui = setup.start();
            ui.configure(json!({"model_provider": "scripted", "provider_overrides": {"base_url": url}})).await;
            ui
        } else {
            let record = format!("model_providers.scripted={{ base_url = '{url}' }}");
            setup.arguments(&["-c", &record]).configured().await
        };
        assert_eq!(ui.task("u1", "hello").await.last().unwrap().kind(), "task_complete");
        assert_eq!(elsewhere.request(1).await.header("x-kept"), Some("yes"));
        ui.ends_with(0).await;
    }
}

#[tokio::test]
async fn an_unknown_key_is_a_warning() {
    let server = ModelServer::start([hello()]).await;
    let mut ui = Setup::with(&server).setting("modle", "'typo'").configured().await;
    let warning = ui.next().await;
    assert_eq!(warning.kind(), "warning");
    assert!(warning.text("message").contains("config.toml: unknown key `modle` is ignored"), "{warning:?}");
    assert_eq!(ui.task("u1", "hello").await.last().unwrap().kind(), "task_complete");
    ui.ends_with(0).await;
}

/// llmx does not start: one sentence on standard error, nothing on standard output.
async fn check_refused(setup: Setup, words: &[&str]) {
    let mut ui = setup.start();
    assert_eq!(ui.rest().await, []);
    assert_eq!(ui.exit_code().await, 1);
    let stderr = ui.stderr();
    assert!(stderr.starts_with("llmx: ") && stderr.trim_end().lines().count() == 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_told_in_one_sentence() {
    let server = ModelServer::start([]).await;
    let setup = || Setup::with(&server);
    check_refused(setup().tables("[broken"), &["config.toml:"]).await;
    check_refused(setup().setting("approval_policy", "'sometimes'"), &["config.toml", "approval_policy"]).await;
    check_refused(setup().setting("model_provider", "'nobody'"), &["Model provider `nobody` not found"]).await;
    check_refused(setup().arguments(&["-c", "model"]), &["-c model", "key=value"]).await;
    check_refused(setup().arguments(&["-c", "kill_grace_ms=soon"]), &["kill_grace_ms"]).await;
    let some = ["-c", "model_provider=mine", "-c", "model_providers.mine.wire_api=chat"];
    let why = "-c model_providers.mine.wire_api: `model_providers.mine`: no provider `mine` is known, so that this must be \
               all of one: `base_url` is missing";
    check_refused(setup().arguments(&some), &[why]).await;
}

#[tokio::test]
async fn standard_output_carries_nothing_but_events() {
    let server = ModelServer::start([Response::of("resp_1").runs("call_1", &["env"]).completed(), hello()]).await;
    // That every line of output is an event is looked at for each line that is read.
    let mut ui = Setup::with(&server).variable("LLMX_LOG", "trace").configured().await;
    ui.task("u1", "hello").await;
    ui.send_raw(b"nonsense\n").await;
    ui.until("error").await;
    assert!(!ui.stderr().is_empty(), "logs go to standard error");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn what_commands_see_of_the_environment_is_configured() {
    let server = ModelServer::start([Response::of("resp_1").runs("call_1", &["env"]).completed(), hello()]).await;
    let policy = "[shell_environment_policy]\nexclude = ['UNWANTED']\nset = { ADDED = 'by the user' }\n";
    let setup = Setup::with(&server).tables(policy).variable("UNWANTED", "still here").variable("WANTED", "kept");
    let mut ui = setup.configured().await;
    ui.task("u1", "hello").await;
    let seen = server.request(2).await.command_output("call_1")["output"].as_str().unwrap().to_owned();
    assert!(seen.contains("ADDED=by the user") && seen.contains("WANTED=kept"), "{seen}");
    assert!(!seen.contains("still here"), "{seen}");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn variables_that_hold_credentials_of_providers_are_not_the_commands() {
    let server = ModelServer::start([Response::of("resp_1").runs("call_1", &["env"]).completed(), hello()]).await;
    let headers = "{ 'X-Auth' = 'WORK_LOGIN', 'X-Team' = 'WORK_TEAM' }";
    let setup = Setup::with(&server).provider("env_http_headers", headers).provider("env_key", "'WORK_PW'");
    let setup = setup.variable("WORK_LOGIN", "hunter1").variable("WORK_PW", "hunter2").variable("WORK_TEAM", "seven");
    let mut ui = setup.configured().await;
    ui.task("u1", "hello").await;
    let seen = server.request(2).await.command_output("call_1")["output"].as_str().unwrap().to_owned();
    assert!(seen.contains("WORK_TEAM=seven") && !seen.contains("hunter"), "{seen}");
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_model_on_this_machine_is_asked_without_a_proxy() {
    let server = ModelServer::start([hello()]).await;
    let deserted = llmx_tests::world::deserted_url().await;
    let setup = Setup::with(&server).variable("HTTP_PROXY", &deserted).variable("http_proxy", &deserted);
    let mut ui = setup.provider("request_max_retries", "0").configured().await;
    assert_eq!(ui.task("u1", "hello").await.last().unwrap().kind(), "task_complete", "{}", ui.story());
    ui.ends_with(0).await;
}
