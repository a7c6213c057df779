//! One name in the file system that a patch gives another text, or takes away, and each of the steps to that.
//!
//! A step is a system call that happens or does not, so the state of a slot is one of few and can be read off the disk:
//!
//! | state | at the name | beside it |
//! |---|---|---|
//! | untouched | old | nothing |
//! | staged | old | new, perhaps not whole |
//! | committed | new | old |
//! | clean | new | nothing |
//!
//! Directories are opened part by part and no link is followed: the path was without links when it was judged, and one
//! that has come since would lead elsewhere.

use rustix::fd::OwnedFd;
use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, RenameFlags, accessat, fchmod, fchown, fstat, mkdirat, open, openat,
    renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

/// A name, what it is and what it is to be. The path is absolute, normal and without links.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) path: PathBuf,
    /// The text until now; nothing is there without one.
    pub(super) old: Option<String>,
    /// The text from now on; nothing is to be there without one.
    pub(super) new: Option<String>,
    /// Whose mode and owner the new file gets.
    pub(super) like: Option<PathBuf>,
}

/// Why a slot cannot be dealt with, in words that follow its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The system says no.
    System(Errno),
    /// It is not what the patch was planned on.
    Changed,
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

/// What is found at a name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Text,
    /// Not the text that was looked for.
    Other,
}

/// A name in a directory that is open.
struct Place {
    directory: OwnedFd,
    name: OsString,
    beside: OsString,
}

impl Slot {
    /// Whether the name is what the patch was planned on. Nothing is written.
    pub(super) fn verify(&self, id: &str) -> Result<(), Trouble> {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(Errno::NOENT) if self.old.is_none() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        place.expect(&place.name, self.old.as_deref())?;
        if self.old.is_some() && self.new.is_some() {
            accessat(&place.directory, &place.name, Access::WRITE_OK, AtFlags::empty())?;
        }
        Ok(())
    }

    /// Writes the new text beside the name.
    pub(super) fn stage(&self, id: &str) -> Result<(), Trouble> {
        match &self.new {
            Some(text) => Ok(self.place(id)?.write_beside(text, self.like.as_deref())?),
            None => Ok(()),
        }
    }

    /// Gives the name its new text; the old file is beside it then. What the name was is looked at once more when it can
    /// change no more.
    pub(super) fn commit(&self, id: &str) -> Result<(), Trouble> {
        let place = self.place(id)?;
        match (&self.old, &self.new) {
            (Some(old), Some(_)) => place.exchange(old),
            (None, Some(_)) => Ok(place.move_to_free_name(&place.beside, &place.name)?),
            (Some(old), None) => {
                place.move_to_free_name(&place.name, &place.beside)?;
                place.expect(&place.beside, Some(old)).or_else(|trouble| {
                    place.move_to_free_name(&place.beside, &place.name)?;
                    Err(trouble)
                })
            }
            (None, None) => Ok(()),
        }
    }

    /// Whether the name has its new text.
    pub(super) fn is_committed(&self, id: &str) -> Result<bool, Trouble> {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(Errno::NOENT) => return Ok(self.new.is_none()),
            Err(error) => return Err(error.into()),
        };
        let has_new = match &self.new {
            Some(new) => place.find(&place.name, new)? == Found::Text,
            None => place.find(&place.name, "")? == Found::Nothing,
        };
        // What is still beside a name that was free did not get there.
        let still_beside = || Ok::<_, Errno>(self.old.is_none() && place.find(&place.beside, "")? != Found::Nothing);
        Ok(has_new && !still_beside()?)
    }

    /// Takes away what is beside the name.
    pub(super) fn clean(&self, id: &str) -> Result<(), Trouble> {
        match self.place(id) {
            Ok(place) => Ok(place.remove(&place.beside)?),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the name what it was, whatever of the above was done, and takes away what is beside it.
    pub(super) fn undo(&self, id: &str) -> Result<(), Trouble> {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(Errno::NOENT) if self.old.is_none() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => self.undo_update(&place, old, new)?,
            (None, Some(_)) if self.is_committed(id)? => place.remove(&place.name)?,
            (Some(old), None) => self.undo_removal(&place, old)?,
            (None, _) => {}
        }
        Ok(place.remove(&place.beside)?)
    }

    fn undo_update(&self, place: &Place, old: &str, new: &str) -> Result<(), Trouble> {
        if place.find(&place.name, old)? == Found::Text {
            return Ok(());
        }
        let old_is_beside = place.find(&place.beside, old)? == Found::Text;
        if place.find(&place.name, new)? != Found::Text {
            return Self::left_to_others(old_is_beside);
        }
        if !old_is_beside {
            place.remove(&place.beside)?;
            place.write_beside(old, Some(&self.path))?;
        }
        place.exchange(new)
    }

    fn undo_removal(&self, place: &Place, old: &str) -> Result<(), Trouble> {
        let old_is_beside = place.find(&place.beside, old)? == Found::Text;
        match place.find(&place.name, old)? {
            Found::Text => return Ok(()),
            Found::Other => return Self::left_to_others(old_is_beside),
            Found::Nothing => {}
        }
        if !old_is_beside {
            place.remove(&place.beside)?;
            place.write_beside(old, None)?;
        }
        Ok(place.move_to_free_name(&place.beside, &place.name)?)
    }

    /// Somebody else has written to the name. What is beside it stays if it is the old text, which is nowhere else then.
    fn left_to_others(old_is_beside: bool) -> Result<(), Trouble> {
        if old_is_beside { Err(Trouble::Changed) } else { Ok(()) }
    }

    fn place(&self, id: &str) -> Result<Place, Errno> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err(Errno::INVAL);
        };
        Ok(Place { directory: open_directory(directory)?, name: name.to_owned(), beside: beside(name, id) })
    }
}

