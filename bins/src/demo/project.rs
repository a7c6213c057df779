//! The tiny project that the demo works on: three scripts, one of them wrong, in a temporary git repository.

use super::{recordings, ui::Pace};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const FILES: [(&str, &str); 3] = [
    ("greet.sh", include_str!("project/greet.sh")),
    ("test.sh", include_str!("project/test.sh")),
    ("soak.sh", include_str!("project/soak.sh")),
];

/// Whether git keeps the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Versioned {
    /// It does.
    Yes,
    /// It does not, and why.
    No(String),
}

/// A temporary directory with the project, the engine's home and the recordings; removed when dropped.
pub(super) struct Project {
    root: TempDir,
    directory: PathBuf,
    home: PathBuf,
    versioned: Versioned,
}

/// The project's test, run by the demo itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestRun {
    /// Its exit code; -1 if a signal ended it.
    pub(super) exit_code: i32,
}

impl Project {
    /// Makes it.
    pub(super) fn make(pace: Pace) -> io::Result<Self> {
        let root = tempfile::Builder::new().prefix("llmx-demo-").tempdir()?;
        let path = root.path().canonicalize()?;
        let (directory, home) = (path.join("project"), path.join("home"));
        fs::create_dir(&directory)?;
        fs::create_dir(&home)?;
        for (name, text) in FILES {
            fs::write(directory.join(name), text)?;
        }
        for recording in recordings::ALL {
            fs::write(path.join(recording.name), recording.text(pace))?;
        }
        let versioned = first_commit(&directory).map_or_else(Versioned::No, |()| Versioned::Yes);
        Ok(Self { root, directory, home, versioned })
    }

    /// Where the model works.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The engine's home, empty.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Whether git keeps it.
    pub(super) fn versioned(&self) -> &Versioned {
        &self.versioned
    }

    /// Where a recording is.
    pub(super) fn recording(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs the test.
    pub(super) fn run_test(&self) -> io::Result<TestRun> {
        let output = Command::new("sh").arg("test.sh").current_dir(&self.directory).output()?;
        Ok(TestRun { exit_code: output.status.code().unwrap_or(-1) })
    }

    /// The script that is wrong at first.
    pub(super) fn greet_script(&self) -> io::Result<String> {
        fs::read_to_string(self.directory.join("greet.sh"))
    }

    /// What changed since the start, as git tells it.
    pub(super) fn diff(&self) -> Result<String, String> {
        git(&self.directory, &["diff", "--no-color", "--no-ext-diff", "--unified=0"])
    }
}

fn first_commit(directory: &Path) -> Result<(), String> {
    const AUTHOR: [&str; 4] = ["-c", "user.name=llmx demo", "-c", "user.email=demo@localhost"];
    git(directory, &["init", "--quiet"])?;
    git(directory, &["add", "."])?;
    git(directory, &[&AUTHOR[..], &["commit", "--quiet", "--message", "Begin"]].concat())?;
    Ok(())
}

/// Runs git as if nobody had configured it. Its variables are taken away: in a git hook they lead to another repository.
fn git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null());
    match command.args(arguments).current_dir(directory).output() {
        Ok(Output { status, stdout, .. }) if status.success() => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        Ok(Output { stderr, .. }) => Err(format!("git: {}", String::from_utf8_lossy(&stderr).trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("git is not installed".to_owned()),
        Err(error) => Err(format!("git: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_fails_until_the_script_is_right() {
        let project = Project::make(Pace::Immediate).unwrap();
        assert_eq!(project.run_test().unwrap(), TestRun { exit_code: 1 });
        let right = project.greet_script().unwrap().replace("$2", "$1");
        fs::write(project.directory().join("greet.sh"), right).unwrap();
        assert_eq!(project.run_test().unwrap(), TestRun { exit_code: 0 });
    }

    #[test]
    fn the_directory_goes_with_the_project() {
        let project = Project::make(Pace::Immediate).unwrap();
        let directory = project.directory().to_owned();
        assert!(directory.join("test.sh").exists());
        drop(project);
        assert!(!directory.exists());
    }
}
