//! `apply_patch`: the model's patches, from text to a list of changes. Nothing here touches a disk.
//!
//! ```text
//! text ─ parse ─▶ Patch ─ plan(cwd, Files) ─▶ Plan ─▶ changes          for the executor: all of them or none
//!                                              ├────▶ file_changes     for the approval and the begin event
//!                                              ├────▶ paths_outside    for the decision whether to ask
//!                                              └────▶ summary          for the model
//! TurnDiff ◀─ record(changes) of every patch of a task that was applied; its text is `turn_diff`
//! ```
//!
//! The grammar, the levels of matching and the texts are those of reference `apply-patch.md`. Better than there:
//!
//! * several `@@` lines in a row narrow the place step by step;
//! * lines that are only added go right below the `@@` line that they are given with;
//! * lines that are kept stay byte for byte as the file has them, added ones get the line ending of their surroundings;
//! * an empty last line survives; a line `\ No newline at end of file` after the last line leaves the newline out;
//! * nothing is overwritten: an added file and a moved file need a free name;
//! * a file may be moved without being changed.

mod diff;
mod edit;
mod error;
mod grammar;
mod heredoc;
mod level;
mod matching;
mod overlay;
mod parse;
mod paths;
mod plan;
mod print;
mod search;
mod turn_diff;

pub use diff::{hunks, unified};
pub use error::{ParseError, PatchError};
pub use grammar::{ChangeLine, Chunk, ChunkEnd, Patch, Section};
pub use heredoc::{ShellPatch, in_command};
pub use overlay::{Change, ChangeKind};
pub use parse::parse;
pub use paths::normalise;
pub use plan::{FileState, Files, Plan, plan};
pub use turn_diff::TurnDiff;
