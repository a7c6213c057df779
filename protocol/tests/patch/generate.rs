//! Patches and texts made for the properties: the patch between two texts, as an ideal model would write it.

use llmx_protocol::patch::{
    ChangeKind, ChangeLine, Chunk, ChunkEnd, FileState, Patch, PatchError, Section, parse, plan,
};
use proptest::prelude::*;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};
use std::path::Path;

/// The whole file as context, so that no line can be taken for another.
pub(crate) const EVERYTHING: usize = usize::MAX / 4;

/// The update of the file `f` from one text to another. `None` if they are the same.
pub(crate) fn patch_between(old: &str, new: &str, context: usize) -> Option<Patch> {
    let [old_lines, new_lines] = [old, new].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let ops = capture_diff_slices(Algorithm::Myers, &old_lines, &new_lines);
    let chunk = |group: Vec<DiffOp>| {
        let lines: Vec<_> = group.iter().flat_map(|op| change_lines(op, &old_lines, &new_lines)).collect();
        let reaches_the_end = group.last().is_some_and(|op| op.new_range().end == new_lines.len());
        let end = match (reaches_the_end, new.is_empty() || new.ends_with('\n')) {
            (false, _) => ChunkEnd::Anywhere,
            (true, true) => ChunkEnd::EndOfFile,
            (true, false) => ChunkEnd::NoFinalNewline,
        };
        Chunk { contexts: Vec::new(), lines, end }
    };
    let chunks = group_diff_ops(ops, context).into_iter().map(chunk).collect();
    let update = Section::Update { path: "f".into(), move_to: None, chunks };
    (old != new).then(|| Patch { sections: vec![update] })
}

fn change_lines(op: &DiffOp, old: &[&str], new: &[&str]) -> Vec<ChangeLine> {
    let text = |line: &&str| line.strip_suffix('\n').unwrap_or(line).to_string();
    let old = old[op.old_range()].iter().map(text);
    match op.tag() {
        DiffTag::Equal => old.map(ChangeLine::Keep).collect(),
        _ => old.map(ChangeLine::Remove).chain(new[op.new_range()].iter().map(text).map(ChangeLine::Add)).collect(),
    }
}

/// The text after a patch of the file `f` alone, which goes through its printed form.
pub(crate) fn applied(patch: &Patch, old: &str) -> Result<String, PatchError> {
    let plan = plan(&parse(&patch.to_string())?, Path::new("/w"), |_: &Path| FileState::Text(old.into()))?;
    match plan.changes() {
        [change] => match &change.kind {
            ChangeKind::Update { content, .. } => Ok(content.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Lines that repeat, are blank, differ in white space or look like parts of a patch.
pub(crate) fn line() -> impl Strategy<Value = String> {
    let hard = prop::sample::select(vec![
        "",
        "a",
        "b",
        " a",
        "a ",
        "\t",
        "a \u{2013} b",
        "a - b",
        "@@",
        "@@ a",
        "+a",
        "-a",
        " ",
        "*** End Patch",
        "*** End of File",
        "*** Update File: f",
        "\\ No newline at end of file",
        "\r",
        "\\",
    ]);
    prop_oneof![4 => hard.prop_map(String::from), 1 => "[a-c\u{e9} ]{0,3}"]
}

/// A text with lines of all kinds, of any line ending, with or without a final newline.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let ending = prop::sample::select(vec!["\n", "\r\n"]);
    let uniform = (prop::collection::vec(line(), 0..12), ending.clone(), any::<bool>());
    let uniform = uniform.prop_map(|(lines, ending, ends)| lines.join(ending) + if ends { ending } else { "" });
    let mixed = prop::collection::vec((line(), ending), 0..12);
    let mixed = mixed.prop_map(|lines| lines.into_iter().map(|(line, ending)| line + ending).collect::<String>());
    prop_oneof![3 => uniform, 1 => mixed]
}

/// Lines no two of which are alike, and the same ones after some were changed, removed and added.
pub(crate) fn distinct_lines_and_their_edit() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    prop::collection::vec(0..8_u8, 1..60).prop_map(|edits| {
        let line = |number: usize| format!("line {number}");
        let edit = |(number, edit): (usize, &u8)| match edit {
            0 => vec![],
            1 => vec![format!("new {number}")],
            2 => vec![line(number), format!("more {number}")],
            _ => vec![line(number)],
        };
        ((0..edits.len()).map(line).collect(), edits.iter().enumerate().flat_map(edit).collect())
    })
}

/// Any patch that can be written.
pub(crate) fn patch() -> impl Strategy<Value = Patch> {
    prop::collection::vec(section(), 0..4).prop_map(|sections| Patch { sections })
}

fn section() -> impl Strategy<Value = Section> {
    let lines = prop::collection::vec(line(), 0..4);
    let chunks = prop::collection::vec(chunk(), 0..4);
    prop_oneof![
        (path(), lines).prop_map(|(path, lines)| Section::Add { path, lines }),
        path().prop_map(|path| Section::Delete { path }),
        (path(), prop::option::of(path()), chunks)
            .prop_filter("an update changes or moves", |(_, target, chunks)| target.is_some() || !chunks.is_empty())
            .prop_map(|(path, move_to, chunks)| Section::Update { path, move_to, chunks }),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".into()), Just("d/b".into()), "[a-z./*+@-]{1,4}( [a-z]{1,3})?"]
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let context = line().prop_filter("a context is not blank", |line| !line.trim().is_empty());
    let change = (line(), 0..3_u8).prop_map(|(line, kind)| match kind {
        0 => ChangeLine::Keep(line),
        1 => ChangeLine::Remove(line),
        _ => ChangeLine::Add(line),
    });
    let end = prop::sample::select(vec![ChunkEnd::Anywhere, ChunkEnd::EndOfFile, ChunkEnd::NoFinalNewline]);
    let parts = (prop::collection::vec(context, 0..3), prop::collection::vec(change, 1..6), end);
    parts.prop_map(|(contexts, lines, end)| {
        let has_new = lines.iter().any(|line| !matches!(line, ChangeLine::Remove(_)));
        let end = if has_new { end } else { ChunkEnd::Anywhere };
        Chunk { contexts, lines, end }
    })
}
