//! The process that applies a patch, or recovers one: this program once more, in the sandbox of the session. It reads
//! the journal from its standard input, and has no runtime and no threads.

use super::journal::Record;
use super::slot::{Slot, Trouble, make_directory, remove_empty_directory};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

/// The first argument of such a process.
const APPLY: &str = "--llmx-apply-patch-journal";
const RECOVER: &str = "--llmx-recover-patch-journal";

/// Nothing was changed.
pub(super) const NOT_DONE: u8 = 1;

/// Something was changed and could not be undone: the journal is still needed.
pub(super) const HALF_DONE: u8 = 3;

/// What such a process is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Apply the patch.
    Apply,
    /// Whoever applied it died: make it all or nothing.
    Recover,
}

impl Errand {
    /// Its command line. In the helper, which becomes it, this path is the program itself.
    pub(super) fn command(self) -> Vec<OsString> {
        let errand = match self {
            Self::Apply => APPLY,
            Self::Recover => RECOVER,
        };
        vec!["/proc/self/exe".into(), errand.into()]
    }

    fn of(argument: &OsStr) -> Option<Self> {
        [(APPLY, Self::Apply), (RECOVER, Self::Recover)]
            .into_iter()
            .find_map(|(name, errand)| (argument == name).then_some(errand))
    }
}

/// How it went, and what is said about it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    NotDone(String),
    HalfDone(String),
}

/// Applies or recovers a patch, if the program was started for that, as its first argument says.
pub(crate) fn run_if_asked(argument: &OsStr) -> Option<ExitCode> {
    let errand = Errand::of(argument)?;
    let Ok(record) = serde_json::from_reader::<_, Record>(io::BufReader::new(io::stdin())) else {
        return Some(ExitCode::from(HALF_DONE));
    };
    let outcome = match errand {
        Errand::Apply => apply(&record),
        Errand::Recover => recover(&record),
    };
    Some(match outcome {
        Outcome::Done => {
            let _ = io::stdout().write_all(record.summary.as_bytes());
            ExitCode::SUCCESS
        }
        Outcome::NotDone(why) => complain(&why, NOT_DONE),
        Outcome::HalfDone(why) => complain(&why, HALF_DONE),
    })
}

fn complain(why: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}

fn apply(record: &Record) -> Outcome {
    if let Err(why) = each(record, Slot::verify) {
        return Outcome::NotDone(format!("{why}; no file was changed"));
    }
    match make_directories(record).and_then(|()| each(record, Slot::stage)).and_then(|()| each(record, Slot::commit)) {
        Ok(()) => finish(record),
        Err(why) => take_back(record, &why),
    }
}

fn recover(record: &Record) -> Outcome {
    let is_committed = |slot: &Slot| slot.is_committed(&record.id);
    match record.slots.iter().map(is_committed).collect::<Result<Vec<_>, _>>() {
        Ok(committed) if committed.iter().all(|is| *is) => finish(record),
        _ => take_back(record, "apply_patch was ended before it was done"),
    }
}

/// From here on every file has its new text, so whoever recovers goes forward too.
fn finish(record: &Record) -> Outcome {
    match each(record, Slot::clean) {
        Ok(()) => Outcome::Done,
        Err(why) => Outcome::HalfDone(why),
    }
}

fn take_back(record: &Record, why: &str) -> Outcome {
    let undo = |slot: &Slot| slot.undo(&record.id).map_err(|trouble| told(slot, &trouble));
    let failed: Vec<String> = record.slots.iter().rev().filter_map(|slot| undo(slot).err()).collect();
    record.directories.iter().rev().for_each(|directory| remove_empty_directory(directory));
    if failed.is_empty() {
        return Outcome::NotDone(format!("{why}; no file was changed"));
    }
    Outcome::HalfDone(format!("{why}; not everything could be taken back: {}", failed.join("; ")))
}

fn make_directories(record: &Record) -> Result<(), String> {
    let make = |path: &std::path::PathBuf| {
        make_directory(path).map_err(|error| format!("cannot make directory {}: {error}", path.display()))
    };
    record.directories.iter().try_for_each(make)
}

fn each(record: &Record, step: impl Fn(&Slot, &str) -> Result<(), Trouble>) -> Result<(), String> {
    record.slots.iter().try_for_each(|slot| step(slot, &record.id).map_err(|trouble| told(slot, &trouble)))
}

fn told(slot: &Slot, trouble: &Trouble) -> String {
    let path = slot.path.display();
    match trouble {
        Trouble::System(error) => format!("cannot write {path}: {}", io::Error::from(*error)),
        Trouble::Changed => format!("{path} has changed since the patch was read: read it again"),
    }
}
