//! Where chunks go and what the file is afterwards.

use llmx_protocol::patch::{ChangeKind, FileState, PatchError, parse, plan};
use std::path::Path;

/// The body of an update of the file `f`, applied to a text.
fn update(old: &str, body: &str) -> Result<String, PatchError> {
    let patch = parse(&format!("*** Begin Patch\n*** Update File: f\n{body}*** End Patch\n"))?;
    let plan = plan(&patch, Path::new("/w"), |_: &Path| FileState::Text(old.into()))?;
    match plan.changes() {
        [change] => match &change.kind {
            ChangeKind::Update { content, .. } => Ok(content.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn check(old: &str, body: &str, new: &str) {
    assert_eq!(update(old, body).as_deref(), Ok(new), "{old:?}\n{body}");
}

fn check_error(old: &str, body: &str, expected: &str) {
    let error = update(old, body).unwrap_err().to_string();
    assert_eq!(error, expected, "{old:?}\n{body}");
}

#[test]
fn lines_are_kept_removed_and_added() {
    check("a\nb\nc\n", "@@\n a\n-b\n+B\n c\n", "a\nB\nc\n");
    check("a\nb\nc\n", "-a\n", "b\nc\n");
    check("a\nb\n", "@@\n a\n+x\n@@\n b\n+y\n", "a\nx\nb\ny\n");
    check("a\nb\n", "-a\n-b\n", "");
    check("a\nb\n", "+x\n a\n+y\n-b\n+z\n", "x\na\ny\nz\n");
    check("a\n", " a\n", "a\n");
}

#[test]
fn the_first_place_below_the_cursor_is_taken() {
    check("x\ny\nx\ny\n", "-x\n+1\n", "1\ny\nx\ny\n");
    check("x\ny\nx\ny\n", "-x\n+1\n@@\n-x\n+2\n", "1\ny\n2\ny\n");
    check("x\ny\nx\ny\n", "@@ y\n-x\n+1\n", "x\ny\n1\ny\n");
    check_error("a\nb\n", "-b\n+1\n@@\n-a\n+2\n", "Failed to find expected lines in f:\na");
    check_error("a\nb\n", "@@ b\n-a\n+2\n", "Failed to find expected lines in f:\na");
    check_error("x\nr\nx\nx\n", "-x\n+1\n@@\n x\n-r\n", "Failed to find expected lines in f:\nx\nr");
    check_error("b\na\na\n", " a\n-b\n", "Failed to find expected lines in f:\na\nb");
    check("a\na\nb\n", " a\n-b\n", "a\na\n");
}

#[test]
fn stacked_contexts_narrow_the_place_step_by_step() {
    let old = "class A\n  def f\n    x\nclass B\n  def e\n    x\n  def f\n    x\n";
    check(
        old,
        "@@ class B\n@@   def f\n-    x\n+    y\n",
        "class A\n  def f\n    x\nclass B\n  def e\n    x\n  def f\n    y\n",
    );
    check(old, "@@ def f\n@@ def f\n-    x\n", "class A\n  def f\n    x\nclass B\n  def e\n    x\n  def f\n");
    check_error(old, "@@ class B\n@@ class A\n-    x\n", "Failed to find context 'class A' in f");
    check_error(old, "@@ class C\n-    x\n", "Failed to find context 'class C' in f");
}

#[test]
fn a_context_may_come_again_as_the_first_line_of_its_chunk() {
    check("f {\na\n}\n", "@@ f {\n f {\n-a\n+b\n", "f {\nb\n}\n");
    check("f {\na\nf {\na\n", "@@ f {\n f {\n-a\n+b\n", "f {\na\nf {\nb\n");
    check("a\nf {\nb\n", "@@ f {\n f {\n-b\n*** End of File\n", "a\nf {\n");
}

#[test]
fn lines_that_are_only_added_go_below_their_context_or_to_the_end() {
    check("a\nb\nc\n", "@@ a\n+x\n", "a\nx\nb\nc\n");
    check("a\nb\nc\n", "@@ c\n+x\n", "a\nb\nc\nx\n");
    check("a\nb\nc\n", "@@ a\n+x\n@@ b\n+y\n", "a\nx\nb\ny\nc\n");
    check("a\nb\nc\n", "@@ a\n+x\n@@\n-b\n+y\n", "a\nx\ny\nc\n");
    check("a\nb\nc\n", "@@ a\n+x\n*** End of File\n", "a\nb\nc\nx\n");
    check("a\nb\nc\n", "+x\n@@\n-a\n", "b\nc\nx\n");
    check("a\nb\nc\n", "+x\n+y\n", "a\nb\nc\nx\ny\n");
    check("", "+x\n", "x\n");
}

#[test]
fn the_end_of_the_file_is_the_end_of_the_file() {
    check("x\ny\nx\n", "-x\n+z\n*** End of File\n", "x\ny\nz\n");
    check("x", "-x\n+z\n*** End of File\n", "z\n");
    check_error("x\ny\n", "-x\n*** End of File\n", "Failed to find expected lines in f:\nx");
    check_error("x\n", " x\n x\n*** End of File\n", "Failed to find expected lines in f:\nx\nx");
    check_error("a\nb\n", " a\n-b\n@@\n-b\n*** End of File\n", "Failed to find expected lines in f:\nb");
    check("x\ny\nx \n", "-x\n*** End of File\n", "x\ny\n");
}

#[test]
fn a_closer_match_further_down_wins_over_a_loose_one() {
    check("a \na\n", "-a\n+b\n", "a \nb\n");
    check(" a\na \n", "-a\n+b\n", " a\nb\n");
    check("\u{2013}\n -\n", "--\n+b\n", "\u{2013}\nb\n");
    check("x \u{2013} y\n", "-x - y\n+b\n", "b\n");
    check("say \u{201C}hi\u{201D}\u{A0}now\n", "-say \"hi\" now\n+b\n", "b\n");
    check_error("a  b\n", "-a b\n", "Failed to find expected lines in f:\na b");
}

#[test]
fn lines_that_are_kept_stay_as_the_file_has_them() {
    check("\ta \nb\n", " a\n-b\n+c\n", "\ta \nc\n");
    check("it\u{2019}s\nb\n", " it's\n-b\n+c\n", "it\u{2019}s\nc\n");
    check("a\r\nb\n", " a\n-b\n+c\n", "a\r\nc\r\n");
}

#[test]
fn an_empty_line_that_is_not_in_the_file_is_not_looked_for() {
    check("a\n", "-a\n+b\n\n", "b\n");
    check("a\nb\n", "-a\n+x\n\n@@\n-b\n+y\n\n", "x\ny\n");
    check("a\n", " a\n \n+b\n", "a\n\nb\n");
    check("a\n", "-a\n-\n+b\n", "b\n");
    check("", " \n+b\n", "\nb\n");
    check("a\n\nb\n", "-a\n+x\n\n", "x\n\nb\n");
    check_error("a\nb\n", " a\n \n b\n", "Failed to find expected lines in f:\na\n\nb");
    check_error("c\n", " a\n \n", "Failed to find expected lines in f:\na\n");
}

#[test]
fn empty_lines_at_the_end_survive() {
    check("a\n\n", "-a\n+b\n", "b\n\n");
    check("a\n\n\n", "-a\n+b\n", "b\n\n\n");
    check("a\n\n", "+b\n", "a\n\nb\n");
    check("a\n\n", " \n+b\n*** End of File\n", "a\n\nb\n");
    check("a\n\nb\n\n", "-b\n", "a\n\n\n");
    check("\n", "-\n+b\n", "b\n");
    check("a\nb\n", "-b\n+\n", "a\n\n");
}

#[test]
fn a_final_newline_is_added_unless_the_patch_says_otherwise() {
    check("a\nb", "-a\n+x\n", "x\nb\n");
    check("a\nb", "-b\n+x\n", "a\nx\n");
    check("a\nb", "+x\n", "a\nb\nx\n");
    check("a\nb", "@@\n b\n+x\n", "a\nb\nx\n");
    let mark = "\\ No newline at end of file\n";
    check("a\nb", &format!("-b\n{mark}+x\n{mark}"), "a\nx");
    check("a\nb\n", &format!("-b\n+x\n{mark}"), "a\nx");
    check("a\nb", &format!("-a\n+x\n b\n{mark}"), "x\nb");
    check("a\nb\n", &format!(" b\n{mark}"), "a\nb");
    check("a\r\nb\r\n", &format!("-b\n+x\n{mark}"), "a\r\nx");
    check("a\nb", &format!("-b\n{mark}+x\n"), "a\nx\n");
    check("b\nb\n", &format!("-b\n+x\n{mark}"), "b\nx");
    check_error("b\na\n", &format!("-b\n+x\n{mark}"), "Failed to find expected lines in f:\nb");
}

#[test]
fn the_line_endings_of_the_file_win() {
    check("a\r\nb\r\nc\r\n", " a\n-b\n+x\n+y\n c\n", "a\r\nx\r\ny\r\nc\r\n");
    check("a\r\nb\r\n", "@@ a\n+x\n", "a\r\nx\r\nb\r\n");
    check("a\r\nb\r\n", "+x\n", "a\r\nb\r\nx\r\n");
    check("a\r\nb", "-b\n+x\n+y\n", "a\r\nx\r\ny\r\n");
    check("a\r\nb", "+x\n", "a\r\nb\r\nx\r\n");
    check("a\nb\nc\r\nd\r\n", "-b\n+x\n", "a\nx\nc\r\nd\r\n");
    check("a\r\nb\nc\n", " b\n-c\n+x\n", "a\r\nb\nx\n");
    check("a\nb\nc\r\nd\r\n", "-d\n+x\n", "a\nb\nc\r\nx\r\n");
    check("a\nb\n", " a\r\n-b\r\n+x\r\n", "a\nx\n");
    check("a\r\n\r\nb\r\n", " a\n\n-b\n+x\n", "a\r\n\r\nx\r\n");
}

#[test]
fn carriage_returns_that_are_given_exactly_are_meant() {
    check("a\r\nb\r\n", " a\r\n-b\r\n+x\r\n", "a\r\nx\r\n");
    check("a\r\nb\r\n", " a\r\n-b\r\n+b\n", "a\r\nb\n");
    check("a\nb\n", "-a\n+a\r\n b\n", "a\r\nb\n");
    check("", "+a\r\n", "a\r\n");
}

#[test]
fn a_patch_that_is_written_with_carriage_returns_throughout_is_like_one_without() {
    let patch = "*** Begin Patch\r\n*** Update File: f\r\n@@ a\r\n-b\r\n+x\r\n*** End Patch\r\n";
    for (old, new) in [("a\nb\n", "a\nx\n"), ("a\r\nb\r\n", "a\r\nx\r\n")] {
        let files = |_: &Path| FileState::Text(old.into());
        let plan = plan(&parse(patch).unwrap(), Path::new("/w"), files).unwrap();
        let expected = ChangeKind::Update { original: old.into(), content: new.into(), move_to: None };
        assert_eq!(plan.changes()[0].kind, expected);
    }
}

#[test]
fn lines_that_look_like_parts_of_a_patch_are_lines() {
    let old = "*** Begin Patch\n@@ x\n+y\n\\ z\n*** End Patch\n";
    let body = " *** Begin Patch\n-@@ x\n+*** End Patch\n +y\n \\ z\n *** End Patch\n*** End of File\n";
    check(old, body, "*** Begin Patch\n*** End Patch\n+y\n\\ z\n*** End Patch\n");
}
