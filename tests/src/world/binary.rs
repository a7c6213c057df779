use serde_json::Value;
use std::{env, path::PathBuf, process::Command, sync::OnceLock};

/// The `llmx` of this source tree, built if need be, once in this process, in the profile of the test.
///
/// # Panics
/// If it does not build.
pub fn llmx_binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["build", "--package", "llmx", "--bin", "llmx", "--message-format", "json-render-diagnostics"]);
    for name in described_to_this_test() {
        cargo.env_remove(name);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.output().expect("cargo starts");
    assert!(built.status.success(), "llmx does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).expect("cargo writes UTF-8");
    messages.lines().find_map(executable).expect("cargo names the program that it built")
}

/// What cargo told this test about its own package. Some build scripts look at it: with it, every run would build them
/// again, and the next ordinary build once more.
fn described_to_this_test() -> impl Iterator<Item = String> {
    let names = env::vars().map(|(name, _)| name);
    names.filter(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start)))
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_llmx = message["reason"] == "compiler-artifact" && message["target"]["name"] == "llmx";
    message["executable"].as_str().filter(|_| is_llmx).map(PathBuf::from)
}
