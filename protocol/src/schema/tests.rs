use super::*;

fn schema() -> AppServerSchema {
    AppServerSchema::new()
}

/// Every reference in a document and whether it leads somewhere.
fn dangling(document: &Value) -> Vec<String> {
    let mut dangling = Vec::new();
    walk(&mut document.clone(), &mut |part| {
        if let Some(target) = part["$ref"].as_str()
            && document.pointer(target.trim_start_matches('#')).is_none()
        {
            dangling.push(target.to_owned());
        }
    });
    dangling
}

#[test]
fn every_row_has_its_types() {
    let schema = schema();
    for methods in [schema.client_requests(), schema.server_requests(), schema.server_notifications()] {
        for method in methods {
            for name in std::iter::once(&method.params).chain(&method.result) {
                let document = schema.json(name).unwrap_or_else(|| panic!("{}: no {name}", method.method));
                assert_eq!(document["title"], **name);
                assert_eq!(document["type"].is_null(), document["oneOf"].is_array(), "{name}: {document:#}");
            }
        }
    }
}

#[test]
fn every_json_schema_is_complete_in_itself() {
    let files = schema().json_files();
    for expected in
        [BUNDLES[0], BUNDLES[1], "ClientRequest.json", "v1/InitializeParams.json", "v2/TurnStartParams.json"]
    {
        assert!(files.contains_key(expected), "{expected} is missing");
    }
    for (path, text) in files {
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(dangling(&document), [] as [&str; 0], "{path}");
        assert_eq!(document["$schema"], "http://json-schema.org/draft-07/schema#", "{path}");
        assert!(!text.contains(ALIASES), "{path}");
    }
}

const BUNDLES: [&str; 2] = ["llmx_app_server_protocol.schemas.json", "llmx_app_server_protocol.v2.schemas.json"];

#[test]
fn a_reference_of_the_bundle_knows_the_folder() {
    let files = schema().json_files();
    let bundle: Value = serde_json::from_str(&files[BUNDLES[0]]).unwrap();
    let of = |name: &str| &bundle["definitions"][name];
    assert_eq!(of("InitializeParams")["properties"]["clientInfo"]["allOf"][0]["$ref"], "#/definitions/ClientInfo");
    let turn = &of("v2")["TurnStartResponse"]["properties"]["turn"];
    assert_eq!(turn["allOf"][0]["$ref"], "#/definitions/v2/Turn");
}

#[test]
fn what_is_accepted_has_every_spelling_and_what_is_said_one() {
    let words = |name: &str| {
        let document = schema().json(name).unwrap();
        let each = document["oneOf"].as_array().unwrap();
        let of = |choice: &Value| match &choice["enum"] {
            Value::Null => vec![choice["const"].clone()],
            words => words.as_array().unwrap().clone(),
        };
        json!(each.iter().flat_map(of).collect::<Vec<_>>())
    };
    assert_eq!(words("AskForApproval"), json!(["untrusted", "on-failure", "on-request", "never"]));
    let any = json!(["untrusted", "unlessTrusted", "on-failure", "onFailure", "on-request", "onRequest", "never"]);
    assert_eq!(words("AnyAskForApproval"), any);

    let interrupt = schema().json("TurnInterruptParams").unwrap();
    assert_eq!(interrupt["allOf"][0], json!({"oneOf": [{"required": ["threadId"]}, {"required": ["thread_id"]}]}));
    assert_eq!(interrupt["required"], Value::Null);
    let policy = schema().json("AnySandboxPolicy").unwrap();
    let roots = json!({"not": {"required": ["writableRoots", "writable_roots"]}});
    assert!(policy["allOf"].as_array().unwrap().contains(&roots), "{policy:#}");
}

#[test]
fn what_llmx_always_says_is_required() {
    let turn = schema().json("Turn").unwrap();
    let required = turn["required"].as_array().unwrap();
    assert_eq!(required.len(), turn["properties"].as_object().unwrap().len(), "{required:?}");
    let error = schema().json("ErrorNotification").unwrap();
    assert!(!error["required"].as_array().unwrap().contains(&json!("supersededItemIds")));
}

#[test]
fn numbers_have_their_width() {
    let page = schema().json("ModelListParams").unwrap();
    let limit = &page["properties"]["limit"];
    assert_eq!((&limit["minimum"], &limit["maximum"]), (&json!(0), &json!(u32::MAX)));
}

#[test]
fn params_that_nobody_needs_are_optional() {
    let optional = |method: &str| {
        let methods = schema().client_requests();
        methods.into_iter().find(|known| known.method == method).unwrap().params_optional
    };
    assert!(optional("account/logout") && optional("thread/start") && optional("thread/list"));
    assert!(!optional("turn/start") && !optional("account/login/start") && !optional("thread/read"));
}

#[test]
fn every_import_of_the_typescript_leads_to_a_file() {
    let files = schema().typescript_files();
    for (path, text) in &files {
        let folder = if path.starts_with("v2/") { "v2/" } else { "" };
        assert!(text.starts_with("// GENERATED"), "{path}");
        for line in text.lines().filter(|line| line.contains("port ") && line.contains(" from \"")) {
            let target = line.split('"').nth(1).unwrap();
            let target = match target.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None => format!("{folder}{}", target.trim_start_matches("./")),
            };
            let is_there = |ending: &str| files.contains_key(&format!("{target}{ending}"));
            assert!(is_there(".ts") || is_there("/index.ts"), "{path}: {line}");
        }
    }
}

#[test]
fn a_type_reads_like_typescript() {
    let files = schema().typescript_files();
    let check = |path: &str, expected: &str| {
        let text = &files[path];
        assert_eq!(text.split_once("\n\n").unwrap().1, expected, "{path}");
    };
    check(
        "v2/TurnSteerParams.ts",
        r#"import type { AnyUserInput } from "./AnyUserInput";
import type { SessionId } from "./SessionId";
import type { SubmissionId } from "./SubmissionId";

/** Params of `turn/steer`. */
export type TurnSteerParams = {
  /** Which turn; it must be the one that runs. */
  "expectedTurnId": SubmissionId;
  /** What the user says to it. */
  "input": Array<AnyUserInput>;
  /** Where. */
  "threadId": SessionId;
};
"#,
    );
    check(
        "v2/AuthMode.ts",
        r#"/** How requests to the model are paid for. */
export type AuthMode =
  /** By a key. */
  "apikey" |
  /** By an account. */
  "chatgpt";
"#,
    );
    check(
        "v2/LogoutAccountResponse.ts",
        "import type { Empty } from \"./Empty\";\n\nexport type LogoutAccountResponse = Empty;\n",
    );
}
