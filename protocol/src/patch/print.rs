//! From a [`Patch`] to its text. `parse` of it is the patch again.

use super::{ChangeLine, Chunk, ChunkEnd, Patch, Section};
use std::fmt;

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "*** Begin Patch")?;
        self.sections.iter().try_for_each(|section| section.fmt(f))?;
        writeln!(f, "*** End Patch")
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { path, lines } => {
                writeln!(f, "*** Add File: {path}")?;
                lines.iter().try_for_each(|line| writeln!(f, "+{line}"))
            }
            Self::Delete { path } => writeln!(f, "*** Delete File: {path}"),
            Self::Update { path, move_to, chunks } => {
                writeln!(f, "*** Update File: {path}")?;
                move_to.iter().try_for_each(|target| writeln!(f, "*** Move to: {target}"))?;
                chunks.iter().try_for_each(|chunk| chunk.fmt(f))
            }
        }
    }
}

impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.contexts.is_empty() {
            writeln!(f, "@@")?;
        }
        self.contexts.iter().try_for_each(|context| writeln!(f, "@@ {context}"))?;
        let last_new = self.lines.iter().rposition(|line| !matches!(line, ChangeLine::Remove(_)));
        for (number, line) in self.lines.iter().enumerate() {
            writeln!(f, "{line}")?;
            if self.end == ChunkEnd::NoFinalNewline && last_new == Some(number) {
                writeln!(f, "\\ No newline at end of file")?;
            }
        }
        if self.end == ChunkEnd::EndOfFile { writeln!(f, "*** End of File") } else { Ok(()) }
    }
}

impl fmt::Display for ChangeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(line) => write!(f, " {line}"),
            Self::Remove(line) => write!(f, "-{line}"),
            Self::Add(line) => write!(f, "+{line}"),
        }
    }
}
