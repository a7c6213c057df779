//! Conversations of a published engine with its clients (`tests/golden/app_server/`): the same messages in the same
//! order with the same members. More of each is allowed.

use llmx_tests::world::{Answer, Client, ModelServer, Response, Setup};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// A line of a golden file: what the client sends, or what must come.
enum Step {
    Send(Value),
    Expect(Value),
}

fn steps(name: &str) -> Vec<Step> {
    let path = format!("{}/golden/app_server/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.lines()
        .map(|line| {
            let mut step: Value = serde_json::from_str(line).unwrap();
            match step["send"].take() {
                Value::Null => Step::Expect(step),
                message => Step::Send(message),
            }
        })
        .collect()
}

/// The ids that llmx chose, under the names that the golden file has for them.
#[derive(Default)]
struct Names {
    known: BTreeMap<String, String>,
    threads: usize,
    turns: usize,
}

impl Names {
    fn learn(&mut self, answer: &Value) {
        if let Some(cursor) = answer["result"]["nextCursor"].as_str() {
            self.known.insert("$cursor".to_owned(), cursor.to_owned());
        }
        let mut name = |kind: &str, count: &mut usize, id: &Value| {
            let Some(id) = id.as_str().filter(|id| !self.known.values().any(|known| known == id)) else {
                return;
            };
            *count += 1;
            self.known.insert(format!("${kind}{count}"), id.to_owned());
        };
        name("thread", &mut self.threads, &answer["result"]["thread"]["id"]);
        name("turn", &mut self.turns, &answer["result"]["turn"]["id"]);
    }

    fn fill_in(&self, message: &Value) -> Value {
        let text = self.known.iter().fold(message.to_string(), |text, (name, id)| text.replace(name.as_str(), id));
        serde_json::from_str(&text).unwrap()
    }
}

fn at<'v>(message: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(message, |value, part| {
        let (name, index) = match part.strip_suffix("[0]") {
            Some(name) => (name, Some(0)),
            None => (part, None),
        };
        let member = value.get(name)?;
        index.map_or(Some(member), |index| member.get(index))
    })
}

/// Whether this is the message that the golden file means.
fn is_meant(message: &Value, expected: &Value) -> bool {
    let kind = if message["method"].is_null() { "answer" } else { message["method"].as_str().unwrap() };
    let says = expected["says"].as_object().unwrap();
    kind == expected["expect"]
        && (expected["id"].is_null() || expected["id"] == message["id"])
        && says.iter().filter(|(path, _)| path.ends_with(".type")).all(|(path, value)| at(message, path) == Some(value))
}

/// What differs from the golden file.
fn differences(message: &Value, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    for path in expected["members"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        if at(message, path).is_none() {
            differences.push(format!("no {path}"));
        }
    }
    for (path, value) in expected["says"].as_object().unwrap() {
        if at(message, path) != Some(value) {
            differences.push(format!("{path}: expected {value}, got {:?}", at(message, path)));
        }
    }
    differences
}

/// Plays the client's part. Messages that the golden file does not have may come in between.
async fn play(client: Client, name: &str) {
    play_with(client, name, &[]).await;
}

