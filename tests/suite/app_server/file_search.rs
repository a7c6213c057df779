//! Files are found by what their paths may be.

use llmx_tests::world::{Client, ModelServer, Setup};
use serde_json::{Value, json};

async fn client() -> Client {
    let server = ModelServer::start([]).await;
    let mut client = Setup::with(&server).serve();
    client.initialize().await;
    for file in ["src/main.rs", "src/lib/main_helper.rs", "notes.md", ".hidden/maintenance.txt", "out/main.o"] {
        client.workspace.write(file, "");
    }
    client.workspace.write(".gitignore", "/out\n");
    std::fs::create_dir(client.workspace.at(".git")).unwrap();
    client
}

fn paths(found: &Value) -> Vec<&str> {
    found["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn files_are_found_by_a_few_letters() {
    let mut client = client().await;
    let root = client.workspace.path().to_owned();
    let found = client.call("fuzzyFileSearch", json!({"query": "srmain", "roots": [root]})).await;
    assert_eq!(paths(&found), ["src/main.rs", "src/lib/main_helper.rs"]);
    let best = &found["files"][0];
    assert_eq!(
        (&best["root"], &best["match_type"], &best["file_name"], &best["indices"]),
        (&json!(root), &json!("file"), &json!("main.rs"), &json!([0, 1, 4, 5, 6, 7]))
    );
    assert!(best["score"].as_u64() > found["files"][1]["score"].as_u64(), "{found}");
    // Relative directories are those below the server's own; one that is not there has nothing.
    let params = json!({"query": "main", "roots": [root.join("src"), "/no/such/directory"], "cancellationToken": "t"});
    assert_eq!(paths(&client.call("fuzzyFileSearch", params).await), ["main.rs", "lib/main_helper.rs"]);
    let directory = client.call("fuzzyFileSearch", json!({"query": "lib", "roots": [root]})).await;
    assert_eq!(
        (&directory["files"][0]["path"], &directory["files"][0]["match_type"]),
        (&json!("src/lib"), &json!("directory"))
    );
    assert_eq!(client.call("fuzzyFileSearch", json!({"query": "", "roots": [root]})).await, json!({"files": []}));
    assert_eq!(client.refused("fuzzyFileSearch", json!({"roots": []})).await["code"], -32602);
    client.ends_with(0).await;
}

#[tokio::test]
async fn a_search_goes_on_while_somebody_types() {
    let mut client = client().await;
    let start = json!({"sessionId": "s", "roots": [client.workspace.path()]});
    client.call("fuzzyFileSearch/sessionStart", start).await;
    for (query, expected) in [("ma", 3), ("mainh", 1), ("nothing", 0)] {
        client.call("fuzzyFileSearch/sessionUpdate", json!({"sessionId": "s", "query": query})).await;
        let found = client.until_one("fuzzyFileSearch/sessionUpdated", |p| p["query"] == query).await;
        assert_eq!((&found["sessionId"], paths(&found).len()), (&json!("s"), expected), "{found}");
        assert_eq!(client.until("fuzzyFileSearch/sessionCompleted").await, json!({"sessionId": "s"}));
    }
    for _ in 0..2 {
        client.call("fuzzyFileSearch/sessionStop", json!({"sessionId": "s"})).await;
    }
    let gone = client.refused("fuzzyFileSearch/sessionUpdate", json!({"sessionId": "s", "query": "x"})).await;
    assert_eq!(gone["message"], "fuzzy file search session not found: s");
    client.ends_with(0).await;
}
