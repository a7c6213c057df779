//! The protocol as `generate-ts` and `generate-json-schema` write it.

use llmx_tests::world::llmx_binary;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

/// What `check.sh` says where there is no compiler.
const SKIPPED: i32 = 77;

fn generate(what: &str, out: &Path, further: &[&str]) -> Output {
    let mut command = Command::new(llmx_binary());
    command.args(["app-server", what, "--out"]).arg(out).args(further);
    command.output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn the_typescript_compiles_and_says_what_clients_want_of_it() {
    let out = TempDir::new().unwrap();
    let generated = out.path().join("made/if/need/be");
    let output = generate("generate-ts", &generated, &["--experimental"]);
    assert!(output.status.success(), "{}", words(&output));
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/live/typescript/check.sh");
    let checked = Command::new(check).arg(&generated).output().unwrap();
    if checked.status.code() == Some(SKIPPED) {
        println!("skipped: the TypeScript was not compiled, because {}", words(&checked));
        return;
    }
    assert!(checked.status.success(), "{}", words(&checked));
}

#[test]
fn the_json_schema_is_a_file_a_message_and_all_in_one() {
    let out = TempDir::new().unwrap();
    let output = generate("generate-json-schema", out.path(), &[]);
    assert!(output.status.success(), "{}", words(&output));
    let read = |path: &str| -> Value { serde_json::from_slice(&fs::read(out.path().join(path)).unwrap()).unwrap() };
    assert_eq!(read("v2/TurnStartParams.json")["title"], "TurnStartParams");
    assert_eq!(read("llmx_app_server_protocol.schemas.json")["title"], "LlmxAppServerProtocol");
    let methods = read("ClientRequest.json")["oneOf"].as_array().unwrap().len();
    assert_eq!(methods, llmx_protocol::wire::rpc::ClientRequest::METHODS.len());
}

#[test]
fn a_formatter_gets_every_file_and_one_that_fails_is_named() {
    let out = TempDir::new().unwrap();
    let output = generate("generate-ts", out.path(), &["--prettier", "true"]);
    assert!(output.status.success(), "{}", words(&output));
    let output = generate("generate-ts", out.path(), &["--prettier", "/no/such/prettier"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("/no/such/prettier"), "{}", words(&output));
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    let output = generate("generate-json-schema", &file, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("file"), "{}", words(&output));
}
