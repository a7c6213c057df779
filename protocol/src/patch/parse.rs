//! From text to a [`Patch`]. Lenient where models err and the meaning is plain, see reference `apply-patch.md` §2.

use super::{ChangeLine, Chunk, ChunkEnd, ParseError, Patch, Section};

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const END_OF_FILE: &str = "*** End of File";
const VALID_HEADERS: &str =
    "Valid hunk headers: '*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'";
const VALID_PREFIXES: &str = "Every line should start with ' ' (context line), '+' (added line), or '-' (removed line)";

/// Reads a patch.
///
/// White space around the text, blank lines between files and a here-document's frame (`<<EOF` … `EOF`) are dropped. A
/// patch whose first line ends with a carriage return is taken to have one at the end of every line.
///
/// # Errors
///
/// The first line that makes no sense, in words for the model.
pub fn parse(text: &str) -> Result<Patch, ParseError> {
    let lines = lines_of(text.trim());
    let lines = unwrapped(framed(&lines).is_err(), &lines);
    Parser { lines: framed(lines)?, at: 1 }.patch()
}

fn lines_of(text: &str) -> Vec<&str> {
    let written_with_returns = text.split('\n').next().is_some_and(|first| first.ends_with('\r'));
    let strip = |line| if written_with_returns { without_return(line) } else { line };
    text.split('\n').map(strip).collect()
}

fn without_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

fn unwrapped<'l, 't>(may_be_wrapped: bool, lines: &'l [&'t str]) -> &'l [&'t str] {
    match lines {
        ["<<EOF" | "<<'EOF'" | "<<\"EOF\"", inner @ .., last]
            if may_be_wrapped && last.ends_with("EOF") && inner.len() >= 2 =>
        {
            inner
        }
        _ => lines,
    }
}

/// The lines without the last one; the first one stays, so that an index is a line number less one.
fn framed<'l, 't>(lines: &'l [&'t str]) -> Result<&'l [&'t str], ParseError> {
    if lines.first().is_none_or(|first| first.trim_end() != BEGIN) {
        return Err(ParseError::Frame("The first line of the patch must be '*** Begin Patch'"));
    }
    match lines.split_last() {
        Some((last, before)) if last.trim_end() == END => Ok(before),
        _ => Err(ParseError::Frame("The last line of the patch must be '*** End Patch'")),
    }
}

struct Parser<'l, 't> {
    lines: &'l [&'t str],
    at: usize,
}

