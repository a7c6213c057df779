//! Unified diffs, as `diff -u` and `git` write them and `patch` and `git apply` read them.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};
use std::{
    fmt::{self, Write},
    ops::Range,
};

/// Lines around a change, as in `diff -u`.
pub(super) const CONTEXT: usize = 3;

/// The diff of a file under one name; empty if nothing differs.
#[must_use]
pub fn unified(path: &str, old: &str, new: &str) -> String {
    let hunks = hunks(old, new, CONTEXT);
    if hunks.is_empty() { hunks } else { format!("--- a/{path}\n+++ b/{path}\n{hunks}") }
}

/// The hunks without file names, with so many lines around each change; empty if nothing differs. A line ends with `\n`
/// alone, so that a carriage return is part of its line.
#[must_use]
pub fn hunks(old: &str, new: &str, context: usize) -> String {
    if old == new {
        return String::new();
    }
    let lines = Sides { old: old.split_inclusive('\n').collect(), new: new.split_inclusive('\n').collect() };
    let ops = capture_diff_slices(Algorithm::Myers, &lines.old, &lines.new);
    let mut text = String::new();
    for group in group_diff_ops(ops, context) {
        let _ = lines.write_hunk(&mut text, &group);
    }
    text
}

struct Sides<'t> {
    old: Vec<&'t str>,
    new: Vec<&'t str>,
}

impl Sides<'_> {
    fn write_hunk(&self, text: &mut String, group: &[DiffOp]) -> fmt::Result {
        let [Some(first), Some(last)] = [group.first(), group.last()] else { return Ok(()) };
        let old = first.old_range().start..last.old_range().end;
        let new = first.new_range().start..last.new_range().end;
        writeln!(text, "@@ -{} +{} @@", Place(old), Place(new))?;
        group.iter().try_for_each(|op| self.write_op(text, op))
    }

    fn write_op(&self, text: &mut String, op: &DiffOp) -> fmt::Result {
        if op.tag() == DiffTag::Equal {
            return write_lines(text, ' ', &self.old[op.old_range()]);
        }
        write_lines(text, '-', &self.old[op.old_range()])?;
        write_lines(text, '+', &self.new[op.new_range()])
    }
}

fn write_lines(text: &mut String, prefix: char, lines: &[&str]) -> fmt::Result {
    lines.iter().try_for_each(|line| match line.strip_suffix('\n') {
        Some(line) => writeln!(text, "{prefix}{line}"),
        None => writeln!(text, "{prefix}{line}\n\\ No newline at end of file"),
    })
}

/// Lines count from 1; the place of no lines is the line before.
struct Place(Range<usize>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => write!(f, "{},0", self.0.start),
            1 => write!(f, "{}", self.0.start + 1),
            count => write!(f, "{},{count}", self.0.start + 1),
        }
    }
}
