//! Threads that are kept: listed, read, resumed, forked, put away.

use llmx_tests::world::{Answer, Client, ModelServer, Response, Setup};
use serde_json::{Value, json};

fn says(id: &str, text: &str) -> Answer {
    Response::of(id).says(&[text]).completed()
}

async fn turn(client: &mut Client, thread: &str, text: &str) -> Value {
    let turn = client.say(thread, text).await;
    let end = client.until_the_end_of(&turn).await.pop().unwrap();
    end["params"]["turn"].clone()
}

fn id_of(session: &Value) -> String {
    session["thread"]["id"].as_str().unwrap().to_owned()
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|thread| thread["id"].as_str().unwrap()).collect()
}

/// Who said what in the turns of a thread.
fn conversation(thread: &Value) -> Vec<String> {
    let items = thread["turns"].as_array().unwrap().iter().flat_map(|turn| turn["items"].as_array().unwrap());
    items.map(said).collect()
}

fn said(item: &Value) -> String {
    match item["type"].as_str().unwrap() {
        "userMessage" => format!("user: {}", item["content"][0]["text"].as_str().unwrap()),
        "agentMessage" => format!("agent: {}", item["text"].as_str().unwrap()),
        "commandExecution" => format!("command: {}", item["exitCode"]),
        other => other.to_owned(),
    }
}

