//! The diffs are what `git` and `patch` take them for.

use crate::generate;
use llmx_protocol::patch::{Change, ChangeKind, TurnDiff, hunks, unified};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn added(path: &str, content: &str) -> Change {
    Change { path: Path::new("/w").join(path), kind: ChangeKind::Add { content: content.into() } }
}

fn deleted(path: &str, original: &str) -> Change {
    Change { path: Path::new("/w").join(path), kind: ChangeKind::Delete { original: original.into() } }
}

fn updated(path: &str, original: &str, content: &str, move_to: Option<&str>) -> Change {
    let move_to = move_to.map(|target| Path::new("/w").join(target));
    let kind = ChangeKind::Update { original: original.into(), content: content.into(), move_to };
    Change { path: Path::new("/w").join(path), kind }
}

fn turn_diff(patches: &[&[Change]]) -> String {
    let mut diff = TurnDiff::default();
    patches.iter().for_each(|changes| diff.record(Path::new("/w"), changes));
    diff.unified_diff()
}

#[test]
fn hunks_have_the_lines_around_them_that_are_asked_for() {
    let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n";
    let check = |context, expected: &str| assert_eq!(hunks(old, new, context), expected);
    check(0, "@@ -5 +5 @@\n-5\n+five\n@@ -9,0 +10 @@\n+10\n");
    check(1, "@@ -4,3 +4,3 @@\n 4\n-5\n+five\n 6\n@@ -9 +9,2 @@\n 9\n+10\n");
    check(3, "@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+10\n");
}

#[test]
fn a_missing_newline_and_a_carriage_return_are_shown() {
    let check = |old: &str, new: &str, expected: &str| assert_eq!(hunks(old, new, 3), expected);
    let mark = "\\ No newline at end of file\n";
    check("a", "a\n", &format!("@@ -1 +1 @@\n-a\n{mark}+a\n"));
    check("a\nb", "x\nb", &format!("@@ -1,2 +1,2 @@\n-a\n+x\n b\n{mark}"));
    check("a\n", "a\r\n", "@@ -1 +1 @@\n-a\n+a\r\n");
    check("a\rb\n", "a\rc\n", "@@ -1 +1 @@\n-a\rb\n+a\rc\n");
    check("", "a\n", "@@ -0,0 +1 @@\n+a\n");
    check("a\n", "", "@@ -1 +0,0 @@\n-a\n");
    check("a\n", "a\n", "");
    check("", "", "");
}

#[test]
fn a_diff_of_one_file_has_its_name_on_both_sides() {
    assert_eq!(unified("d/f", "a\n", "b\n"), "--- a/d/f\n+++ b/d/f\n@@ -1 +1 @@\n-a\n+b\n");
    assert_eq!(unified("f", "a\n", "a\n"), "");
}

#[test]
fn the_diff_of_a_turn_has_a_header_for_each_kind_of_change() {
    let check = |change: Change, expected: &str| assert_eq!(turn_diff(&[&[change]]), expected);
    check(
        added("d/n", "1\n"),
        "diff --git a/d/n b/d/n\nnew file mode 100644\n--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+1\n",
    );
    check(added("e", ""), "diff --git a/e b/e\nnew file mode 100644\n");
    check(
        deleted("n", "1"),
        "diff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n\\ No newline at end of file\n",
    );
    check(updated("n", "1\n", "2\n", None), "diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-1\n+2\n");
    check(updated("n", "1\n", "1\n", None), "");
    check(updated("n", "1\n", "1\n", Some("m")), "diff --git a/n b/m\nrename from n\nrename to m\n");
    check(
        updated("n", "1\n", "2\n", Some("m")),
        "diff --git a/n b/m\nrename from n\nrename to m\n--- a/n\n+++ b/m\n@@ -1 +1 @@\n-1\n+2\n",
    );
    check(
        updated("/etc/n", "1\n", "2\n", None),
        "diff --git a/etc/n b/etc/n\n--- a/etc/n\n+++ b/etc/n\n@@ -1 +1 @@\n-1\n+2\n",
    );
    check(
        updated("a \"b\"", "1\n", "2\n", None),
        "diff --git \"a/a \\\"b\\\"\" \"b/a \\\"b\\\"\"\n--- \"a/a \\\"b\\\"\"\t\n+++ \"b/a \\\"b\\\"\"\t\n@@ -1 +1 @@\n-1\n+2\n",
    );
}

