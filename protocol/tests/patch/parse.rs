//! The grammar, its leniencies, and what is said of text that is no patch.

use llmx_protocol::patch::{
    ChangeLine::{self, Add, Keep, Remove},
    Chunk,
    ChunkEnd::{self, Anywhere, EndOfFile, NoFinalNewline},
    ParseError, Section, parse,
};

fn in_frame(body: &str) -> String {
    format!("*** Begin Patch\n{body}*** End Patch\n")
}

fn check(body: &str, expected: &[Section]) {
    assert_eq!(parse(&in_frame(body)).unwrap().sections, expected, "{body}");
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
}

fn add(path: &str, lines: &[&str]) -> Section {
    Section::Add { path: path.into(), lines: lines.iter().map(ToString::to_string).collect() }
}

fn delete(path: &str) -> Section {
    Section::Delete { path: path.into() }
}

fn update(chunks: &[Chunk]) -> Section {
    Section::Update { path: "f".into(), move_to: None, chunks: chunks.into() }
}

fn chunk(contexts: &[&str], lines: &[ChangeLine], end: ChunkEnd) -> Chunk {
    Chunk { contexts: contexts.iter().map(ToString::to_string).collect(), lines: lines.into(), end }
}

fn keep(line: &str) -> ChangeLine {
    Keep(line.into())
}

fn remove(line: &str) -> ChangeLine {
    Remove(line.into())
}

fn added(line: &str) -> ChangeLine {
    Add(line.into())
}

#[test]
fn files_are_added_and_deleted() {
    check("", &[]);
    check("*** Add File: a b\n+x\n+\n++y\n", &[add("a b", &["x", "", "+y"])]);
    check("*** Create File: a\n+x\n", &[add("a", &["x"])]);
    check("*** Add File: a\n*** Delete File: b\n", &[add("a", &[]), delete("b")]);
    check("*** Delete File: b\n*** Delete File: b\n", &[delete("b"), delete("b")]);
}

#[test]
fn chunks_have_contexts_lines_and_an_end() {
    let lines = [keep("a"), remove("b"), added("c"), keep("")];
    let body = " a\n-b\n+c\n \n";
    check(&format!("*** Update File: f\n{body}"), &[update(&[chunk(&[], &lines, Anywhere)])]);
    check(&format!("*** Update File: f\n@@\n{body}"), &[update(&[chunk(&[], &lines, Anywhere)])]);
    check(&format!("*** Update File: f\n@@ \n{body}"), &[update(&[chunk(&[], &lines, Anywhere)])]);
    check(&format!("*** Update File: f\n@@   x \n{body}"), &[update(&[chunk(&["  x "], &lines, Anywhere)])]);
    check(
        &format!("*** Update File: f\n@@ x\n@@ y\n@@\n{body}*** End of File\n@@\n+z\n"),
        &[update(&[chunk(&["x", "y"], &lines, EndOfFile), chunk(&[], &[added("z")], Anywhere)])],
    );
}

#[test]
fn a_line_that_is_quite_empty_is_an_empty_line_to_keep() {
    let lines = [keep("a"), keep(""), remove("b"), keep("")];
    check("*** Update File: f\n a\n\n-b\n\n", &[update(&[chunk(&[], &lines, Anywhere)])]);
}

#[test]
fn a_file_may_move_with_or_without_changes() {
    let moved =
        |chunks: &[Chunk]| Section::Update { path: "f".into(), move_to: Some("g".into()), chunks: chunks.into() };
    check("*** Update File: f\n*** Move to: g\n@@\n+x\n", &[moved(&[chunk(&[], &[added("x")], Anywhere)])]);
    check("*** Update File: f\n*** Move to: g\n", &[moved(&[])]);
}

#[test]
fn a_missing_newline_can_be_said() {
    let mark = "\\ No newline at end of file\n";
    let case = |body: &str, lines: &[ChangeLine], end| {
        check(&format!("*** Update File: f\n@@\n{body}"), &[update(&[chunk(&[], lines, end)])]);
    };
    case(&format!(" a\n{mark}"), &[keep("a")], NoFinalNewline);
    case(&format!("-a\n{mark}+b\n{mark}"), &[remove("a"), added("b")], NoFinalNewline);
    case(&format!("+b\n{mark}*** End of File\n"), &[added("b")], NoFinalNewline);
    case(&format!("-a\n{mark}+b\n"), &[remove("a"), added("b")], Anywhere);
}

#[test]
fn white_space_where_it_means_nothing_is_passed_over() {
    let expected = [add("a", &["x"]), delete("b"), update(&[chunk(&["y"], &[added("z")], Anywhere)])];
    check("\n  *** Add File:  a \n+x\n\n \t\n*** Delete File: b\n\n*** Update File: f\n\n\n@@ y\n+z\n", &expected);
    let text = in_frame("*** Delete File: b\n");
    for text in [format!("\n \n{text}\n\n"), text.replace("End Patch", "End Patch  "), text.replace('\n', "\r\n")] {
        assert_eq!(parse(&text).unwrap().sections, [delete("b")], "{text:?}");
    }
    check(
        "*** Update File: f\n+x\n*** End of File\n\n\t\n@@\n+y\n",
        &[update(&[chunk(&[], &[added("x")], EndOfFile), chunk(&[], &[added("y")], Anywhere)])],
    );
}

