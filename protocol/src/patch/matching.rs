//! Where each chunk of an update goes (reference `apply-patch.md` §3).

use super::{ChangeLine, Chunk, ChunkEnd, PatchError, level::Level, search::Lines};
use std::borrow::Cow;

/// A chunk and its place.
pub(super) struct Placed<'c> {
    /// The number of the line that its first kept or removed line is, or that it is put before.
    pub at: usize,
    /// How exactly the old lines are there; `None` if it has none.
    pub level: Option<Level>,
    /// Its lines.
    pub lines: Cow<'c, [ChangeLine]>,
    /// Whether the new file ends with it and without a newline.
    pub drops_final_newline: bool,
}

/// Finds the places, from top to bottom: a chunk is never looked for above the end of the one before.
///
/// # Errors
///
/// The first line or group of lines that is not there. `path` is for its words only.
pub(super) fn place<'c>(path: &str, file: &Lines<'_>, chunks: &'c [Chunk]) -> Result<Vec<Placed<'c>>, PatchError> {
    let mut search = Search { path, file, cursor: 0 };
    chunks.iter().map(|chunk| search.place(chunk)).collect()
}

struct Search<'f, 't> {
    path: &'f str,
    file: &'f Lines<'t>,
    cursor: usize,
}

impl Search<'_, '_> {
    fn place<'c>(&mut self, chunk: &'c Chunk) -> Result<Placed<'c>, PatchError> {
        let context = self.go_below(&chunk.contexts)?;
        let lines = Cow::Borrowed(chunk.lines.as_slice());
        let placed = self.place_lines(lines, chunk.end, context).or_else(|| {
            let lines = without_last_empty_line(&chunk.lines)?;
            self.place_lines(lines.into(), chunk.end, context)
        });
        placed.ok_or_else(|| self.not_found(chunk))
    }

    /// The number of the last context line.
    fn go_below(&mut self, contexts: &[String]) -> Result<Option<usize>, PatchError> {
        let mut last = None;
        for context in contexts {
            let Some((at, _)) = self.file.find(&[context], self.cursor) else {
                return Err(PatchError::ContextNotFound { context: context.clone(), path: self.path.into() });
            };
            self.cursor = at + 1;
            last = Some(at);
        }
        Ok(last)
    }

    fn place_lines<'c>(
        &mut self,
        lines: Cow<'c, [ChangeLine]>,
        end: ChunkEnd,
        context: Option<usize>,
    ) -> Option<Placed<'c>> {
        let old: Vec<&str> = lines.iter().filter_map(ChangeLine::old).collect();
        let (at, level) = if old.is_empty() {
            (self.insertion(end, context), None)
        } else {
            let (at, level) = self.find(&old, end, context)?;
            self.cursor = at + old.len();
            (at, Some(level))
        };
        Some(Placed { at, level, lines, drops_final_newline: end == ChunkEnd::NoFinalNewline })
    }

    fn insertion(&self, end: ChunkEnd, context: Option<usize>) -> usize {
        match (context, end) {
            (Some(line), ChunkEnd::Anywhere) => line + 1,
            _ => self.file.all().len(),
        }
    }

    /// Models often repeat the context line as the first line of the chunk: that is the third try.
    fn find(&self, old: &[&str], end: ChunkEnd, context: Option<usize>) -> Option<(usize, Level)> {
        if end != ChunkEnd::Anywhere {
            let at = self.file.all().len().checked_sub(old.len())?;
            let first_allowed = context.unwrap_or(self.cursor);
            return self.file.level_at(old, at).filter(|_| at >= first_allowed).map(|level| (at, level));
        }
        let at_context = || context.and_then(|at| Some((at, self.file.level_at(old, at)?)));
        self.file.find(old, self.cursor).or_else(at_context)
    }

    fn not_found(&self, chunk: &Chunk) -> PatchError {
        let lines: Vec<&str> = chunk.lines.iter().filter_map(ChangeLine::old).collect();
        PatchError::LinesNotFound { lines: lines.join("\n"), path: self.path.into() }
    }
}

/// Models take the file's last newline for an empty line, or set chunks apart with one. If it is not in the file it is
/// no line to look for; where more follows, it is one to add.
fn without_last_empty_line(lines: &[ChangeLine]) -> Option<Vec<ChangeLine>> {
    let last_old = lines.iter().rposition(|line| line.old().is_some())?;
    lines[last_old].text().is_empty().then(|| {
        let mut lines = lines.to_vec();
        match lines.remove(last_old) {
            ChangeLine::Keep(_) if last_old < lines.len() => lines.insert(last_old, ChangeLine::Add(String::new())),
            _ => {}
        }
        lines
    })
}
