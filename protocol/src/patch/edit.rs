//! The new text of an updated file.

use super::{ChangeLine, Chunk, PatchError, level::Level, matching::Placed, matching::place, search::Lines};

/// The text after the chunks. Lines that no chunk removes stay as they are, byte for byte, but for one thing: a last
/// line without a newline gets one, unless the patch says `\ No newline at end of file` or has no chunk.
///
/// # Errors
///
/// What of the patch is not in the text; `path` is for the words only.
pub(super) fn update(path: &str, text: &str, chunks: &[Chunk]) -> Result<String, PatchError> {
    if chunks.is_empty() {
        return Ok(text.into());
    }
    let file = Lines::of(text);
    let mut placed = place(path, &file, chunks)?;
    placed.sort_by_key(|chunk| chunk.at);
    let mut edit = Edit { old: file.all(), at: 0, new: String::with_capacity(text.len()), gives_endings: false };
    placed.iter().for_each(|chunk| edit.apply(chunk));
    edit.keep_until(file.all().len());
    Ok(edit.finish(placed.last().is_some_and(|chunk| chunk.drops_final_newline)))
}

struct Edit<'f> {
    old: &'f [&'f str],
    at: usize,
    new: String,
    /// Whether the chunk applied last says itself how its lines end.
    gives_endings: bool,
}

impl Edit<'_> {
    fn apply(&mut self, chunk: &Placed<'_>) {
        self.keep_until(chunk.at);
        let ending = self.ending_of_added_lines(chunk);
        self.gives_endings = ending.is_none();
        for line in chunk.lines.iter() {
            match line {
                ChangeLine::Keep(_) => self.keep_until(self.at + 1),
                ChangeLine::Remove(_) => self.at += 1,
                ChangeLine::Add(line) => self.add(line, ending),
            }
        }
    }

    fn keep_until(&mut self, end: usize) {
        while self.at < end {
            self.push(self.old[self.at]);
            self.at += 1;
        }
    }

    /// `None`: the line is added with the ending that the patch gives it.
    fn add(&mut self, line: &str, ending: Option<&str>) {
        match ending {
            None => self.push(line),
            Some(_) => self.push(line.strip_suffix('\r').unwrap_or(line)),
        }
        self.new.push_str(ending.unwrap_or("\n"));
    }

    fn push(&mut self, line: &str) {
        self.end_last_line();
        self.new.push_str(line);
    }

    fn end_last_line(&mut self) {
        if !self.new.is_empty() && !self.new.ends_with('\n') {
            self.new.push_str(self.ending_at(self.at));
        }
    }

    /// A patch that gives carriage returns where the file has them, byte for byte, means those that it gives.
    fn ending_of_added_lines(&self, chunk: &Placed<'_>) -> Option<&'static str> {
        let gives_endings = chunk.lines.iter().any(|line| line.text().ends_with('\r'));
        let is_exact = chunk.level == Some(Level::Bytes) || self.old.is_empty();
        if gives_endings && is_exact {
            return None;
        }
        let old_lines = chunk.lines.iter().filter(|line| line.old().is_some()).count();
        let inside = self.old[chunk.at..chunk.at + old_lines].iter().find_map(|line| ending(line));
        Some(inside.unwrap_or_else(|| self.ending_at(chunk.at)))
    }

    /// What a line before this one ends with: as the line above, else as the file's first line.
    fn ending_at(&self, at: usize) -> &'static str {
        let above = at.checked_sub(1).and_then(|above| self.old.get(above));
        above.and_then(|line| ending(line)).or_else(|| ending(self.old.first()?)).unwrap_or("\n")
    }

    fn finish(mut self, drop_final_newline: bool) -> String {
        if !drop_final_newline {
            self.end_last_line();
        } else if pop(&mut self.new, '\n') && !self.gives_endings {
            pop(&mut self.new, '\r');
        }
        self.new
    }
}

fn ending(line: &str) -> Option<&'static str> {
    ["\r\n", "\n"].into_iter().find(|ending| line.ends_with(ending))
}

fn pop(text: &mut String, last: char) -> bool {
    let is_last = text.ends_with(last);
    text.truncate(text.len() - if is_last { last.len_utf8() } else { 0 });
    is_last
}
