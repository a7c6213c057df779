//! What clients may know of the configuration.

use llmx_tests::world::{Client, ModelServer, Response, Setup};
use serde_json::{Value, json};

async fn client() -> Client {
    let server = ModelServer::start([]).await;
    let setup = Setup::with(&server).provider("experimental_bearer_token", "'sk-secret'");
    let mut client = setup.provider("requires_openai_auth", "true").setting("model_reasoning_effort", "'high'").serve();
    client.initialize().await;
    client
}

#[tokio::test]
async fn the_configured_model_is_there_for_whoever_asks() {
    let mut client = client().await;
    let models = client.call("model/list", json!({"limit": 5, "includeHidden": true})).await;
    let [model] = &models["data"].as_array().unwrap()[..] else { panic!("{models}") };
    assert_eq!(
        (&model["id"], &model["model"], &model["isDefault"]),
        (&json!("scripted"), &json!("scripted"), &json!(true))
    );
    assert_eq!((&model["hidden"], &model["defaultReasoningEffort"]), (&json!(false), &json!("high")));
    for member in ["displayName", "description"] {
        assert!(model[member].is_string(), "{member}: {model}");
    }
    assert!(model["supportedReasoningEfforts"][0]["reasoningEffort"].is_string(), "{model}");
    assert_eq!(client.call("model/list", json!({"cursor": "1"})).await["data"], json!([]));
    assert_eq!(client.refused("model/list", json!({"cursor": "x"})).await["message"], "invalid cursor: x");
    assert_eq!(
        client.refused("model/list", json!({"cursor": "9"})).await["message"],
        "cursor 9 exceeds total models 1"
    );
    client.ends_with(0).await;
}

