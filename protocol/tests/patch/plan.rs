//! From sections to changes: what is refused, what the sum of all is, what is told of it.

use llmx_protocol::{
    patch::{Change, ChangeKind, FileState, Files, PatchError, Plan, normalise, parse, plan},
    wire::file_change::FileChange,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The files below `/w`: `a` and `b` with one line each, and one of each kind of thing that is no text.
fn disk(path: &Path) -> FileState {
    match path.to_str() {
        Some("/w/a") => FileState::Text("a\n".into()),
        Some("/w/b" | "/w/d/b") => FileState::Text("b\n".into()),
        Some("/w/d") => FileState::Directory,
        Some("/w/link") => FileState::Symlink(Some("/w/b".into())),
        Some("/w/dangling") => FileState::Symlink(None),
        Some("/w/latin1") => FileState::NotUtf8,
        Some("/w/pipe") => FileState::Special,
        Some("/w/secret") => FileState::Unreadable("permission denied".into()),
        _ => FileState::Absent,
    }
}

fn planned(body: &str) -> Result<Plan, PatchError> {
    plan(&parse(&format!("*** Begin Patch\n{body}*** End Patch"))?, Path::new("/w"), disk)
}

fn change(path: &str, kind: ChangeKind) -> Change {
    Change { path: path.into(), kind }
}

fn added(path: &str, content: &str) -> Change {
    change(path, ChangeKind::Add { content: content.into() })
}

fn deleted(path: &str, original: &str) -> Change {
    change(path, ChangeKind::Delete { original: original.into() })
}

fn updated(path: &str, original: &str, content: &str, move_to: Option<&str>) -> Change {
    let move_to = move_to.map(PathBuf::from);
    change(path, ChangeKind::Update { original: original.into(), content: content.into(), move_to })
}

fn check(body: &str, expected: &[Change], summary: &str) {
    let plan = planned(body).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(plan.changes(), expected, "{body}");
    let told = plan.summary();
    let told = told.strip_prefix("Success. Updated the following files:\n").unwrap_or(&told);
    assert_eq!(told, summary, "{body}");
}

#[test]
fn each_section_is_a_change() {
    check("*** Add File: x/y\n+1\n+2\n", &[added("/w/x/y", "1\n2\n")], "A x/y\n");
    check("*** Add File: x\n", &[added("/w/x", "")], "A x\n");
    check("*** Delete File: a\n", &[deleted("/w/a", "a\n")], "D a\n");
    check("*** Update File: a\n-a\n+b\n", &[updated("/w/a", "a\n", "b\n", None)], "M a\n");
    check("*** Update File: a\n*** Move to: x\n+b\n", &[updated("/w/a", "a\n", "a\nb\n", Some("/w/x"))], "M x\n");
    check("*** Update File: a\n*** Move to: x\n", &[updated("/w/a", "a\n", "a\n", Some("/w/x"))], "M x\n");
    check("*** Update File: a\n*** Move to: ./a\n+b\n", &[updated("/w/a", "a\n", "a\nb\n", None)], "M a\n");
    check("*** Update File: a\n a\n", &[updated("/w/a", "a\n", "a\n", None)], "M a\n");
    check("", &[], "No files were modified.\n");
}

/// A disk on which `/w/into` is a link to the directory `/v`, where `/v/b` is.
struct Linked;

impl Files for Linked {
    fn read(&mut self, path: &Path) -> FileState {
        if path == Path::new("/v/b") { FileState::Text("b\n".into()) } else { disk(path) }
    }

    fn locate(&mut self, path: &Path) -> PathBuf {
        path.strip_prefix("/w/into").map_or_else(|_| path.to_owned(), |inside| Path::new("/v").join(inside))
    }
}

#[test]
fn a_link_is_followed_to_what_is_changed() {
    let planned =
        |body: &str| plan(&parse(&format!("*** Begin Patch\n{body}*** End Patch")).unwrap(), Path::new("/w"), Linked);
    let check = |body: &str, expected: &[Change]| assert_eq!(planned(body).unwrap().changes(), expected, "{body}");
    check("*** Update File: link\n-b\n+c\n", &[updated("/w/b", "b\n", "c\n", None)]);
    check(
        "*** Update File: link\n-b\n+c\n*** Update File: b\n+d\n*** Update File: link\n-c\n+e\n",
        &[updated("/w/b", "b\n", "e\nd\n", None)],
    );
    check("*** Update File: into/b\n-b\n+c\n", &[updated("/v/b", "b\n", "c\n", None)]);
    check("*** Add File: into/x\n+c\n", &[added("/v/x", "c\n")]);
    check("*** Update File: a\n*** Move to: into/x\n", &[updated("/w/a", "a\n", "a\n", Some("/v/x"))]);
    let shown = planned("*** Update File: into/b\n*** Move to: a2\n").unwrap();
    let shown = shown.file_changes_below(Path::new("/w"), Path::new("/home/w"));
    let moved = FileChange::Update { unified_diff: String::new(), move_path: Some("/home/w/a2".into()) };
    assert_eq!(shown, BTreeMap::from([("/v/b".into(), moved)]));
    for body in ["*** Delete File: link\n", "*** Add File: link\n+x\n", "*** Update File: link\n*** Move to: x\n"] {
        assert!(planned(body).unwrap_err().to_string().contains("is a symbolic link"), "{body}");
    }
}

#[test]
fn the_summary_has_added_updated_and_deleted_files_in_groups_under_the_names_of_the_patch() {
    check(
        "*** Delete File: ./a\n*** Update File: /w/b\n+1\n*** Add File: y\n*** Add File: d/../x\n*** Update File: d/b\n+1\n",
        &[
            deleted("/w/a", "a\n"),
            updated("/w/b", "b\n", "b\n1\n", None),
            added("/w/y", ""),
            added("/w/x", ""),
            updated("/w/d/b", "b\n", "b\n1\n", None),
        ],
        "A y\nA d/../x\nM /w/b\nM d/b\nD ./a\n",
    );
}

#[test]
fn a_section_sees_what_those_before_have_done_and_the_sum_is_planned() {
    let add_x = "*** Add File: x\n+1\n";
    check(&format!("{add_x}*** Update File: x\n-1\n+2\n"), &[added("/w/x", "2\n")], "A x\n");
    check(&format!("{add_x}*** Delete File: x\n"), &[], "No files were modified.\n");
    check(&format!("{add_x}*** Update File: x\n*** Move to: y\n+2\n"), &[added("/w/y", "1\n2\n")], "A y\n");
    check("*** Delete File: a\n*** Add File: a\n+1\n", &[updated("/w/a", "a\n", "1\n", None)], "M a\n");
    check("*** Update File: a\n+1\n*** Update File: ./a\n+2\n", &[updated("/w/a", "a\n", "a\n1\n2\n", None)], "M a\n");
    check("*** Update File: a\n+1\n*** Delete File: a\n", &[deleted("/w/a", "a\n")], "D a\n");
}

#[test]
fn moves_are_followed() {
    let to_x = "*** Update File: a\n*** Move to: x\n";
    let check_sum = |rest: &str, expected: &[Change], summary: &str| check(&format!("{to_x}{rest}"), expected, summary);
    check_sum("*** Update File: x\n+1\n", &[updated("/w/a", "a\n", "a\n1\n", Some("/w/x"))], "M x\n");
    check_sum("*** Delete File: x\n", &[deleted("/w/a", "a\n")], "D a\n");
    check_sum("*** Update File: x\n*** Move to: y\n", &[updated("/w/a", "a\n", "a\n", Some("/w/y"))], "M y\n");
    check_sum("*** Update File: x\n*** Move to: a\n+1\n", &[updated("/w/a", "a\n", "a\n1\n", None)], "M a\n");
    check_sum("*** Add File: a\n+1\n", &[updated("/w/a", "a\n", "1\n", None), added("/w/x", "a\n")], "A x\nM a\n");
    check(
        "*** Add File: x\n*** Delete File: x\n*** Update File: a\n*** Move to: x\n",
        &[updated("/w/a", "a\n", "a\n", Some("/w/x"))],
        "M x\n",
    );
    check(
        "*** Delete File: b\n*** Update File: a\n*** Move to: b\n",
        &[updated("/w/b", "b\n", "a\n", None), deleted("/w/a", "a\n")],
        "M b\nD a\n",
    );
    check(
        "*** Update File: a\n*** Move to: t\n*** Update File: b\n*** Move to: a\n*** Update File: t\n*** Move to: b\n",
        &[updated("/w/a", "a\n", "b\n", None), updated("/w/b", "b\n", "a\n", None)],
        "M a\nM b\n",
    );
}

#[test]
fn what_does_not_fit_is_refused_as_a_whole() {
    let check = |body: &str, expected: &str| {
        let whole = format!("*** Add File: new\n+1\n*** Update File: a\n+1\n{body}");
        assert_eq!(planned(&whole).unwrap_err().to_string(), expected, "{body}");
    };
    check("*** Update File: x\n+1\n", "Failed to read file to update x: there is no such file");
    check("*** Delete File: x\n", "Failed to delete file x: there is no such file");
    check("*** Delete File: a\n*** Delete File: a\n", "Failed to delete file a: there is no such file");
    check("*** Delete File: a\n*** Update File: a\n+1\n", "Failed to read file to update a: there is no such file");
    let taken = |name: &str| format!("Failed to write file {name}: it exists already; update it, or delete it first");
    check("*** Add File: b\n+1\n", &taken("b"));
    check("*** Add File: ./new\n+1\n", &taken("./new"));
    check("*** Update File: a\n*** Move to: b\n", &taken("b"));
    check("*** Update File: b\n-x\n", "Failed to find expected lines in b:\nx");
    check("*** Update File: b\n@@ y\n+x\n", "Failed to find context 'y' in b");
    check(
        "*** Add File: d/b/c\n*** Delete File: d/b\n",
        "Failed to write file /w/d/b/c: /w/d/b is a file, not a directory",
    );
    check("*** Add File: q/r\n*** Add File: q\n", "Failed to write file /w/q/r: /w/q is a file, not a directory");
    check("*** Add File: a/c\n", "Failed to write file /w/a/c: /w/a is a file, not a directory");
}

#[test]
fn what_is_no_text_file_is_refused_by_every_section() {
    let check = |path: &str, expected: &str| {
        let sections = [
            format!("*** Add File: {path}\n+1\n"),
            format!("*** Delete File: {path}\n"),
            format!("*** Update File: {path}\n+1\n"),
            format!("*** Update File: a\n*** Move to: {path}\n"),
        ];
        for section in sections {
            assert_eq!(planned(&section).unwrap_err().to_string(), expected, "{section}");
        }
    };
    check("d", "Failed to patch d: it is a directory");
    check(
        "dangling",
        "Failed to patch dangling: it is a symbolic link, and not one to a file that is only to be changed",
    );
    check("latin1", "Failed to patch latin1: it is not UTF-8 text; apply_patch changes only UTF-8 text files");
    check("pipe", "Failed to patch pipe: it is not a regular file");
    check("secret", "Failed to read file secret: permission denied");
    check("d/", "'d/' is not the path of a file");
    check("..", "'..' is not the path of a file");
    check("a\0", "'a\0' is not the path of a file");
}

#[test]
fn every_file_is_read_once() {
    let mut read = Vec::new();
    let files = |path: &Path| {
        read.push(path.to_path_buf());
        disk(path)
    };
    let text =
        "*** Begin Patch\n*** Update File: a\n*** Move to: x\n*** Update File: ./x\n+1\n*** Add File: a\n*** End Patch";
    plan(&parse(text).unwrap(), Path::new("/w"), files).unwrap();
    assert_eq!(read, [Path::new("/w/a"), Path::new("/w/x")]);
}

#[test]
fn touched_paths_have_both_names_of_a_moved_file_and_no_dots() {
    let plan = planned("*** Update File: d/../a\n*** Move to: ../../x\n*** Add File: /etc/./y\n").unwrap();
    let touched: Vec<&Path> = plan.touched_paths().collect();
    assert_eq!(touched, [Path::new("/w/a"), Path::new("/x"), Path::new("/etc/y")]);
    assert!(touched.iter().all(|path| normalise(path) == *path));
}

#[test]
fn paths_outside_the_roots_are_told() {
    let check = |body: &str, roots: &[&str], expected: &[&str]| {
        let plan = planned(body).unwrap();
        let outside: Vec<&Path> = plan.paths_outside(roots).collect();
        assert_eq!(outside, expected.iter().map(Path::new).collect::<Vec<_>>(), "{body} {roots:?}");
    };
    let body = "*** Update File: a\n*** Move to: ../x\n*** Add File: /tmp/y\n*** Add File: .git/hooks/z\n";
    check(body, &["/w"], &["/x", "/tmp/y", "/w/.git/hooks/z"]);
    check(body, &["/w", "/tmp"], &["/x", "/w/.git/hooks/z"]);
    check(body, &[], &["/w/a", "/x", "/tmp/y", "/w/.git/hooks/z"]);
    check("*** Add File: sub/../x\n", &["/w"], &[]);
    check("*** Add File: ../wx\n", &["/w"], &["/wx"]);
}

#[test]
fn events_show_the_changes_by_absolute_path() {
    let plan = planned(
        "*** Add File: x\n+1\n*** Delete File: b\n*** Update File: a\n*** Move to: y\n-a\n+1\n*** Update File: d/b\n*** Move to: d/c\n",
    );
    let update = |diff: &str, to: &str| FileChange::Update { unified_diff: diff.into(), move_path: Some(to.into()) };
    let expected = [
        ("/w/x", FileChange::Add { content: "1\n".into() }),
        ("/w/b", FileChange::Delete { content: "b\n".into() }),
        ("/w/a", update("@@ -1 +1 @@\n-a\n+1\n", "/w/y")),
        ("/w/d/b", update("", "/w/d/c")),
    ];
    let expected: BTreeMap<PathBuf, FileChange> = expected.map(|(path, change)| (path.into(), change)).into();
    assert_eq!(plan.unwrap().file_changes(), expected);
}
