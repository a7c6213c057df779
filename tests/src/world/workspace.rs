use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A directory that a session works in; gone with this value.
#[derive(Debug)]
pub struct Workspace {
    directory: TempDir,
}

impl Workspace {
    /// An empty one.
    ///
    /// # Panics
    /// If the machine has no room for it.
    #[must_use]
    pub fn empty() -> Self {
        Self { directory: TempDir::with_prefix("llmx-world-").expect("a temporary directory can be made") }
    }

    /// A git repository with a program that is wrong, and `test.sh`, which says so. Only what git itself looks at is
    /// made by hand, so that no git need be installed.
    #[must_use]
    pub fn with_a_failing_test() -> Self {
        let workspace = Self::empty();
        workspace.write(".git/HEAD", "ref: refs/heads/main\n");
        workspace.write(".git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n");
        workspace.write(".git/objects/.keep", "");
        workspace.write(".git/refs/heads/.keep", "");
        workspace.write("add.sh", "echo $(($1 - $2))\n");
        workspace.write(
            "test.sh",
            "got=$(sh add.sh 2 3)\n\
             if [ \"$got\" = 5 ]; then echo passed; else echo \"2 + 3: expected 5, got $got\" >&2; exit 1; fi\n",
        );
        workspace
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the directories above it.
    ///
    /// # Panics
    /// If it cannot.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("directories can be made");
        fs::write(path, text).expect("files can be written");
    }

    /// Reads a file.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}
