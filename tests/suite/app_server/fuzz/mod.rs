//! Params of every method, made from the generated schema: right ones, and such that were spoiled. Each request has one
//! answer, an error names what is wrong, and llmx lives. The client itself holds every answer to the schema, so that
//! right params are never refused as wrong ones nor wrong ones let pass.
//!
//! `LLMX_FUZZ=1000` makes as many rounds of all methods instead of a few, `LLMX_FUZZ_SEED` begins elsewhere.

mod chance;
mod valid;
mod wrong;

use crate::login::login_table;
use chance::Chance;
use llmx_protocol::schema::AppServerSchema;
use llmx_protocol::wire::rpc::RpcError;
use llmx_tests::world::{Client, Issuer, Setup, deserted_url, fault_of_params};
use serde_json::{Value, json};
use std::{collections::BTreeMap, env, fs};
use valid::{Known, Maker};

/// Rounds over all methods, without a word from outside.
const ROUNDS: u64 = 30;
/// Rounds that one llmx lives through.
const ROUNDS_OF_A_CLIENT: u64 = 20;
/// Handshakes that are tried.
const HANDSHAKES: usize = 20;
/// Ids that are remembered.
const IDS: usize = 12;

struct Request {
    id: i64,
    method: &'static str,
    params: Value,
    /// The only member that was spoiled.
    spoiled: Option<String>,
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

async fn unknown_client(issuer: &Issuer) -> Client {
    let nowhere = deserted_url().await;
    let setup = Setup::with_model_at(&nowhere).provider("request_max_retries", "0").tables(&login_table(issuer));
    setup.serve()
}

async fn client(issuer: &Issuer) -> Client {
    let mut client = unknown_client(issuer).await;
    client.workspace.write("deep/file", "x");
    client.initialize().await;
    client
}

/// Requests of every method, each of them right at first and half of them spoiled then.
async fn round(client: &mut Client, schema: &AppServerSchema, ids: &[String], chance: &mut Chance) -> Vec<Request> {
    let mut requests = Vec::new();
    let place = client.workspace.path().to_owned();
    let known = Known { place: &place, ids };
    for method in schema.client_requests() {
        let document = schema.json(&method.params).unwrap();
        let mut maker = Maker { document: &document, known: &known, chance };
        let mut params = maker.value();
        assert_eq!(fault_of_params(method.method, &params), None, "the maker errs: {params:#}");
        let spoiled = if maker.chance.coin() { wrong::spoil(&mut params, &mut maker) } else { None };
        let id = client.request(method.method, params.clone()).await;
        requests.push(Request { id, method: method.method, params, spoiled });
    }
    requests
}

/// Looks at an answer; what it says of threads and turns is remembered.
fn judge(request: &Request, answer: &Value, ids: &mut Vec<String>) {
    let Request { method, params, .. } = request;
    for thing in ["thread", "turn"] {
        ids.extend(answer["result"][thing]["id"].as_str().map(str::to_owned));
    }
    ids.extend(answer["result"]["loginId"].as_str().map(str::to_owned));
    ids.drain(..ids.len().saturating_sub(IDS));
    let error = &answer["error"];
    if error.is_null() {
        return;
    }
    let says = error["message"].as_str().unwrap();
    assert!([-32600, -32602, -32603].contains(&error["code"].as_i64().unwrap()), "{method} {params}: {error}");
    assert!(!says.is_empty(), "{method} {params}: {error}");
    if error["code"] == -32602 {
        let (begin, why) = says.split_at(says.find(": ").unwrap_or_default());
        assert_eq!(begin, format!("Invalid params for {method}"), "{params}: {error}");
        // A member has several spellings, and the first of them is told.
        let plain = |text: &str| text.replace('_', "").to_lowercase();
        let names_it = request.spoiled.as_ref().is_none_or(|member| plain(why).contains(&plain(member)));
        assert!(names_it, "{:?} is not named: {method} {params}: {error}", request.spoiled);
    }
}

#[tokio::test]
async fn every_request_has_one_answer_that_names_what_is_wrong() {
    let issuer = Issuer::start().await;
    let schema = AppServerSchema::new();
    let (rounds, seed) = (number("LLMX_FUZZ").unwrap_or(ROUNDS), number("LLMX_FUZZ_SEED").unwrap_or(1));
    let mut outcomes = BTreeMap::new();
    for first in (0..rounds).step_by(ROUNDS_OF_A_CLIENT as usize) {
        let mut client = client(&issuer).await;
        let mut ids = Vec::new();
        for number in first..rounds.min(first + ROUNDS_OF_A_CLIENT) {
            let mut chance = Chance::of(seed + number);
            let requests = round(&mut client, &schema, &ids, &mut chance).await;
            for request in &requests {
                let t = std::time::Instant::now();
                let answer = client.answer_to(request.id).await;
                if t.elapsed().as_millis() > 100 {
                    eprintln!(
                        "SLOW {:?} {} {} {}",
                        t.elapsed(),
                        request.method,
                        request.params.to_string().chars().take(300).collect::<String>(),
                        answer.to_string().chars().take(300).collect::<String>()
                    );
                }
                judge(request, &answer, &mut ids);
                let code = answer["error"]["code"].as_i64().unwrap_or(0);
                *outcomes.entry((request.method, code)).or_insert(0_usize) += 1;
            }
        }
        client.call("account/read", json!({})).await;
        assert!(client.processes().is_empty(), "{:#?}", client.processes());
        let stderr = fs::read_to_string(client.home().join("stderr")).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        client.ends_with(0).await;
    }
    // What is made must not be all of one kind, or it finds nothing.
    for method in schema.client_requests().iter().map(|known| known.method).filter(|name| *name != "initialize") {
        let was_refused = outcomes.contains_key(&(method, RpcError::INVALID_PARAMS));
        let was_understood = outcomes.keys().any(|(name, code)| *name == method && *code != RpcError::INVALID_PARAMS);
        assert!(was_refused && was_understood, "{method}: {outcomes:#?}");
    }
    let results: usize = outcomes.iter().filter(|((_, code), _)| *code == 0).map(|(_, count)| count).sum();
    assert!(results > outcomes.values().sum::<usize>() / 5, "{outcomes:#?}");
}

#[tokio::test]
async fn a_handshake_that_is_refused_can_be_had_again() {
    let issuer = Issuer::start().await;
    let document = AppServerSchema::new().json("InitializeParams").unwrap();
    let mut chance = Chance::of(number("LLMX_FUZZ_SEED").unwrap_or(1));
    for _ in 0..HANDSHAKES {
        let mut client = unknown_client(&issuer).await;
        let place = client.workspace.path().to_owned();
        let known = Known { place: &place, ids: &[] };
        let mut maker = Maker { document: &document, known: &known, chance: &mut chance };
        let mut params = maker.value();
        let spoiled = wrong::spoil(&mut params, &mut maker);
        let id = client.request("initialize", params.clone()).await;
        let answer = client.answer_to(id).await;
        judge(&Request { id, method: "initialize", params, spoiled }, &answer, &mut Vec::new());
        if !answer["error"].is_null() {
            client.initialize().await;
        }
        client.call("account/read", Value::Null).await;
        client.ends_with(0).await;
    }
}

#[tokio::test]
async fn what_is_nested_deep_is_answered() {
    let issuer = Issuer::start().await;
    let mut client = client(&issuer).await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let mut check = async |method: &str, member: &str, code: &Value| {
        let line =
            format!(r#"{{"id":7,"method":"{method}","params":{{"threadId":"t","input":[],"{member}":{deep}}}}}"#);
        client.send_line(&line).await;
        assert_eq!(client.answer_to(7).await["error"]["code"], *code, "{method}");
    };
    check("thread/loaded/list", "noSuchMember", &Value::Null).await;
    check("turn/start", "outputSchema", &json!(-32602)).await;
    check("thread/start", "cwd", &json!(-32602)).await;
    client.call("account/read", Value::Null).await;
    client.ends_with(0).await;
}
