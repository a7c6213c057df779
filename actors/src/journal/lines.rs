//! Reads journals.

use super::{blobs::Blobs, layout::blob_directory};
use crate::threads::ThreadError;
use llmx_protocol::journal::Reader;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The longest line that is read, in bytes; longer ones are damage.
const LONGEST_LINE: u64 = 256 * 1024 * 1024;
/// What is read at once, in bytes.
const READ: usize = 256 * 1024;

/// Gives a reader every line of a journal.
pub(super) fn read_into(reader: &mut Reader<'_>, path: &Path) -> Result<(), ThreadError> {
    let blobs = Blobs::new(blob_directory(path), false);
    for_each_line(path, |offset, line| match blobs.fetch(line) {
        Ok(whole) => reader.line(offset, &whole),
        Err(why) => reader.lost(offset, why),
    })
}

/// Calls `each` with the offset of every line and the line without its end.
pub(super) fn for_each_line(path: &Path, mut each: impl FnMut(u64, &[u8])) -> Result<(), ThreadError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ThreadError::NotFound(path.display().to_string()));
        }
        Err(error) => return Err(ThreadError::io("cannot open", path)(error)),
    };
    let mut from = BufReader::with_capacity(READ, file);
    let mut line = Vec::new();
    let mut offset = 0;
    loop {
        line.clear();
        let read = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        let length = read.map_err(ThreadError::io("cannot read", path))?;
        if length == 0 {
            return Ok(());
        }
        each(offset, line.strip_suffix(b"\n").unwrap_or(&line));
        offset += length as u64;
    }
}
