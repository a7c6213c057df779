//! `llmx doctor` as its user sees it.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

const KEYS: [(&str, &str); 2] = [("LLMX_API_KEY", "sk-hunter2"), ("WORK_KEY", "sk-hunter3")];

struct Patient {
    home: TempDir,
}

impl Patient {
    fn new(config: Option<&str>) -> Self {
        let home = TempDir::with_prefix("llmx-doctor-").unwrap();
        set_mode(home.path(), 0o700);
        if let Some(config) = config {
            fs::write(home.path().join("config.toml"), config).unwrap();
        }
        Self { home }
    }

    fn examined(&self, arguments: &[&str], keys: &[(&str, &str)]) -> Output {
        let mut llmx = Command::new(env!("CARGO_BIN_EXE_llmx"));
        llmx.arg("doctor").args(arguments).env_clear().env("LLMX_HOME", self.home.path()).envs(keys.iter().copied());
        llmx.output().unwrap()
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// `expected`: the state of the named check, and what its line holds.
fn check(patient: &Patient, arguments: &[&str], keys: &[(&str, &str)], name: &str, expected: (&str, &str)) {
    let output = patient.examined(&[&["--json"], arguments].concat(), keys);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = json["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{name}: {json}"));
    assert_eq!(found["state"], expected.0, "{json}");
    assert!(found["message"].as_str().unwrap().contains(expected.1), "{json}");
    let all_well = json["checks"].as_array().unwrap().iter().all(|check| check["state"] != "broken");
    assert_eq!((json["ok"].as_bool(), output.status.code()), (Some(all_well), Some(i32::from(!all_well))), "{json}");

    let for_people = patient.examined(arguments, keys);
    let text = String::from_utf8(for_people.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with(expected.0) && line.contains(name)).unwrap_or(&text);
    assert!(line.contains(expected.1), "{text}");
    assert_eq!(for_people.status.code(), output.status.code(), "{text}");
    assert!(!text.contains("hunter") && !json.to_string().contains("hunter"), "{text}{json}");
}

#[test]
fn a_fresh_installation_with_a_key_is_well() {
    let patient = Patient::new(None);
    check(&patient, &[], &KEYS, "version", ("ok", env!("CARGO_PKG_VERSION")));
    check(&patient, &[], &KEYS, "home", ("ok", "(mode 0700)"));
    check(&patient, &[], &KEYS, "config", ("ok", "there is no config.toml"));
    check(&patient, &[], &KEYS, "provider openai", ("ok", "key in LLMX_API_KEY (in use, model gpt-5)"));
    check(&patient, &[], &KEYS, "provider oss", ("ok", "no key needed"));
    check(&patient, &[], &KEYS, "kernel", ("ok", "Linux "));
}

#[test]
fn a_key_that_is_missing_breaks_the_provider_in_use_only() {
    let config = "[model_providers.work]\nname = 'Work'\nbase_url = 'https://me:hunter4@h/v1'\nenv_key = 'WORK_KEY'\n\
        [model_providers.own]\nbase_url = 'http://h'\nexperimental_bearer_token = 'sk-hunter5'";
    let patient = Patient::new(Some(config));
    check(&patient, &[], &[], "provider openai", ("broken", "the key is missing: set LLMX_API_KEY"));
    check(&patient, &["-c", "model_provider=oss"], &[], "provider work", ("note", "the key is missing: set WORK_KEY"));
    check(
        &patient,
        &["-c", "model_provider=work"],
        &KEYS,
        "provider work",
        ("ok", "https://h/v1, key in WORK_KEY (in use"),
    );
    check(&patient, &["-c", "model_provider=own"], &[], "provider own", ("ok", "key in config.toml"));
}

#[test]
fn a_configuration_that_cannot_be_used_is_broken_and_an_unknown_key_is_not() {
    check(&Patient::new(Some("model = [")), &[], &KEYS, "config", ("broken", "config.toml:1:"));
    check(
        &Patient::new(Some("approval_policy = 'hunter2'")),
        &["-c", "approval_policy=x"],
        &KEYS,
        "config",
        ("broken", "`approval_policy`"),
    );
    check(&Patient::new(Some("modle = 'hunter2'")), &[], &KEYS, "config", ("note", "unknown key `modle`"));
}

#[test]
fn who_can_write_the_home_decides_what_llmx_does() {
    for (mode, state, said) in [
        (0o700, "ok", "(mode 0700)"),
        (0o755, "note", "can be read by others"),
        (0o770, "broken", "can be written by others"),
        (0o1777, "broken", "can be written by others"),
    ] {
        let patient = Patient::new(None);
        set_mode(patient.home.path(), mode);
        check(&patient, &[], &KEYS, "home", (state, said));
    }
    let patient = Patient::new(Some(""));
    set_mode(&patient.home.path().join("config.toml"), 0o666);
    check(&patient, &[], &KEYS, "config", ("broken", "can be written by others"));
    if rustix::process::geteuid().is_root() {
        let patient = Patient::new(None);
        chown(patient.home.path(), Some(65534), None).unwrap();
        check(&patient, &[], &KEYS, "home", ("broken", "belongs to user 65534"));
    }
}