#[tokio::test]
async fn settings_are_told_and_secrets_are_not() {
    let mut client = client().await;
    let read = client.call("config/read", json!({"includeLayers": false})).await;
    let config = &read["config"];
    assert_eq!((&config["model"], &config["model_provider"]), (&json!("scripted"), &json!("scripted")));
    assert_eq!((&config["approval_policy"], &config["sandbox_mode"]), (&json!("never"), &json!("danger-full-access")));
    assert_eq!(config["model_providers"]["scripted"]["name"], "Scripted");
    assert!(!read.to_string().contains("sk-secret"), "{read}");
    let providers = client.call("modelProvider/list", json!({})).await;
    let default = providers["data"].as_array().unwrap().iter().find(|p| p["isDefault"] == true).unwrap();
    assert_eq!(default["id"], "scripted");
    let account = client.call("account/read", json!({})).await;
    assert_eq!((&account["account"], &account["requiresOpenaiAuth"]), (&json!({"type": "apiKey"}), &json!(true)));
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_thread_that_says_nothing_is_as_configured() {
    let mut client = client().await;
    let session = client.call("thread/start", Value::Null).await;
    // The directory that llmx was started in.
    assert_eq!(session["cwd"], json!(client.home()));
    assert_eq!(
        (&session["approvalPolicy"], &session["sandbox"]),
        (&json!("never"), &json!({"type": "dangerFullAccess"}))
    );
    assert_eq!((&session["thread"]["source"], &session["reasoningEffort"]), (&json!("vscode"), &json!("high")));
    client.ends_with(0).await;
}

#[tokio::test]
async fn what_llmx_does_not_have_is_an_empty_list() {
    let mut client = client().await;
    for method in ["permissionProfile/list", "mcpServerStatus/list"] {
        assert_eq!(client.call(method, json!({})).await, json!({"data": [], "nextCursor": null}), "{method}");
    }
    let skills = client.call("skills/list", json!({"cwds": ["/"]})).await;
    assert_eq!(skills["data"], json!([{"cwd": "/", "skills": [], "errors": []}]));
    for method in ["thread/rollback", "account/nothing", "fs/readFile"] {
        let refused = client.refused(method, Value::Null).await;
        assert_eq!(refused, json!({"code": -32601, "message": format!("Method not found: {method}")}));
    }
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_thread_changes_some_of_a_provider_that_is_known() {
    let configured = ModelServer::start([]).await;
    let said = |id: &str| Response::of(id).says(&["Well."]).completed();
    let setup = || Setup::with(&configured).provider("http_headers", "{ x-kept = 'yes' }");
    for nested in [true, false] {
        let elsewhere = ModelServer::start([said("resp_1"), said("resp_2")]).await;
        let config = match nested {
            true => json!({"model_providers": {"scripted": {"base_url": elsewhere.url()}}}),
            false => json!({"model_providers.scripted.base_url": elsewhere.url()}),
        };
        let mut client = setup().serve();
        client.initialize().await;
        let started = client.start_thread(json!({"config": config})).await;
        assert_eq!(started["modelProvider"], "scripted");
        let thread = started["thread"]["id"].as_str().unwrap().to_owned();
        let turn = client.say(&thread, "hello").await;
        client.until_the_end_of(&turn).await;
        assert_eq!(elsewhere.request(1).await.header("x-kept"), Some("yes"), "all else is as configured");
        // It stays so when somebody else opens the thread.
        let mut client = setup().in_place_of(client.leaves().await).serve();
        client.initialize().await;
        let resumed = client.call("thread/resume", json!({"threadId": thread})).await;
        assert_eq!(resumed["modelProvider"], "scripted");
        let turn = client.say(&thread, "again").await;
        client.until_the_end_of(&turn).await;
        assert_eq!(elsewhere.request(2).await.header("x-kept"), Some("yes"));
        client.ends_with(0).await;
    }
    assert_eq!(configured.count(), 0);
}

#[tokio::test]
async fn some_of_a_provider_that_nobody_knows_is_not_enough() {
    let server = ModelServer::start([]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    for config in [
        json!({"model_providers": {"mine": {"wire_api": "chat"}}}),
        json!({"model_providers.mine": {"wire_api": "chat"}}),
        json!({"model_providers.mine.wire_api": "chat"}),
    ] {
        let error = client.refused("thread/start", json!({"modelProvider": "mine", "config": config})).await;
        let says = error["message"].as_str().unwrap();
        let why = "no provider `mine` is known, so that this must be all of one: `base_url` is missing";
        assert!(
            error["code"] == -32600 && says.starts_with("error deriving config: ") && says.ends_with(why),
            "{says}"
        );
    }
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_thread_has_a_provider_of_its_own() {
    let configured = ModelServer::start([]).await;
    let said = |id: &str| Response::of(id).says(&["Well."]).completed();
    let own = ModelServer::start([said("resp_1"), said("resp_2")]).await;
    let setup = || Setup::with(&configured);
    let mut client = setup().serve();
    client.initialize().await;
    let provider = json!({"name": "mine", "base_url": own.url(), "wire_api": "responses"});
    let config = json!({"model_providers": {"mine": provider}});
    let started = client.start_thread(json!({"modelProvider": "mine", "model": "its", "config": config})).await;
    assert_eq!((&started["modelProvider"], &started["model"]), (&json!("mine"), &json!("its")));
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let turn = client.say(&thread, "hello").await;
    client.until_the_end_of(&turn).await;
    assert_eq!(own.request(1).await.conversation(), ["user: hello"]);
    // It stays so when somebody else opens the thread.
    let mut client = setup().in_place_of(client.leaves().await).serve();
    client.initialize().await;
    let resumed = client.call("thread/resume", json!({"threadId": thread})).await;
    assert_eq!(resumed["modelProvider"], "mine");
    let turn = client.say(&thread, "again").await;
    client.until_the_end_of(&turn).await;
    assert_eq!(own.request(2).await.body["model"], "its");
    let unknown = client.refused("thread/start", json!({"modelProvider": "nobody"})).await;
    assert_eq!(unknown["code"], -32600, "{unknown}");
    client.ends_with(0).await;
}