#[test]
fn carriage_returns_belong_to_the_lines_unless_the_whole_patch_has_them() {
    let chunks = |line: &str| vec![update(&[chunk(&[], &[keep(line)], Anywhere)])];
    check("*** Update File: f\n a\r\n", &chunks("a\r"));
    let with_returns = in_frame("*** Update File: f\n a\n").replace('\n', "\r\n");
    assert_eq!(parse(&with_returns).unwrap().sections, chunks("a"));
}

#[test]
fn a_here_document_left_around_the_patch_is_dropped() {
    let text = in_frame("*** Delete File: b\n");
    for (open, close) in [("<<EOF", "EOF"), ("<<'EOF'", "EOF\n"), ("<<\"EOF\"", "EOF"), ("<<'EOF'", "xEOF")] {
        let wrapped = format!("{open}\n{text}{close}");
        assert_eq!(parse(&wrapped).unwrap().sections, [delete("b")], "{wrapped}");
    }
    let first = "invalid patch: The first line of the patch must be '*** Begin Patch'";
    for (open, close) in [("<<END", "END"), ("<<'EOF\"", "EOF"), ("<<EOF", "END"), ("cat <<EOF", "EOF")] {
        check_error(&format!("{open}\n{text}{close}"), first);
    }
    check_error("<<EOF\n*** Begin Patch\nEOF", first);
}

#[test]
fn text_without_the_frame_is_no_patch() {
    let first = "invalid patch: The first line of the patch must be '*** Begin Patch'";
    let last = "invalid patch: The last line of the patch must be '*** End Patch'";
    for text in ["", "x", "*** End Patch", "*** begin patch\n*** End Patch", "x\n*** Begin Patch\n*** End Patch"] {
        check_error(text, first);
    }
    for text in ["*** Begin Patch", "*** Begin Patch\n*** Delete File: a", "*** Begin Patch\n*** End Patch\nx"] {
        check_error(text, last);
    }
}

#[test]
fn a_wrong_line_is_named_with_its_number() {
    let check = |body: &str, line: usize, what: &str| {
        let error = parse(&in_frame(body)).unwrap_err();
        assert!(matches!(&error, ParseError::Hunk { line: at, .. } if *at == line), "{body}: {error}");
        assert!(error.to_string().starts_with(&format!("invalid hunk at line {line}, {what}")), "{body}: {error}");
    };
    check("bad\n", 2, "'bad' is not a valid hunk header. Valid hunk headers: '*** Add File: {path}', ");
    check("*** Rename File: a\n", 2, "'*** Rename File: a' is not a valid hunk header.");
    check("*** Add File: \n", 2, "'*** Add File:' is not a valid hunk header.");
    check("*** End Patch\n", 2, "'*** End Patch' is not a valid hunk header.");
    check("*** Add File: a\n+x\nbad\n", 4, "'bad' is not a valid hunk header.");
    check("*** Delete File: a\n+x\n", 3, "'+x' is not a valid hunk header.");
    check("*** Update File: a\n", 2, "Update file hunk for path 'a' is empty");
    check("*** Update File: a\n\n*** Delete File: b\n", 2, "Update file hunk for path 'a' is empty");
    check("*** Update File: a\n*** End of File\n", 2, "Update file hunk for path 'a' is empty");
}

#[test]
fn a_wrong_line_of_an_update_is_named_with_its_number() {
    let check = |body: &str, line: usize, what: &str| {
        check_error(&in_frame(&format!("*** Update File: a\n{body}")), &format!("invalid hunk at line {line}, {what}"));
    };
    let prefixes = "Every line should start with ' ' (context line), '+' (added line), or '-' (removed line)";
    check("@@\n", 4, "Update hunk does not contain any lines");
    check("@@ x\n@@ y\n", 5, "Update hunk does not contain any lines");
    check("@@\n*** End of File\n", 4, "Update hunk does not contain any lines");
    check("+a\n@@\n*** Delete File: b\n", 5, "Update hunk does not contain any lines");
    check("bad\n", 3, &format!("Unexpected line found in update hunk: 'bad'. {prefixes}"));
    check("@@\nbad\n", 4, &format!("Unexpected line found in update hunk: 'bad'. {prefixes}"));
    check("@@x\n", 3, &format!("Unexpected line found in update hunk: '@@x'. {prefixes}"));
    check(
        "\\ No newline at end of file\n",
        3,
        &format!("Unexpected line found in update hunk: '\\ No newline at end of file'. {prefixes}"),
    );
    check("+a\nbad\n", 4, "Expected update hunk to start with a @@ context marker, got: 'bad'");
    check("+a\n*** End of File\n+b\n", 5, "Expected update hunk to start with a @@ context marker, got: '+b'");
    check(
        "*** Move to: b\n*** Move to: c\n",
        4,
        "'*** Move to: c' is not a valid hunk header. Valid hunk headers: '*** Add File: {path}', \
         '*** Delete File: {path}', '*** Update File: {path}'",
    );
}
