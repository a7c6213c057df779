//! Big values of lines, images and long outputs, lie beside the journal by their hash: the same one is in the events and
//! in the conversation, often several times.

use super::private_files::{make_directory, private};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use std::{
    borrow::Cow,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

/// Lines up to this size stay whole, in bytes.
const BIG_LINE: usize = 32 * 1024;
/// Of longer ones, strings from this size go into a file of their own, in bytes.
const BIG_VALUE: usize = 8 * 1024;
/// In a line, the only member of the object that stands for a value: its hash.
const MEMBER: &str = "llmx_blob";

/// The big values of one journal.
#[derive(Clone, Debug)]
pub(super) struct Blobs {
    directory: PathBuf,
    /// Whether they must survive a power cut before the line that names them is written.
    durable: bool,
}

impl Blobs {
    pub(super) fn new(directory: PathBuf, durable: bool) -> Self {
        Self { directory, durable }
    }

    /// The lines with their big values put away.
    pub(super) fn put_away<'l>(&self, lines: &'l [u8]) -> io::Result<Cow<'l, [u8]>> {
        if lines.len() <= BIG_LINE || lines.split(|b| *b == b'\n').all(|line| line.len() <= BIG_LINE) {
            return Ok(Cow::Borrowed(lines));
        }
        let mut smaller = Vec::new();
        for line in lines.split_inclusive(|b| *b == b'\n') {
            if line.len() <= BIG_LINE {
                smaller.extend_from_slice(line);
                continue;
            }
            let mut value: Value = serde_json::from_slice(line)?;
            self.put_away_in(&mut value)?;
            serde_json::to_writer(&mut smaller, &value)?;
            smaller.push(b'\n');
        }
        Ok(Cow::Owned(smaller))
    }

    /// The line with its big values in it again.
    ///
    /// # Errors
    /// The line is none, or a value is not there any more.
    pub(super) fn fetch<'l>(&self, line: &'l [u8]) -> Result<Cow<'l, [u8]>, String> {
        if !contains(line, MEMBER.as_bytes()) {
            return Ok(Cow::Borrowed(line));
        }
        let mut value: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        self.fetch_in(&mut value)?;
        Ok(Cow::Owned(value.to_string().into_bytes()))
    }

    fn put_away_in(&self, value: &mut Value) -> io::Result<()> {
        match value {
            Value::String(text) if text.len() >= BIG_VALUE => *value = json!({MEMBER: self.store(text)?}),
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.put_away_in(value))?,
            Value::Object(members) => members.values_mut().try_for_each(|value| self.put_away_in(value))?,
            _ => {}
        }
        Ok(())
    }

    fn fetch_in(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.fetch_in(value)),
            Value::Object(members) => match hash_of(members) {
                Some(hash) => {
                    *value = Value::String(self.load(hash)?);
                    Ok(())
                }
                None => members.values_mut().try_for_each(|value| self.fetch_in(value)),
            },
            _ => Ok(()),
        }
    }

    /// Complete under its name, or not there: a crash must not leave half of it for a later value of the same hash.
    fn store(&self, text: &str) -> io::Result<String> {
        let hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
        let path = self.directory.join(&hash);
        if path.exists() {
            return Ok(hash);
        }
        make_directory(&self.directory)?;
        let unfinished = self.directory.join(format!("{hash}.new"));
        let mut file = private().create(true).truncate(true).write(true).open(&unfinished)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        if self.durable {
            file.sync_data()?;
        }
        fs::rename(unfinished, path)?;
        Ok(hash)
    }

    fn load(&self, hash: &str) -> Result<String, String> {
        fs::read_to_string(self.directory.join(hash)).map_err(|error| format!("big value {hash}: {error}"))
    }

    /// Gives another journal the same values.
    pub(super) fn share_with(&self, other: &Path) -> io::Result<()> {
        let Ok(values) = fs::read_dir(&self.directory) else {
            return Ok(());
        };
        make_directory(other)?;
        for value in values {
            let value = value?;
            let to = other.join(value.file_name());
            fs::hard_link(value.path(), &to).or_else(|_| fs::copy(value.path(), &to).map(drop))?;
        }
        Ok(())
    }
}

/// The hash that the object stands for; nothing else looks like it, and it cannot lead out of the directory.
fn hash_of(members: &Map<String, Value>) -> Option<&str> {
    let hash = members.get(MEMBER).filter(|_| members.len() == 1)?.as_str()?;
    (hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(hash)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_value_lies_once_beside_the_lines_that_have_it() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(directory.path().join("b"), false);
        let big = "x\"y".repeat(BIG_LINE);
        let lines = format!("{}\n{}\n", json!({"a": big, "b": [big, 1, "small"]}), json!({"a": 1}));
        let put_away = blobs.put_away(lines.as_bytes()).unwrap();
        assert!(put_away.len() < 400);
        assert_eq!(fs::read_dir(directory.path().join("b")).unwrap().count(), 1);
        let fetched: Vec<u8> =
            put_away.split(|b| *b == b'\n').flat_map(|l| [&*blobs.fetch(l).unwrap(), b"\n"].concat()).collect();
        let values = |text: &[u8]| -> Vec<Value> {
            text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
        };
        assert_eq!(values(&fetched), values(lines.as_bytes()));
        fs::remove_dir_all(directory.path().join("b")).unwrap();
        assert!(blobs.fetch(put_away.split(|b| *b == b'\n').next().unwrap()).unwrap_err().starts_with("big value"));
    }

    #[test]
    fn text_that_only_looks_like_a_value_stays() {
        let blobs = Blobs::new("/nowhere".into(), false);
        for line in [r#"{"a":"llmx_blob"}"#, r#"{"llmx_blob":"../../etc/passwd"}"#, r#"{"llmx_blob":"x","more":1}"#] {
            assert_eq!(&*blobs.fetch(line.as_bytes()).unwrap(), line.as_bytes());
        }
    }
}
