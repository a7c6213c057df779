//! Lists threads from their files, without an index: names sort by the time the thread began, so a page reads the
//! directories of the days that it is about, and the heads of the journals that it shows.

use super::{
    head::{Head, modified},
    layout::Key,
};
use crate::threads::{Page, ThreadError, ThreadOrder, ThreadQuery, ThreadSummary};
use std::{
    cmp::Ordering,
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
    let limit = query.limit.unwrap_or(PAGE).max(1);
    let mut page = Page::default();
    let mut last = None;
    for (looked_at, place) in places(directory, query)?.enumerate() {
        if looked_at == MOST_LOOKED_AT {
            page.next_cursor = last.as_ref().map(Place::cursor);
            break;
        }
        let Some(thread) = summary(&place.path, query, own_provider) else {
            last = Some(place);
            continue;
        };
        if page.threads.len() == limit {
            page.next_cursor = last.as_ref().map(Place::cursor);
            break;
        }
        page.threads.push(thread);
        last = Some(place);
    }
    Ok(page)
}

/// A journal, and where it stands in the order that was asked for.
struct Place {
    /// When it was last written, in milliseconds of the Unix time; `None` where the order does not ask for that.
    written: Option<u128>,
    key: Key,
    path: PathBuf,
}

/// What a cursor says: [`Place`] without the path.
type Position = (Option<u128>, Key);

impl Place {
    fn cursor(&self) -> String {
        let written = self.written.map(|millis| format!("{millis}~")).unwrap_or_default();
        format!("{written}{}", self.key.cursor())
    }

    fn is_behind(&self, after: Option<&Position>, oldest_first: bool) -> bool {
        after.is_none_or(|(written, key)| {
            let order = (self.written, &self.key).cmp(&(*written, key));
            order == if oldest_first { Ordering::Greater } else { Ordering::Less }
        })
    }
}

/// What the query asks for, from where it asks for it.
fn places(directory: &Path, query: &ThreadQuery) -> Result<Box<dyn Iterator<Item = Place>>, ThreadError> {
    let after = query.cursor.as_deref().map(|cursor| {
        position(cursor, query.order).ok_or_else(|| ThreadError::Invalid(format!("no such cursor: `{cursor}`")))
    });
    let after = after.transpose()?;
    let oldest_first = query.oldest_first;
    let from = after.as_ref().filter(|_| query.order == ThreadOrder::Began).map(|(_, key)| key);
    let journals = if query.archived {
        Journals::flat(directory, oldest_first)?
    } else {
        Journals::by_day(directory, from, oldest_first)?
    };
    let places: Box<dyn Iterator<Item = Place>> = match query.order {
        ThreadOrder::Began => Box::new(journals.map(|(key, path)| Place { written: None, key, path })),
        ThreadOrder::Written => {
            let place = |(key, path): (Key, PathBuf)| Place { written: Some(modified(&path).as_millis()), key, path };
            let mut places: Vec<_> = journals.map(place).collect();
            places.sort_unstable_by(|one, other| (one.written, &one.key).cmp(&(other.written, &other.key)));
            if !oldest_first {
                places.reverse();
            }
            Box::new(places.into_iter())
        }
    };
    Ok(Box::new(places.filter(move |place| place.is_behind(after.as_ref(), oldest_first))))
}

fn position(cursor: &str, order: ThreadOrder) -> Option<Position> {
    match order {
        ThreadOrder::Began => Some((None, Key::of_cursor(cursor)?)),
        ThreadOrder::Written => {
            let (written, key) = cursor.split_once('~')?;
            Some((Some(written.parse().ok()?), Key::of_cursor(key)?))
        }
    }
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
        && (query.cwds.is_empty() || query.cwds.contains(&thread.cwd))
        && query.search.as_ref().is_none_or(found)
}

/// The journals of a store, in the order in which the threads began: a directory is read, and a name, when it is come to.
pub(super) struct Journals {
    oldest_first: bool,
    /// The next one last.
    days: Vec<PathBuf>,
    directory: PathBuf,
    /// Of the directory, the next one last.
    names: Vec<OsString>,
}

impl Journals {
    /// Those below `YYYY/MM/DD`; days before the one of `from`, in that order, are left out.
    pub(super) fn by_day(root: &Path, from: Option<&Key>, oldest_first: bool) -> Result<Self, ThreadError> {
        let mut days = Vec::new();
        for year in directories(root)? {
            for month in directories(&year)? {
                days.extend(directories(&month)?);
            }
        }
        if let Some(from) = from {
            let may_be_behind = |date: String| if oldest_first { *date >= *from.date() } else { *date <= *from.date() };
            days.retain(|day| date_of(day, root).is_none_or(may_be_behind));
        }
        if oldest_first {
            days.reverse();
        }
        Ok(Self { oldest_first, days, directory: PathBuf::new(), names: Vec::new() })
    }

    /// Those in one directory.
    pub(super) fn flat(directory: &Path, oldest_first: bool) -> Result<Self, ThreadError> {
        let names = names_in_order(directory, oldest_first)?;
        Ok(Self { oldest_first, days: Vec::new(), directory: directory.to_owned(), names })
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
            self.names = names_in_order(&self.directory, self.oldest_first).unwrap_or_default();
        }
    }
}

fn date_of(day: &Path, root: &Path) -> Option<String> {
    let parts: Option<Vec<_>> = day.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("-"))
}

/// Names begin with the time, then the id: their order is that of the threads. The next one last.
fn names_in_order(directory: &Path, oldest_first: bool) -> Result<Vec<OsString>, ThreadError> {
    let mut sorted: Vec<_> = names(directory)?.collect();
    sorted.sort_unstable();
    if oldest_first {
        sorted.reverse();
    }
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
