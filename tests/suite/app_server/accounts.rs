//! Logging in and out as a client does it.

use llmx_tests::world::{Answer, Client, ModelServer, Setup};
use serde_json::{Value, json};

async fn client() -> Client {
    let server = ModelServer::start([]).await;
    let mut client = Setup::with(&server).provider("requires_openai_auth", "true").serve();
    client.initialize().await;
    client
}

async fn told(client: &mut Client) -> (Value, Value) {
    let mut note = client.next().await;
    (note["method"].take(), note["params"].take())
}

#[tokio::test]
async fn a_key_logs_in_and_out_and_everybody_is_told() {
    let mut client = client().await;
    let nobody = client.call("account/read", json!({})).await;
    assert_eq!((&nobody["account"], &nobody["requiresOpenaiAuth"]), (&Value::Null, &json!(true)));
    let limits = client.refused("account/rateLimits/read", Value::Null).await;
    assert_eq!(limits["message"], "llmx account authentication required to read rate limits");
    let started = client.call("account/login/start", json!({"type": "apiKey", "apiKey": "sk-mine"})).await;
    assert_eq!(started, json!({"type": "apiKey"}));
    let (method, completed) = told(&mut client).await;
    assert_eq!(
        (method, &completed["loginId"], &completed["success"], &completed["error"]),
        (json!("account/login/completed"), &Value::Null, &json!(true), &Value::Null)
    );
    assert_eq!(told(&mut client).await, (json!("account/updated"), json!({"authMode": "apikey", "planType": null})));
    assert_eq!(client.call("account/read", json!({})).await["account"], json!({"type": "apiKey"}));
    let limits = client.refused("account/rateLimits/read", json!({})).await;
    assert_eq!(limits["message"], "chatgpt authentication required to read rate limits");
    assert_eq!(client.call("account/logout", Value::Null).await, json!({}));
    assert_eq!(told(&mut client).await, (json!("account/updated"), json!({"authMode": null, "planType": null})));
    assert_eq!(client.call("account/read", json!({})).await["account"], Value::Null);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_login_that_is_not_there_is_not_found_and_a_way_that_is_not_known_is_named() {
    let mut client = client().await;
    let cancelled = client.call("account/login/cancel", json!({"loginId": "7"})).await;
    assert_eq!(cancelled, json!({"status": "notFound"}));
    let unknown = client.refused("account/login/start", json!({"type": "smoke"})).await;
    assert_eq!(unknown["code"], -32602);
    assert!(unknown["message"].as_str().unwrap_or_default().contains("smoke"), "{unknown}");
    client.ends_with(0).await;
}

#[tokio::test]
async fn limits_of_an_account_are_those_that_were_told_last() {
    let headers = [("x-llmx-primary-used-percent", "12.5"), ("x-llmx-primary-window-minutes", "300")];
    let completed = json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}});
    let server = ModelServer::start([Answer::stream_with(&headers).events([completed]).ends()]).await;
    let tokens = json!({"id_token": "e30.e30.x", "access_token": "a", "refresh_token": "r", "account_id": "org-1"});
    let auth = json!({"OPENAI_API_KEY": null, "tokens": tokens, "last_refresh": null});
    let setup = Setup::with(&server).provider("requires_openai_auth", "true").file("auth.json", &auth.to_string());
    let mut client = setup.serve();
    client.initialize().await;
    let nothing = client.call("account/rateLimits/read", Value::Null).await;
    assert_eq!((&nothing["rateLimits"]["primary"], &nothing["rateLimits"]["secondary"]), (&Value::Null, &Value::Null));
    let thread = client.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
    client.say(&thread, "hello").await;
    let told = client.until("account/rateLimits/updated").await;
    assert_eq!(told["rateLimits"]["primary"], json!({"usedPercent": 13, "windowDurationMins": 300, "resetsAt": null}));
    assert_eq!(client.call("account/rateLimits/read", Value::Null).await, told);
    client.ends_with(0).await;
}
