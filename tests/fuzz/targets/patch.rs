//! Patches: any text is read or refused, what was read prints to the same patch, and a plan never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llmx_protocol::patch::{FileState, TurnDiff, in_command, parse, plan};
use std::path::Path;

/// What comes before a NUL is the text of the file `f`, what comes after it the patch.
fn split(input: &str) -> (&str, &str) {
    input.split_once('\0').unwrap_or(("one\ntwo\r\nthree\n\nfour", input))
}

fuzz_target!(|input: &[u8]| {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (file, text) = split(input);
    let script = text.to_owned();
    let _ = in_command(&["bash".into(), "-lc".into(), script]);
    let Ok(patch) = parse(text) else { return };
    assert_eq!(parse(&patch.to_string()).as_ref(), Ok(&patch), "{patch}");
    let files = |path: &Path| match path.file_name() {
        Some(name) if name == "f" => FileState::Text(file.to_owned()),
        Some(name) if name == "d" => FileState::Directory,
        Some(name) if name == "l" => FileState::Symlink,
        Some(name) if name == "b" => FileState::NotUtf8,
        _ => FileState::Absent,
    };
    let Ok(plan) = plan(&patch, Path::new("/w"), files) else { return };
    assert!(plan.touched_paths().all(Path::is_absolute));
    let _ = (plan.file_changes(), plan.summary());
    let mut diff = TurnDiff::new("/w");
    diff.record(plan.changes());
    let _ = diff.unified_diff();
});
