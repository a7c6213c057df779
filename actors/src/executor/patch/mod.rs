//! Applies patches: all of one or nothing, under the sandbox policy of the session, whoever dies on the way.
//!
//! ```text
//! engine ─ writes ─▶ journal ($LLMX_HOME/patches) ─ stdin ─▶ llmx-exec ─▶ [sandbox ▶] this program once more
//!    ▲                                                                    verify, stage, commit, clean
//!    └───────────── exit code and words ──────────────────────────────────────────┘
//! ```
//!
//! The [journal](journal) names every file with its text of before and of afterwards. The process that applies it
//! re-reads the files and compares them with what was planned on, writes each new text to a file beside its target, and
//! only then exchanges the two, one by one; the old files stay beside the new ones until all are exchanged. What must be
//! done after a death at any instant can therefore be read off the disk: if every file has its new text the patch is
//! done and only the leftovers go; else every file gets back what it was, the very same file. The same is done when a
//! step fails. [Recovery](recovery) does it at once where the engine lives on, else before the next engine runs anything.
//!
//! An update replaces the file: its mode is kept, and its owner where that is allowed; another name of the same file
//! (a hard link) keeps the old text, wherever it is. A link to a file stays, and the file that it leads to is changed.

mod disk;
mod inspect;
mod journal;
mod process;
mod recovery;
mod slot;

pub use inspect::Inspection;
pub(crate) use inspect::inspect;
pub(crate) use process::run_if_asked;
pub(crate) use recovery::apply;
pub use recovery::{Application, Recovery};
