//! Why a patch is not applied, in words for the model (reference `apply-patch.md` §2 and §3).

/// The text is not a patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Its frame is missing.
    #[error("invalid patch: {0}")]
    Frame(&'static str),
    /// A line is not what may stand there.
    #[error("invalid hunk at line {line}, {what}")]
    Hunk {
        /// The line's number; the line `*** Begin Patch` is 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// The patch cannot be applied to the files as they are. No file is changed then. Paths are as the patch has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The text is not a patch.
    #[error(transparent)]
    Syntax(#[from] ParseError),
    /// The path names no file: it is empty, a directory's (`..`, `a/`), or has a NUL in it.
    #[error("'{0}' is not the path of a file")]
    NotAFilePath(String),
    /// There is no file to update.
    #[error("Failed to read file to update {0}: there is no such file")]
    NothingToUpdate(String),
    /// There is no file to delete.
    #[error("Failed to delete file {0}: there is no such file")]
    NothingToDelete(String),
    /// The name of an added file, or of a moved one, is taken.
    #[error("Failed to write file {0}: it exists already; update it, or delete it first")]
    Taken(String),
    /// There is something that is not a text file.
    #[error("Failed to patch {path}: it {is}")]
    NotText {
        /// Where.
        path: String,
        /// What it is: "is a directory", ….
        is: &'static str,
    },
    /// The file cannot be read.
    #[error("Failed to read file {path}: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// One path is below another one, which is a file.
    #[error("Failed to write file {inner}: {outer} is a file, not a directory")]
    InsideAFile {
        /// The path below, absolute.
        inner: String,
        /// The file, absolute.
        outer: String,
    },
    /// The line of a `@@` is not in the file, or only above the place that the patch has reached.
    #[error("Failed to find context '{context}' in {path}")]
    ContextNotFound {
        /// The line.
        context: String,
        /// The file.
        path: String,
    },
    /// The lines of a chunk are not in the file, or only above the place that the patch has reached.
    #[error("Failed to find expected lines in {path}:\n{lines}")]
    LinesNotFound {
        /// The lines.
        lines: String,
        /// The file.
        path: String,
    },
}