/// As [`play`], where the golden file has names for what is known before.
async fn play_with(mut client: Client, name: &str, known: &[(&str, &str)]) {
    let mut names = Names::default();
    names.known.insert("$cwd".to_owned(), client.workspace.path().display().to_string());
    names.known.extend(known.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    for step in steps(name) {
        let expected = match step {
            Step::Send(message) => {
                client.send(names.fill_in(&message)).await;
                continue;
            }
            Step::Expect(expected) => names.fill_in(&expected),
        };
        loop {
            let message = client.next().await;
            names.learn(&message);
            if is_meant(&message, &expected) {
                let differences = differences(&message, &expected);
                assert!(differences.is_empty(), "{message:#}\n{differences:#?}\n{}", client.story());
                break;
            }
        }
    }
    client.ends_with(0).await;
}

async fn check(name: &str, answers: impl IntoIterator<Item = Answer>, sandbox: &str) {
    let server = ModelServer::start(answers).await;
    let setup = Setup::with(&server).setting("approval_policy", "'on-request'").setting("sandbox_mode", sandbox);
    play(setup.serve(), name).await;
}

fn hello(id: &str) -> Answer {
    Response::of(id).says(&["Hello ", "from ", "the ", "mock ", "model."]).completed()
}

#[tokio::test]
async fn hello_is_said() {
    check("hello", [hello("resp_1")], "'danger-full-access'").await;
}

#[tokio::test]
async fn a_command_runs() {
    let server = ModelServer::start([
        Response::of("resp_1").runs("call_1", &["bash", "-c", "echo shell-ok-$((6*7)) && cat here"]).completed(),
        Response::of("resp_2").says(&["Shell ", "said: ", "shell-ok-42"]).completed(),
    ])
    .await;
    let client = Setup::with(&server).serve();
    client.workspace.write("here", "/TMP/work\n");
    play(client, "shell").await;
}

fn asks(id: &str) -> Answer {
    let further = json!({"with_escalated_permissions": true, "justification": "the mock model wants to write a file"});
    let command = ["bash", "-c", "echo approved > approved.txt && echo approved-ran"];
    Response::of(id).runs_with("call_1", &command, further).completed()
}

#[tokio::test]
async fn an_approval_is_accepted() {
    let said = Response::of("resp_2").says(&["Command ", "ran: ", "approved-ran"]).completed();
    check("approval_accept", [asks("resp_1"), said], "'read-only'").await;
}

#[tokio::test]
async fn an_approval_is_declined() {
    let said = Response::of("resp_2").says(&["Command ", "was ", "refused."]).completed();
    check("approval_decline", [asks("resp_1"), said], "'read-only'").await;
}

#[tokio::test]
async fn a_patch_is_accepted() {
    let patch = "*** Begin Patch\n*** Add File: patched.txt\n+patched by the mock\n*** End Patch\n";
    let arguments = json!({"input": patch}).to_string();
    let calls = Response::of("resp_1").calls("call_1", "apply_patch", &arguments).completed();
    let said = Response::of("resp_2").says(&["Patch ", "applied."]).completed();
    check("patch_accept", [calls, said], "'read-only'").await;
}

#[tokio::test]
async fn a_command_is_interrupted() {
    let runs = Response::of("resp_1").runs_script("call_1", "echo long-start; sleep 1000; echo long-end").completed();
    check("interrupt_command", [runs, hello("resp_2")], "'danger-full-access'").await;
}

#[tokio::test]
async fn a_turn_is_steered() {
    let slow = Response::of("resp_1").begins_to_say(&["word0 "]).so_far().stalls();
    check("steer", [slow, hello("resp_2")], "'danger-full-access'").await;
}

#[tokio::test]
async fn an_answer_has_the_form_that_was_asked_for() {
    let structured = ["{\"answer\": ", "42, ", "\"ok\": ", "true}"];
    let server = ModelServer::start([
        Response::of("resp_1").says(&structured).completed(),
        Response::of("resp_2").says(&["no ", "schema"]).completed(),
    ])
    .await;
    let client = Setup::with(&server).serve();
    play(client, "structured").await;
    let schema = json!({"type": "object", "properties": {"answer": {"type": "integer"}, "ok": {"type": "boolean"}},
        "required": ["answer", "ok"], "additionalProperties": false});
    let format = server.request(1).await.body["text"]["format"].clone();
    assert_eq!((&format["type"], &format["strict"], &format["schema"]), (&json!("json_schema"), &json!(true), &schema));
    assert!(server.request(2).await.body["text"]["format"].is_null());
}

#[tokio::test]
async fn accounts_and_what_is_configured_are_told() {
    check("account", [], "'danger-full-access'").await;
}

/// Without the notifications that the golden conversation has between `thread/resume` and its answer: the specification
/// wants none.
#[tokio::test]
async fn threads_are_resumed_listed_and_put_away() {
    let recalls = ["I ", "see ", "2 ", "user ", "messages; ", "first ", "keyword ", "SAY_HELLO"];
    let recalls = Response::of("resp_3").says(&recalls).completed();
    let server = ModelServer::start([hello("resp_1"), hello("resp_2"), hello("resp_2"), recalls]).await;
    let setup = || Setup::with(&server).setting("sandbox_mode", "'danger-full-access'");
    let mut before = setup().serve();
    before.initialize().await;
    let mut threads = Vec::new();
    for words in ["SAY_HELLO please", "SLOW_TEXT please", "SLOW_TEXT please"] {
        let thread = before.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
        let turn = before.say(&thread, words).await;
        before.until_the_end_of(&turn).await;
        threads.push(thread);
    }
    let client = setup().in_place_of(before.leaves().await).serve();
    play_with(client, "resume_list_archive", &[("$older", &threads[0])]).await;
}
