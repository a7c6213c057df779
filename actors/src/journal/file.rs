//! A journal as a file: one descriptor, opened once, appended to.

use super::{
    blobs::Blobs,
    layout::blob_directory,
    lease::FileLease,
    private_files::{make_directory, private},
    redaction::Redaction,
};
use crate::threads::{Journal, Lease, SyncLater, SyncPolicy, ThreadError};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What all journals of a store have in common.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) sync: SyncPolicy,
    pub(super) redaction: Arc<Redaction>,
}

/// A journal in a file that may not be there yet.
pub(super) struct FileJournal {
    path: PathBuf,
    file: Option<OpenFile>,
    blobs: Blobs,
    redaction: Arc<Redaction>,
    /// Until the file is there nobody else can have it.
    lease: FileLease,
}

struct OpenFile<F = File> {
    file: F,
    /// Up to here there are whole lines, or what was there before.
    length: u64,
    /// Whether the last line lacks its end: what comes next begins a new one.
    cut: bool,
}

impl FileJournal {
    /// One that is made by its first line.
    pub(super) fn new(path: PathBuf, manner: &Manner) -> Self {
        let blobs = Blobs::new(blob_directory(&path), manner.sync == SyncPolicy::Item);
        Self { path, file: None, blobs, redaction: manner.redaction.clone(), lease: FileLease }
    }

    /// One that is there.
    pub(super) fn open(path: PathBuf, manner: &Manner) -> Result<Self, ThreadError> {
        let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ThreadError::NotFound(path.display().to_string()));
            }
            Err(error) => return Err(ThreadError::io("cannot open", path)(error)),
        };
        let lease = match FileLease::take(&file).map_err(ThreadError::io("cannot lock", &path))? {
            Ok(lease) => lease,
            Err(holder) => return Err(ThreadError::Locked { thread: path.display().to_string(), holder }),
        };
        let (length, cut) = end_of(&mut file).map_err(ThreadError::io("cannot read", &path))?;
        Ok(Self { file: Some(OpenFile { file, length, cut }), lease, ..Self::new(path, manner) })
    }

    fn file(&mut self) -> io::Result<&mut OpenFile> {
        if self.file.is_none() {
            self.file = Some(create(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("the file is closed"))
    }
}

impl Journal for FileJournal {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let clean = self.redaction.apply(lines);
        let small = self.blobs.put_away(&clean)?.into_owned();
        self.file()?.append(small)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.file.sync_data()
    }

    /// Through a descriptor of its own: a copy of this one would keep the lease.
    fn sync_later(&self) -> Option<SyncLater> {
        let path = self.path.clone();
        Some(Box::new(move || match File::open(path) {
            Ok(file) => file.sync_data(),
            // Archived or deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }))
    }

    fn blocks(&self) -> bool {
        true
    }

    fn path(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn lease(&self) -> &dyn Lease {
        &self.lease
    }
}

/// What can be written to, and cut off.
trait Storage: Write {
    fn cut_off(&self, length: u64) -> io::Result<()>;
}

impl Storage for File {
    fn cut_off(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

impl<F: Storage> OpenFile<F> {
    /// All of it, or, after an error, nothing: what a write left half done is cut off again, and where even that
    /// fails, what comes next begins on a line of its own.
    fn append(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.cut {
            lines.insert(0, b'\n');
        }
        if let Err(error) = self.file.write_all(&lines) {
            self.cut |= self.file.cut_off(self.length).is_err();
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.cut = false;
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<OpenFile> {
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    let file = private().create_new(true).append(true).open(path)?;
    match FileLease::take(&file)? {
        Ok(_) => Ok(OpenFile { file, length: 0, cut: false }),
        Err(holder) => Err(io::Error::other(format!("it is open in {holder}"))),
    }
}

/// How long the file is, and whether its last line lacks its end.
fn end_of(file: &mut File) -> io::Result<(u64, bool)> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok((0, false));
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok((length, last != *b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, fs};

    /// A disk with little room, on which files may not be cut.
    struct SmallDisk {
        bytes: RefCell<Vec<u8>>,
        room: usize,
        cuts: bool,
    }

    impl Write for SmallDisk {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            let mut bytes = self.bytes.borrow_mut();
            let fits = from.len().min(self.room - bytes.len()).min(5);
            if fits == 0 && !from.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            bytes.extend_from_slice(&from[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Storage for SmallDisk {
        fn cut_off(&self, length: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.bytes.borrow_mut().truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    /// Short writes are completed; what does not fit is not there, or on a line that nobody takes for a whole one.
    fn check(cuts: bool, expected: &str) {
        let disk = SmallDisk { bytes: RefCell::default(), room: 20, cuts };
        let mut file = OpenFile { file: disk, length: 0, cut: false };
        file.append(b"{whole line}\n".to_vec()).unwrap();
        assert_eq!(file.append(b"{another}\n".to_vec()).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.file.room = 100;
        file.append(b"{again}\n".to_vec()).unwrap();
        assert_eq!(String::from_utf8(file.file.bytes.into_inner()).unwrap(), expected);
    }

    #[test]
    fn a_write_that_is_cut_short_leaves_nothing_that_counts() {
        check(true, "{whole line}\n{again}\n");
        check(false, "{whole line}\n{anothe\n{again}\n");
    }

    #[test]
    fn a_journal_without_its_last_newline_goes_on_with_a_line_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollout.jsonl");
        fs::write(&path, "{whole}\n{torn").unwrap();
        let manner = Manner { sync: SyncPolicy::Never, redaction: Arc::default() };
        FileJournal::open(path.clone(), &manner).unwrap().append(b"{next}\n").unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "{whole}\n{torn\n{next}\n");
    }
}
