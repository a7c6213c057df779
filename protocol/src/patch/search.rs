//! Where in a file some lines stand.

use super::level::Level;
use std::{borrow::Cow, cell::OnceCell, collections::HashMap};

/// A file's lines, each with its line ending.
pub(super) struct Lines<'t> {
    lines: Vec<&'t str>,
    indexes: [OnceCell<Index<'t>>; Level::ALL.len()],
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { lines: text.split_inclusive('\n').collect(), indexes: Default::default() }
    }

    pub(super) fn all(&self) -> &[&'t str] {
        &self.lines
    }

    /// The first place at or below `from` where the wanted lines stand, at the most exact level that has one.
    pub(super) fn find(&self, wanted: &[&str], from: usize) -> Option<(usize, Level)> {
        Level::ALL.into_iter().find_map(|level| Some((self.index(level).find(level, wanted, from)?, level)))
    }

    /// The most exact level at which the wanted lines stand at this very place.
    pub(super) fn level_at(&self, wanted: &[&str], at: usize) -> Option<Level> {
        let there = self.lines.get(at..at.checked_add(wanted.len())?)?;
        let agree = |level: Level| there.iter().zip(wanted).all(|(a, b)| level.normal(bare(a)) == level.normal(b));
        Level::ALL.into_iter().find(|level| agree(*level))
    }

    fn index(&self, level: Level) -> &Index<'t> {
        self.indexes[level as usize].get_or_init(|| Index::of(level, &self.lines))
    }
}

/// A line without its `\n`.
fn bare(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}

/// Equal lines have equal numbers. With it a search looks only at the places of the rarest of the wanted lines, which
/// keeps a patch of many chunks linear in the file.
#[derive(Default)]
struct Index<'t> {
    number_of: HashMap<Cow<'t, str>, usize>,
    lines: Vec<usize>,
    places: Vec<Vec<usize>>,
}

impl<'t> Index<'t> {
    fn of(level: Level, lines: &[&'t str]) -> Self {
        let mut index = Self::default();
        for line in lines {
            index.push(level.normal(bare(line)));
        }
        index
    }

    fn push(&mut self, line: Cow<'t, str>) {
        let next = self.places.len();
        let number = *self.number_of.entry(line).or_insert(next);
        if number == next {
            self.places.push(Vec::new());
        }
        self.places[number].push(self.lines.len());
        self.lines.push(number);
    }

    fn find(&self, level: Level, wanted: &[&str], from: usize) -> Option<usize> {
        let number = |line: &&str| self.number_of.get(&level.normal(line)).copied();
        let wanted: Vec<usize> = wanted.iter().map(number).collect::<Option<_>>()?;
        let (before, rarest) = wanted.iter().enumerate().min_by_key(|(_, line)| self.places[**line].len())?;
        let places = &self.places[*rarest];
        let reached = places.partition_point(|place| *place < from + before);
        places[reached..].iter().map(|place| place - before).find(|start| self.lines[*start..].starts_with(&wanted))
    }
}