#[tokio::test]
async fn a_thread_is_listed_read_named_forked_and_put_away() {
    let server = ModelServer::start([says("r1", "Hello."), says("r2", "Again."), says("r3", "Forked.")]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    let thread = id_of(&client.start_thread(json!({})).await);
    assert_eq!(ids(&client.call("thread/list", json!({})).await), [] as [&str; 0], "nobody said anything yet");
    turn(&mut client, &thread, "SAY_HELLO please").await;

    let list = client
        .call(
            "thread/list",
            json!({"limit": 10, "modelProviders": ["scripted"], "useStateDbOnly": true,
        "sourceKinds": ["cli", "vscode", "appServer", "unknown"]}),
        )
        .await;
    assert_eq!(ids(&list), [thread.as_str()]);
    let listed = &list["data"][0];
    assert_eq!((&listed["preview"], &listed["modelProvider"]), (&json!("SAY_HELLO please"), &json!("scripted")));
    assert_eq!((&listed["status"]["type"], &listed["turns"]), (&json!("idle"), &json!([])));
    assert!(listed["createdAt"].as_i64().unwrap() > 1_700_000_000, "{listed}");
    assert_eq!(list["nextCursor"], Value::Null);
    assert_eq!(ids(&client.call("thread/list", json!({"modelProviders": ["other"]})).await), [] as [&str; 0]);

    let resumed = client.call("thread/resume", json!({"threadId": thread})).await;
    assert_eq!(conversation(&resumed["thread"]), ["user: SAY_HELLO please", "agent: Hello."]);
    turn(&mut client, &thread, "more").await;
    let read = client.call("thread/read", json!({"threadId": thread, "includeTurns": true})).await;
    let all = ["user: SAY_HELLO please", "agent: Hello.", "user: more", "agent: Again."];
    assert_eq!(conversation(&read["thread"]), all);
    assert_eq!(client.call("thread/read", json!({"threadId": thread})).await["thread"]["turns"], json!([]));
    let items =
        client.call("thread/items/list", json!({"threadId": thread, "limit": 1, "sortDirection": "desc"})).await;
    assert_eq!((said(&items["data"][0]["item"]), &items["nextCursor"]), ("agent: Again.".to_owned(), &json!("3")));
    let turns = client
        .call("thread/turns/list", json!({"threadId": thread, "sortDirection": "asc", "itemsView": "notLoaded"}))
        .await;
    assert_eq!((turns["data"].as_array().unwrap().len(), &turns["data"][0]["items"]), (2, &json!([])));

    client.call("thread/name/set", json!({"threadId": thread, "name": "my thread"})).await;
    assert_eq!(client.until("thread/name/updated").await, json!({"threadId": thread, "threadName": "my thread"}));
    assert_eq!(client.call("thread/loaded/list", json!({})).await["data"], json!([thread]));

    let forked = client.call("thread/fork", json!({"threadId": thread})).await;
    let fork = id_of(&forked);
    assert_ne!(fork, thread);
    assert_eq!((&forked["thread"]["forkedFromId"], conversation(&forked["thread"]).len()), (&json!(thread), 4));
    assert_eq!(client.until("thread/started").await["thread"]["id"], fork);
    turn(&mut client, &fork, "on the fork").await;
    let asked = server.request(3).await.conversation();
    assert_eq!(asked.len(), 5, "{asked:?}");

    client.call("thread/archive", json!({"threadId": thread})).await;
    assert_eq!(client.until("thread/archived").await["threadId"], thread);
    assert_eq!(ids(&client.call("thread/list", json!({})).await), [fork.as_str()]);
    assert_eq!(ids(&client.call("thread/list", json!({"archived": true})).await), [thread.as_str()]);
    let back = client.call("thread/unarchive", json!({"threadId": thread})).await;
    assert_eq!(
        (&back["thread"]["name"], &back["thread"]["status"]["type"]),
        (&json!("my thread"), &json!("notLoaded"))
    );
    client.call("thread/delete", json!({"threadId": fork})).await;
    assert_eq!(ids(&client.call("thread/list", json!({})).await), [thread.as_str()]);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_thread_goes_on_in_another_process_under_its_own_settings() {
    let server = ModelServer::start([says("r1", "Hello."), says("r2", "I recall.")]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    let settings = json!({"approvalPolicy": "untrusted", "sandbox": "workspace-write", "model": "chosen"});
    let thread = id_of(&client.start_thread(settings).await);
    turn(&mut client, &thread, "remember").await;
    let left = client.leaves().await;

    let mut client = Setup::with(&server).in_place_of(left).serve();
    client.initialize().await;
    let list = client.call("thread/list", json!({})).await;
    assert_eq!((ids(&list), &list["data"][0]["status"]["type"]), (vec![thread.as_str()], &json!("notLoaded")));
    let resumed = client.call("thread/resume", json!({"threadId": thread, "excludeTurns": false})).await;
    assert_eq!(conversation(&resumed["thread"]), ["user: remember", "agent: Hello."]);
    assert_eq!((&resumed["model"], &resumed["approvalPolicy"]), (&json!("chosen"), &json!("untrusted")));
    assert_eq!(
        (&resumed["sandbox"]["type"], &resumed["cwd"]),
        (&json!("workspaceWrite"), &json!(client.workspace.path()))
    );
    assert_eq!(turn(&mut client, &thread, "what?").await["status"], "completed");
    let asked = server.request(2).await;
    assert_eq!(asked.conversation(), ["user: remember", "assistant: Hello.", "user: what?"]);
    assert_eq!(asked.body["model"], "chosen");
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_thread_that_is_not_there_is_named() {
    let server = ModelServer::start([]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    let nobody = "01a1fbd4-0000-7000-8000-000000000000";
    for method in ["thread/resume", "thread/fork", "thread/read", "thread/archive", "thread/unarchive", "thread/delete"]
    {
        let error = client.refused(method, json!({"threadId": nobody})).await;
        assert_eq!(error["code"], -32600, "{method}: {error}");
        let says = error["message"].as_str().unwrap();
        assert!(says.contains(&format!("no rollout found for thread id {nobody}")), "{method}: {says}");
    }
    let status = client.call("thread/unsubscribe", json!({"threadId": nobody})).await;
    assert_eq!(status, json!({"status": "notLoaded"}));
    let error = client.refused("thread/list", json!({"cursor": "no such place"})).await;
    assert_eq!(error["code"], -32600, "{error}");
    client.ends_with(0).await;
}

#[tokio::test]
async fn whoever_resumes_a_thread_is_asked_what_is_open() {
    let call = Response::of("r1").runs("call_1", &["sh", "-c", "touch ran"]).completed();
    let server = ModelServer::start([call, says("r2", "Well.")]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    let thread = id_of(&client.start_thread(json!({"approvalPolicy": "untrusted"})).await);
    let turn = client.say(&thread, "hello").await;
    const ASK: &str = "item/commandExecution/requestApproval";
    let (first, _) = client.until_asked(ASK).await;
    assert_eq!(client.call("thread/unsubscribe", json!({"threadId": thread})).await["status"], "unsubscribed");
    assert_eq!(client.call("thread/unsubscribe", json!({"threadId": thread})).await["status"], "notSubscribed");
    let resumed = client.call("thread/resume", json!({"threadId": thread})).await;
    assert_eq!(resumed["thread"]["status"], json!({"type": "active", "activeFlags": ["waitingOnApproval"]}));
    let (second, params) = client.until_asked(ASK).await;
    assert_eq!((second, &params["itemId"]), (first + 1, &json!("call_1")));
    client.send(json!({"id": second, "result": {"decision": "accept"}})).await;
    client.until_the_end_of(&turn).await;
    assert!(client.workspace.at("ran").exists());
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_review_is_a_turn() {
    let server = ModelServer::start([says("r1", "No findings.")]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    let thread = id_of(&client.start_thread(json!({})).await);
    let params = json!({"threadId": thread, "target": {"type": "baseBranch", "branch": "main"}, "delivery": "inline"});
    let started = client.call("review/start", params).await;
    assert_eq!(started["reviewThreadId"], thread);
    let end = client.until_the_end_of(started["turn"]["id"].as_str().unwrap()).await.pop().unwrap();
    assert_eq!(end["params"]["turn"]["status"], "completed");
    assert!(server.request(1).await.conversation()[0].contains("`main`"));
    client.ends_with(0).await;
}

#[tokio::test]
async fn threads_are_listed_in_the_order_that_is_asked_for() {
    let server = ModelServer::start((0..4).map(|n| says(&format!("r{n}"), "Well."))).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    let (top, deep) = (client.workspace.path().to_owned(), client.workspace.at("deep"));
    client.workspace.write("deep/file", "x");
    let mut threads = Vec::new();
    for cwd in [&top, &deep, &top] {
        let thread = id_of(&client.start_thread(json!({"cwd": cwd})).await);
        turn(&mut client, &thread, "hello").await;
        threads.push(thread);
    }
    turn(&mut client, &threads[0], "again").await;
    let [a, b, c] = &threads[..] else { panic!() };
    let mut check = async |params: Value, expected: [&String; 3]| {
        assert_eq!(ids(&client.call("thread/list", params.clone()).await), expected, "{params}");
        // One by one it is the same.
        let mut page = params.clone();
        page["limit"] = json!(1);
        for thread in expected {
            let answer = client.call("thread/list", page.clone()).await;
            assert_eq!(ids(&answer), [thread], "{page}");
            page["cursor"] = answer["nextCursor"].clone();
        }
        assert_eq!(page["cursor"], Value::Null, "{params}");
    };
    check(json!({}), [c, b, a]).await;
    check(json!({"sortKey": "created_at", "sortDirection": "asc"}), [a, b, c]).await;
    check(json!({"sortKey": "updated_at"}), [a, c, b]).await;
    check(json!({"sortKey": "recencyAt", "sortDirection": "asc"}), [b, c, a]).await;
    check(json!({"cwd": [deep, top]}), [c, b, a]).await;
    let unknown = client.refused("thread/list", json!({"sortKey": "beauty"})).await;
    assert_eq!(unknown["code"], -32602, "{unknown}");
    let other =
        client.refused("thread/list", json!({"sortKey": "updated_at", "cursor": "2026-01-01T00-00-00|x"})).await;
    assert_eq!(other["code"], -32600, "{other}");
    client.ends_with(0).await;
}

#[tokio::test]
async fn turns_that_were_kept_say_when_they_were() {
    let server = ModelServer::start([says("r1", "Well.")]).await;
    let setup = Setup::with(&server);
    let mut client = setup.serve();
    client.initialize().await;
    let thread = id_of(&client.start_thread(json!({})).await);
    let played = turn(&mut client, &thread, "hello").await;
    let read = client.call("thread/read", json!({"threadId": thread, "includeTurns": true})).await;
    let kept = &read["thread"]["turns"][0];
    for time in ["startedAt", "completedAt"] {
        let (kept, played) = (kept[time].as_i64().unwrap(), played[time].as_i64().unwrap());
        // The one is when it was written, the other when it was said.
        assert!((kept - played).abs() <= 1, "{time}: {kept} {played}");
    }
    assert!(kept["durationMs"].as_i64().unwrap() >= 0, "{kept}");
    assert!(kept["items"][0]["completedAtMs"].as_i64().unwrap() / 1000 >= kept["startedAt"].as_i64().unwrap() - 1);
    client.ends_with(0).await;
}
