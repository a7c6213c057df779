//! Lists threads from their files, without an index: names sort by the time the thread began, so a page reads the
//! directories of the days that it is about, and the heads of the journals that it shows.

use super::{head::Head, layout::Key};
use crate::threads::{Page, ThreadError, ThreadQuery, ThreadSummary};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// A page has so many threads unless more or fewer are asked for.
const PAGE: usize = 25;
/// So many journals are looked at for one page; what filters leave of them may be less than a page.
const MOST_LOOKED_AT: usize = 10_000;

/// Some threads below the directory of sessions, or in that of archived ones.
pub(super) fn list(directory: &Path, query: &ThreadQuery, own_provider: &str) -> Result<Page, ThreadError> {
    let after = match &query.cursor {
        None => None,
        Some(cursor) => {
            Some(Key::of_cursor(cursor).ok_or_else(|| ThreadError::Invalid(format!("no such cursor: `{cursor}`")))?)
        }
    };
    let limit = query.limit.unwrap_or(PAGE).max(1);
    let mut page = Page::default();
    let mut last = None;
    let journals =
        if query.archived { Journals::flat(directory)? } else { Journals::by_day(directory, after.as_ref())? };
    let older = journals.filter(|(key, _)| after.as_ref().is_none_or(|after| key < after));
    for (looked_at, (key, path)) in older.enumerate() {
        if looked_at == MOST_LOOKED_AT {
            page.next_cursor = last.as_ref().map(Key::cursor);
            break;
        }
        let Some(thread) = summary(&path, query, own_provider) else {
            last = Some(key);
            continue;
        };
        if page.threads.len() == limit {
            page.next_cursor = last.as_ref().map(Key::cursor);
            break;
        }
        page.threads.push(thread);
        last = Some(key);
    }
    Ok(page)
}

/// The thread, if it is asked for. One in which nobody has said anything yet never is.
fn summary(path: &Path, query: &ThreadQuery, own_provider: &str) -> Option<ThreadSummary> {
    let head = Head::read(path);
    if !head.has_message() {
        return None;
    }
    head.summary(path, query.archived).filter(|thread| is_asked_for(thread, query, own_provider))
}

fn is_asked_for(thread: &ThreadSummary, query: &ThreadQuery, own_provider: &str) -> bool {
    let provider = thread.model_provider.as_deref().unwrap_or(own_provider);
    let found = |words: &String| {
        let words = words.to_lowercase();
        let name = thread.name.as_deref().unwrap_or_default();
        name.to_lowercase().contains(&words) || thread.preview.to_lowercase().contains(&words)
    };
    (query.providers.is_empty() || query.providers.iter().any(|asked| asked == provider))
        && (query.sources.is_empty() || query.sources.contains(&thread.source))
        && query.cwd.as_ref().is_none_or(|cwd| *cwd == thread.cwd)
        && query.search.as_ref().is_none_or(found)
}

/// The journals of a store, newest first: a directory is read, and a name, when it is come to.
pub(super) struct Journals {
    /// Oldest first.
    days: Vec<PathBuf>,
    directory: PathBuf,
    /// Of the directory, oldest first.
    names: Vec<OsString>,
}

impl Journals {
    /// Those below `YYYY/MM/DD`; days after the one of `from` are left out.
    pub(super) fn by_day(root: &Path, from: Option<&Key>) -> Result<Self, ThreadError> {
        let mut days = Vec::new();
        for year in directories(root)? {
            for month in directories(&year)? {
                days.extend(directories(&month)?);
            }
        }
        if let Some(from) = from {
            days.retain(|day| date_of(day, root).is_none_or(|date| *date <= *from.date()));
        }
        Ok(Self { days, directory: PathBuf::new(), names: Vec::new() })
    }

    /// Those in one directory.
    pub(super) fn flat(directory: &Path) -> Result<Self, ThreadError> {
        Ok(Self { days: Vec::new(), directory: directory.to_owned(), names: sorted_names(directory)? })
    }
}

impl Iterator for Journals {
    type Item = (Key, PathBuf);

    /// A directory that cannot be read hides its own journals only.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(name) = self.names.pop() {
                if let Some(key) = Key::of_file(&name) {
                    return Some((key, self.directory.join(name)));
                }
            }
            self.directory = self.days.pop()?;
            self.names = sorted_names(&self.directory).unwrap_or_default();
        }
    }
}

fn date_of(day: &Path, root: &Path) -> Option<String> {
    let parts: Option<Vec<_>> = day.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("-"))
}

/// Names begin with the time, then the id: their order is that of the threads.
fn sorted_names(directory: &Path) -> Result<Vec<OsString>, ThreadError> {
    let mut sorted: Vec<_> = names(directory)?.collect();
    sorted.sort_unstable();
    Ok(sorted)
}

/// Directories whose names are numbers, in order.
fn directories(of: &Path) -> Result<Vec<PathBuf>, ThreadError> {
    let is_number = |name: &OsString| name.to_str().is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let mut numbers: Vec<_> = names(of)?.filter(is_number).map(|name| of.join(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn names(directory: &Path) -> Result<impl Iterator<Item = OsString>, ThreadError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(ThreadError::io("cannot read", directory)(error)),
    };
    Ok(entries.into_iter().flatten().flatten().map(|entry| entry.file_name()))
}
