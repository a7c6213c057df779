//! The process that applies a patch, or recovers one: this program once more, in the sandbox of the session. It reads
//! the journal from its standard input, and has no runtime and no threads.

use super::journal::Record;
use super::slot::{Slot, Trouble, make_directory, remove_empty_directory};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
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
    let Ok(record) = read_journal() else {
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

/// At once: read byte by byte it takes ten times as long.
fn read_journal() -> io::Result<Record> {
    let mut journal = Vec::new();
    io::stdin().read_to_end(&mut journal)?;
    Ok(serde_json::from_slice(&journal)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;
    use tempfile::TempDir;

    type Files = BTreeMap<String, String>;

    /// Two files that are changed, one that goes, one that moves, and one that comes, in directories that are missing.
    fn ground() -> (TempDir, Record) {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        for name in ["a", "b", "gone", "moved"] {
            fs::write(root.join(name), format!("{name} old\n")).unwrap();
        }
        let slot = |name: &str, old: bool, new: bool| Slot {
            path: root.join(name),
            old: old.then(|| format!("{name} old\n")),
            new: new.then(|| format!("{name} new\n")),
            like: (old && new).then(|| root.join(name)),
        };
        let slots = vec![
            slot("a", true, true),
            slot("x/y/new", false, true),
            slot("gone", true, false),
            slot("b", true, true),
            Slot { like: Some(root.join("moved")), ..slot("x/target", false, true) },
            slot("moved", true, false),
        ];
        let directories = vec![root.join("x"), root.join("x/y")];
        (directory, Record { id: "1".into(), limits: None, directories, slots, summary: "done".into() })
    }

    fn files(directory: &Path) -> Files {
        let mut found = Files::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().display().to_string();
            if path.is_dir() {
                found.insert(format!("{name}/"), String::new());
                found.extend(files(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
        found
    }

    fn before_and_after() -> [Files; 2] {
        let (directory, record) = ground();
        let before = files(directory.path());
        assert_eq!(apply(&record), Outcome::Done);
        [before, files(directory.path())]
    }

    /// The steps of an application, one system call or so each.
    fn steps(record: &Record) -> Vec<Box<dyn Fn() + '_>> {
        let mut steps: Vec<Box<dyn Fn() + '_>> = Vec::new();
        for directory in &record.directories {
            steps.push(Box::new(|| make_directory(directory).unwrap()));
        }
        for step in [Slot::stage, Slot::commit, Slot::clean] {
            for slot in &record.slots {
                steps.push(Box::new(move || step(slot, &record.id).unwrap()));
            }
        }
        steps
    }

    #[test]
    fn a_death_after_any_step_leaves_all_or_nothing_when_it_is_recovered() {
        let [before, after] = before_and_after();
        let number_of_steps = steps(&ground().1).len();
        let mut forward = 0;
        for done in 0..=number_of_steps {
            let (directory, record) = ground();
            steps(&record).iter().take(done).for_each(|step| step());
            let outcome = recover(&record);
            let expected = if outcome == Outcome::Done { &after } else { &before };
            assert_eq!(&files(directory.path()), expected, "after {done} steps: {outcome:?}");
            forward += usize::from(outcome == Outcome::Done);
            // Whoever recovers may die over it, too.
            assert_eq!(recover(&record), outcome, "after {done} steps, once more");
            assert_eq!(&files(directory.path()), expected);
        }
        // Once every file is exchanged, and while what is left over goes.
        assert_eq!(forward, ground().1.slots.len() + 1);
    }

    #[test]
    fn a_death_over_the_recovery_is_recovered() {
        let [before, _] = before_and_after();
        for undone in 0..=6 {
            let (directory, record) = ground();
            let all = steps(&record);
            all.iter().take(all.len() - 7).for_each(|step| step());
            record.slots.iter().rev().take(undone).for_each(|slot| slot.undo(&record.id).unwrap());
            assert!(matches!(recover(&record), Outcome::NotDone(_)), "after {undone}");
            assert_eq!(files(directory.path()), before, "after {undone}");
        }
    }

    #[test]
    fn what_has_changed_is_left_as_it_is() {
        let (directory, record) = ground();
        fs::write(directory.path().join("b"), "b else\n").unwrap();
        let changed = files(directory.path());
        let Outcome::NotDone(why) = apply(&record) else { panic!("done") };
        assert!(why.contains("/b has changed since the patch was read"), "{why}");
        assert_eq!(files(directory.path()), changed);

        // Between the look and the exchange.
        let (directory, record) = ground();
        steps(&record).iter().take(8).for_each(|step| step());
        fs::write(directory.path().join("b"), "b else\n").unwrap();
        let committed = each(&record, Slot::commit);
        assert!(committed.is_err_and(|why| why.contains("/b has changed")));
        assert!(matches!(take_back(&record, "changed"), Outcome::NotDone(_)));
        assert_eq!(files(directory.path()), changed);
    }

    #[test]
    fn an_added_file_that_somebody_else_made_is_not_taken_away() {
        for text in ["else\n", "x/y/new new\n"] {
            let (directory, record) = ground();
            steps(&record).iter().take(8).for_each(|step| step());
            fs::write(directory.path().join("x/y/new"), text).unwrap();
            assert!(matches!(recover(&record), Outcome::NotDone(_)));
            assert_eq!(fs::read_to_string(directory.path().join("x/y/new")).unwrap(), text);
        }
    }

    #[test]
    fn a_link_that_has_come_since_is_not_followed() {
        let (directory, record) = ground();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), directory.path().join("x")).unwrap();
        let Outcome::NotDone(why) = apply(&record) else { panic!("done") };
        assert!(why.contains("cannot write"), "{why}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