impl<'t> Parser<'_, 't> {
    fn patch(mut self) -> Result<Patch, ParseError> {
        let mut sections = Vec::new();
        self.skip_blank();
        while let Some(header) = self.next() {
            sections.push(self.section(header)?);
            self.skip_blank();
        }
        Ok(Patch { sections })
    }

    fn section(&mut self, header: &str) -> Result<Section, ParseError> {
        if let Some(path) = path_after(header, &["*** Add File: ", "*** Create File: "]) {
            Ok(Section::Add { path, lines: self.added() })
        } else if let Some(path) = path_after(header, &["*** Delete File: "]) {
            Ok(Section::Delete { path })
        } else if let Some(path) = path_after(header, &["*** Update File: "]) {
            self.update(path)
        } else {
            let header = header.trim();
            Err(self.error_before(format!("'{header}' is not a valid hunk header. {VALID_HEADERS}")))
        }
    }

    fn added(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.peek().and_then(|line| line.strip_prefix('+')) {
            lines.push(line.into());
            self.at += 1;
        }
        lines
    }

    fn update(&mut self, path: String) -> Result<Section, ParseError> {
        let empty = self.error_before(format!("Update file hunk for path '{path}' is empty"));
        let move_to = self.move_to();
        self.skip_blank_before_context();
        let mut chunks = Vec::new();
        while self.peek().is_some_and(|line| !line.starts_with("***")) {
            chunks.push(self.chunk(chunks.is_empty())?);
            self.skip_blank();
        }
        if chunks.is_empty() && move_to.is_none() {
            return Err(empty);
        }
        Ok(Section::Update { path, move_to, chunks })
    }

    fn move_to(&mut self) -> Option<String> {
        let path = path_after(self.peek()?.trim_end(), &["*** Move to: "])?;
        let has_room_before = self.peek()?.starts_with(char::is_whitespace);
        (!has_room_before).then(|| {
            self.at += 1;
            path
        })
    }

    /// A blank line means an empty line to keep, except where it only sets the first chunk apart.
    fn skip_blank_before_context(&mut self) {
        let start = self.at;
        self.skip_blank();
        if self.peek().is_some_and(|line| context(line).is_none() && !line.starts_with("***")) {
            self.at = start;
        }
    }

    fn chunk(&mut self, is_first: bool) -> Result<Chunk, ParseError> {
        let start = self.at;
        let contexts = self.contexts();
        let has_header = self.at > start;
        if let (false, false, Some(line)) = (has_header, is_first, self.peek()) {
            let what = format!("Expected update hunk to start with a @@ context marker, got: '{line}'");
            return Err(self.error(what));
        }
        let mut chunk = Chunk { contexts, ..Chunk::default() };
        while let Some(line) = self.peek()
            && chunk.accept(line)
        {
            self.at += 1;
        }
        if chunk.lines.is_empty() {
            return Err(self.error(no_change_line(self.peek())));
        }
        self.end_of_file(&mut chunk);
        Ok(chunk)
    }

    fn contexts(&mut self) -> Vec<String> {
        let mut contexts = Vec::new();
        while let Some(text) = self.peek().and_then(context) {
            if !text.trim().is_empty() {
                contexts.push(text.into());
            }
            self.at += 1;
        }
        contexts
    }

    fn end_of_file(&mut self, chunk: &mut Chunk) {
        if self.peek().is_some_and(|line| line.trim_end() == END_OF_FILE) {
            self.at += 1;
            if chunk.end == ChunkEnd::Anywhere {
                chunk.end = ChunkEnd::EndOfFile;
            }
        }
    }

    fn peek(&self) -> Option<&'t str> {
        self.lines.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'t str> {
        let line = self.peek()?;
        self.at += 1;
        Some(line)
    }

    fn skip_blank(&mut self) {
        while self.peek().is_some_and(|line| line.trim().is_empty()) {
            self.at += 1;
        }
    }

    fn error(&self, what: String) -> ParseError {
        ParseError::Hunk { line: self.at + 1, what }
    }

    fn error_before(&self, what: String) -> ParseError {
        ParseError::Hunk { line: self.at, what }
    }
}

impl Chunk {
    /// Takes a line of the chunk's body; `false` if it is none.
    fn accept(&mut self, line: &str) -> bool {
        let mut characters = line.chars();
        let change: fn(String) -> ChangeLine = match characters.next() {
            None | Some(' ') => ChangeLine::Keep,
            Some('-') => ChangeLine::Remove,
            Some('+') => ChangeLine::Add,
            Some('\\') => return self.accept_missing_newline(),
            Some(_) => return false,
        };
        self.lines.push(change(characters.as_str().into()));
        true
    }

    /// Below a removed line it speaks of the old file, which is there to be seen.
    fn accept_missing_newline(&mut self) -> bool {
        if let Some(ChangeLine::Keep(_) | ChangeLine::Add(_)) = self.lines.last() {
            self.end = ChunkEnd::NoFinalNewline;
        }
        !self.lines.is_empty()
    }
}

fn no_change_line(found: Option<&str>) -> String {
    match found {
        Some(line) if !line.starts_with("***") => {
            format!("Unexpected line found in update hunk: '{line}'. {VALID_PREFIXES}")
        }
        _ => "Update hunk does not contain any lines".into(),
    }
}

/// The text of a `@@` line; empty where it has none.
fn context(line: &str) -> Option<&str> {
    let text = line.strip_prefix("@@")?;
    if text.trim().is_empty() { Some("") } else { text.strip_prefix(' ') }
}

fn path_after(line: &str, headers: &[&str]) -> Option<String> {
    let path = headers.iter().find_map(|header| line.trim().strip_prefix(header))?.trim();
    (!path.is_empty()).then(|| path.into())
}