/// The name of what is put beside a name: hidden, and short enough where the name itself is as long as names can be.
fn beside(name: &OsStr, id: &str) -> OsString {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!(".llmx-patch-{id}-{:016x}", hasher.finish()).into()
}

/// Opens a directory to work in, without following a link anywhere.
fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = open("/", flags, Mode::empty())?;
    for component in path.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => directory = openat(&directory, name, flags, Mode::empty())?,
            _ => return Err(Errno::INVAL),
        }
    }
    Ok(directory)
}

/// Makes a directory, unless it is there.
pub(super) fn make_directory(path: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    match mkdirat(open_directory(parent)?, name, Mode::from_raw_mode(0o777)) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

/// Removes a directory if it is empty.
pub(super) fn remove_empty_directory(path: &Path) {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
        && let Ok(parent) = open_directory(parent)
    {
        let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
    }
}

impl Place {
    fn find(&self, name: &OsStr, text: &str) -> Result<Found, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Found::Other),
            Err(error) => return Err(error),
        };
        let stat = fstat(&file)?;
        let is_as_long = u64::try_from(stat.st_size).ok() == Some(text.len() as u64);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || !is_as_long {
            return Ok(Found::Other);
        }
        let mut bytes = Vec::with_capacity(text.len() + 1);
        let read = File::from(file).read_to_end(&mut bytes);
        read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok(if bytes == text.as_bytes() { Found::Text } else { Found::Other })
    }

    fn expect(&self, name: &OsStr, text: Option<&str>) -> Result<(), Trouble> {
        let expected = if text.is_some() { Found::Text } else { Found::Nothing };
        if self.find(name, text.unwrap_or_default())? == expected { Ok(()) } else { Err(Trouble::Changed) }
    }

    fn write_beside(&self, text: &str, like: Option<&Path>) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.directory, &self.beside, flags, Mode::from_raw_mode(0o666))?);
        if let Some(like) = like {
            make_alike(&file, like)?;
        }
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// The old file is beside the new one then, and if that is not what it was said to be nothing has happened.
    fn exchange(&self, old: &str) -> Result<(), Trouble> {
        match renameat_with(&self.directory, &self.beside, &self.directory, &self.name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            // Some file systems cannot: then the old text is in the journal only.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.expect(&self.name, Some(old))?;
                return Ok(renameat(&self.directory, &self.beside, &self.directory, &self.name)?);
            }
            Err(error) => return Err(error.into()),
        }
        self.expect(&self.beside, Some(old)).or_else(|trouble| {
            renameat_with(&self.directory, &self.beside, &self.directory, &self.name, RenameFlags::EXCHANGE)?;
            Err(trouble)
        })
    }

    fn move_to_free_name(&self, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
        match renameat_with(&self.directory, from, &self.directory, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if self.find(to, "")? == Found::Nothing => {
                renameat(&self.directory, from, &self.directory, to)
            }
            moved => moved,
        }
    }

    /// Where nothing can be written the system says no also to what need not be done.
    fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        match self.find(name, "")? {
            Found::Nothing => Ok(()),
            Found::Text | Found::Other => unlinkat(&self.directory, name, AtFlags::empty()),
        }
    }
}

/// The owner is kept where that is allowed: in a sandbox, and to most users, it is not.
fn make_alike(file: &File, like: &Path) -> Result<(), Errno> {
    let (Some(directory), Some(name)) = (like.parent(), like.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let wanted = fstat(openat(open_directory(directory)?, name, flags, Mode::empty())?)?;
    let made = fstat(file)?;
    if (wanted.st_uid, wanted.st_gid) != (made.st_uid, made.st_gid) {
        let _ = fchown(file, Some(Uid::from_raw(wanted.st_uid)), Some(Gid::from_raw(wanted.st_gid)));
    }
    if wanted.st_mode == made.st_mode { Ok(()) } else { fchmod(file, Mode::from_raw_mode(wanted.st_mode)) }
}