#[test]
fn the_diff_of_a_turn_is_the_sum_of_its_patches() {
    let check = |patches: &[&[Change]], sum: &[Change]| assert_eq!(turn_diff(patches), turn_diff(&[sum]));
    check(&[&[added("n", "1\n")], &[updated("n", "1\n", "2\n", None)]], &[added("n", "2\n")]);
    check(&[&[added("n", "1\n")], &[deleted("n", "1\n")]], &[]);
    check(&[&[deleted("n", "1\n")], &[added("n", "1\n")]], &[]);
    check(&[&[deleted("n", "1\n")], &[added("n", "2\n")]], &[updated("n", "1\n", "2\n", None)]);
    check(&[&[updated("n", "1\n", "2\n", None)], &[updated("n", "2\n", "1\n", None)]], &[]);
    check(
        &[&[updated("n", "1\n", "2\n", Some("m"))], &[updated("m", "2\n", "3\n", Some("o"))]],
        &[updated("n", "1\n", "3\n", Some("o"))],
    );
    check(
        &[&[updated("n", "1\n", "1\n", Some("m"))], &[added("n", "2\n")]],
        &[updated("n", "1\n", "2\n", None), added("m", "1\n")],
    );
    // A command changed the file in between: the diff goes from the first text to the last.
    check(
        &[&[updated("n", "1\n", "2\n", None)], &[updated("n", "other\n", "3\n", None)]],
        &[updated("n", "1\n", "3\n", None)],
    );
}

type Files = BTreeMap<PathBuf, String>;

fn write_files(dir: &Path, files: &Files) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn read_files(dir: &Path, names: &[&str]) -> Files {
    let read = |name: &&str| Some((PathBuf::from(name), fs::read_to_string(dir.join(name)).ok()?));
    names.iter().filter_map(read).collect()
}

/// `None`, with a word on it, where the program is not installed.
fn run(program: &str, arguments: &[&str], dir: &Path, input: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

const NAMES: [&str; 7] = ["kept", "gone", "was", "is now", "d/new", "quo\"te \u{e9}\t", "empty"];

/// What is there, and what is there after the patch that `changes` are.
fn before_and_after(old: &str, new: &str, changes: &[Change]) -> (Files, Files) {
    let files =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, text)| (PathBuf::from(name), text.to_string())).collect();
    let before: Files = files(&[("kept", old), ("gone", old), ("was", old), ("quo\"te \u{e9}\t", old)]);
    let mut after = before.clone();
    for Change { path, kind } in changes {
        let name = path.strip_prefix("/w").unwrap().to_path_buf();
        match kind {
            ChangeKind::Add { .. } => drop(after.insert(name, if path.ends_with("empty") { "" } else { new }.into())),
            ChangeKind::Delete { .. } => drop(after.remove(&name)),
            ChangeKind::Update { move_to: None, .. } => drop(after.insert(name, new.into())),
            ChangeKind::Update { move_to: Some(target), .. } => {
                after.remove(&name);
                after.insert(target.strip_prefix("/w").unwrap().into(), new.into());
            }
        }
    }
    (before, after)
}

fn all_kinds(old: &str, new: &str) -> Vec<Change> {
    vec![
        updated("kept", old, new, None),
        deleted("gone", old),
        updated("was", old, new, Some("is now")),
        added("d/new", new),
        updated("quo\"te \u{e9}\t", old, new, None),
        added("empty", ""),
    ]
}

fn check_git(old: &str, new: &str) {
    let changes = all_kinds(old, new);
    let (before, after) = before_and_after(old, new, &changes);
    let diff = turn_diff(&[&changes]);
    let dir = tempfile::tempdir().unwrap();
    write_files(dir.path(), &before);
    if let Some((success, said)) = run("git", &["apply", "--whitespace=nowarn"], dir.path(), &diff) {
        assert!(success, "{said}\n{diff}");
        assert_eq!(read_files(dir.path(), &NAMES), after, "{diff}");
        let (success, said) = run("git", &["apply", "-R", "--whitespace=nowarn"], dir.path(), &diff).unwrap();
        assert!(success, "{said}\n{diff}");
        assert_eq!(read_files(dir.path(), &NAMES), before, "{diff}");
    }
}

fn check_patch(old: &str, new: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), old).unwrap();
    let diff = unified("f", old, new);
    if let Some((success, said)) = run("patch", &["-p1", "--binary", "-s"], dir.path(), &diff) {
        assert!(success, "{said}\n{diff}");
        // An empty file is removed by some versions.
        assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap_or_default(), new, "{diff}");
    }
}

#[test]
fn git_and_patch_take_every_kind_of_change() {
    for (old, new) in
        [("a\nb\n", "a\nc\n"), ("a", "b"), ("a\n", "a"), ("a\r\nb\r\n", "a\r\nc\r\n"), ("", "a\n"), ("a\n", "")]
    {
        check_git(old, new);
        check_patch(old, new);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn git_makes_the_second_text_from_the_first_by_the_diff(old in generate::text(), new in generate::text()) {
        check_git(&old, &new);
    }

    #[test]
    fn patch_makes_the_second_text_from_the_first_by_the_diff(old in generate::text(), new in generate::text()) {
        prop_assume!(old != new);
        check_patch(&old, &new);
    }
}
