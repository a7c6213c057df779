//! What a patch says, before any file is looked at (reference `apply-patch.md` §1).

/// A patch: files to add, delete and change, in this order. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The files. The same path may come again and then means the file as the sections before have left it.
    pub sections: Vec<Section>,
}

/// What is to be done with one file. Paths are as the model wrote them, without white space around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Section {
    /// `*** Add File:`
    Add {
        /// The file.
        path: String,
        /// Its lines, each of which gets a newline.
        lines: Vec<String>,
    },
    /// `*** Delete File:`
    Delete {
        /// The file.
        path: String,
    },
    /// `*** Update File:`
    Update {
        /// The file.
        path: String,
        /// Its new name.
        move_to: Option<String>,
        /// The changes, from top to bottom; none only where the file is moved.
        chunks: Vec<Chunk>,
    },
}

/// Changes at one place of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Lines (`@@ line`) to go below, one after the other, before the place is looked for. None is blank.
    pub contexts: Vec<String>,
    /// The place and what becomes of it; at least one line.
    pub lines: Vec<ChangeLine>,
    /// Where in the file the place is.
    pub end: ChunkEnd,
}

/// A line of a chunk, without its first character and its newline.
///
/// A carriage return at the end is part of the line, unless the whole patch is written with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeLine {
    /// Is in the file and stays.
    Keep(String),
    /// Is in the file and goes.
    Remove(String),
    /// Comes.
    Add(String),
}

impl ChangeLine {
    /// The line as the file has it before; `None` for one that is added.
    #[must_use]
    pub fn old(&self) -> Option<&str> {
        match self {
            Self::Keep(line) | Self::Remove(line) => Some(line),
            Self::Add(_) => None,
        }
    }

    /// The line, whatever becomes of it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Keep(line) | Self::Remove(line) | Self::Add(line) => line,
        }
    }
}

/// Where in the file a chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChunkEnd {
    /// Anywhere.
    #[default]
    Anywhere,
    /// `*** End of File`: its last line is the file's last line.
    EndOfFile,
    /// `\ No newline at end of file` after its last kept or added line: as `EndOfFile`, and the new file ends without
    /// a newline. Needs a kept or added line.
    NoFinalNewline,
}
