//! What must be true of the source itself (ARCHITECTURE.md, invariants).

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every Rust file below a folder of the repository.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// The lines of a file that are neither comment nor test, with their numbers.
fn code(path: &Path) -> Vec<(usize, String)> {
    if path.file_name().is_some_and(|name| name == "tests.rs") {
        return Vec::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let lines = (1..).zip(before_tests.map(|line| line.split("//").next().unwrap_or_default().to_owned()));
    lines.collect()
}

/// No line of code below `folder` has any of these words, but in files that `allowed` lets pass.
fn check_without(folder: &str, words: &[&str], allowed: impl Fn(&str) -> bool) {
    let mut found = Vec::new();
    for path in sources(folder) {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        if allowed(&name) {
            continue;
        }
        for (number, line) in code(&path) {
            if words.iter().any(|word| has_word(&line, word)) {
                found.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{words:?} in:\n{}", found.join("\n"));
}

/// Whether `word` stands in `line` by itself: `print!` is not in `eprint!`.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let begins_alone = |at: usize| !line[..at].ends_with(part_of_a_name);
    line.match_indices(word).any(|(at, _)| begins_alone(at) && !line[at + word.len()..].starts_with(part_of_a_name))
}

fn nowhere(_: &str) -> bool {
    false
}

#[test]
fn words_are_found_where_they_stand_alone() {
    let check = |line: &str, word: &str, expected: bool| assert_eq!(has_word(line, word), expected, "{word} in {line}");
    check("unsafe { x() }", "unsafe", true);
    check("#![deny(unsafe_code)]", "unsafe", false);
    check("eprintln!(\"x\")", "println!", false);
    check("let t = Instant::now();", "Instant::now", true);
    check("use tokio::time;", "tokio", true);
    check("let tokios = 1;", "tokio", false);
}

#[test]
fn the_rules_need_no_runtime_clock_thread_or_chance() {
    let outside = ["tokio", "actix", "futures", "rand", "Instant::now", "SystemTime", "std::thread", "thread::spawn"];
    let io = ["std::fs", "std::net", "std::process", "std::env", "std::io", "async", "await"];
    check_without("protocol/src", &[&outside[..], &io[..]].concat(), nowhere);
}

#[test]
fn the_rules_depend_on_no_runtime() {
    let manifest = fs::read_to_string(root().join("protocol/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for name in ["tokio", "actix", "futures", "rand", "reqwest", "hyper", "rustix", "libc", "llmx-actors"] {
        assert!(!dependencies.lines().any(|line| line.starts_with(name)), "protocol depends on {name}");
    }
}

#[test]
fn only_the_wire_is_serialized() {
    // Machines are not written down: what is written down is the wire's and the model's.
    check_without("protocol/src", &["Serialize"], |file| {
        file.starts_with("protocol/src/wire/") || file == "protocol/src/ids.rs"
    });
}

#[test]
fn the_schema_knows_every_other_spelling() {
    // schemars does not look at serde's aliases: whoever writes one writes it again for the schema.
    let mut aliases = 0;
    let shared = root().join("protocol/src/wire/policy.rs");
    for path in sources("protocol/src/wire/rpc").into_iter().chain([shared]) {
        let lines = code(&path);
        for ((number, line), (_, next)) in lines.iter().zip(lines.iter().skip(1)) {
            let names: Vec<_> = line.split("alias = ").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
            if line.trim_start().starts_with("#[serde(") && !names.is_empty() {
                let again = format!(r#"#[schemars(extend("x-aliases" = ["{}"]))]"#, names.join(r#"", ""#));
                assert_eq!(next.trim(), again, "{}:{}", path.display(), number + 1);
                aliases += names.len();
            }
        }
    }
    assert!(aliases > 0, "no alias was looked at");
}

#[test]
fn unsafe_code_is_below_the_executor_only() {
    // Beside it only what attacks the executor's sandbox with raw system calls, and this file, which has the word.
    const OTHERS: [&str; 2] = ["actors/tests/sandbox/attacker.rs", "tests/suite/tidy.rs"];
    for folder in ["protocol", "bins", "tests", "actors"] {
        check_without(folder, &["unsafe"], |file| file.starts_with("actors/src/executor/") || OTHERS.contains(&file));
    }
}

#[test]
fn the_library_never_prints() {
    for folder in ["protocol/src", "actors/src"] {
        check_without(folder, &["println!", "eprintln!", "print!", "eprint!", "dbg!"], nowhere);
    }
}

#[test]
fn nothing_is_left_for_later() {
    for folder in ["protocol", "actors", "bins", "tests"] {
        check_without(folder, &["TODO", "FIXME", "todo!", "unimplemented!", "#[ignore]"], |file| {
            file == "tests/suite/tidy.rs"
        });
    }
}

#[test]
fn no_folder_is_for_everything() {
    for folder in ["protocol", "actors", "bins", "tests"] {
        for path in sources(folder) {
            let shapeless = path.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                matches!(name.trim_end_matches(".rs"), "utils" | "util" | "common" | "helpers" | "misc")
            });
            assert!(!shapeless, "{}", path.display());
        }
    }
}
