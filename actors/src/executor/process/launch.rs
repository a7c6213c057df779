//! What to run, and how it is told to the helper: the helper's command line.

use crate::executor::sandbox::Sandbox;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The name under which a program runs as a helper (its `argv[0]`).
pub(crate) const HELPER_NAME: &str = "llmx-exec";

/// Separates the helper's own arguments from the command's.
const END_OF_OPTIONS: &str = "--";

/// Precedes the number of the control socket where stdin is the command's.
const CONTROL: &str = "--control";

/// Precedes the path of the file that is the command's stdin.
const INPUT: &str = "--input";

/// Stdin is a terminal for the command alone.
const TERMINAL: &str = "--terminal";

/// The beginning of the names of the dynamic linker's variables.
const LINKERS: &[u8] = b"LD_";

/// Put before such a name on the way to the command.
const FOR_THE_COMMAND: &[u8] = b"llmx-exec:";

/// What the helper finds where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ends<'e> {
    /// The control socket, where it is not stdin.
    pub(super) control: Option<RawFd>,
    /// The file that is the command's stdin.
    pub(super) input: Option<&'e Path>,
    /// Whether stdin is a terminal that is to be the command's controlling one.
    pub(super) terminal: bool,
}

/// A program whose `main` starts with [`run_if_helper`](super::run_if_helper).
///
/// A program that does not would simply be started once more, with a socket as its stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperPath(PathBuf);

impl HelperPath {
    /// The program that is running now, also when its file has been replaced or removed since it started.
    #[must_use]
    pub fn this_program() -> Self {
        Self(PathBuf::from("/proc/self/exe"))
    }

    /// Another program, by its path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }
}

/// One command to run.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Program and arguments. A program without a slash is searched in the `PATH` of [`env`](Self::env). Other users
    /// of the machine can read it, so it carries no secrets.
    pub argv: Vec<OsString>,
    /// Working directory of the command. The helper enters it, so a missing one is an
    /// [`Ended::SpawnFailed`](super::Ended::SpawnFailed), told apart from a missing program.
    pub cwd: PathBuf,
    /// The whole environment of the command, see [`child_environment`](super::child_environment). Nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Who watches over the command.
    pub helper: HelperPath,
    /// What the command may touch; everything without one.
    pub sandbox: Option<Sandbox>,
}

impl Launch {
    pub(super) fn helper_arguments(&self, ends: Ends<'_>) -> Vec<OsString> {
        let mut arguments = vec![self.cwd.clone().into_os_string()];
        arguments.extend(ends.control.into_iter().flat_map(|number| [CONTROL.into(), number.to_string().into()]));
        arguments.extend(ends.input.into_iter().flat_map(|path| [INPUT.into(), path.into()]));
        arguments.extend(ends.terminal.then(|| TERMINAL.into()));
        arguments.extend(self.sandbox.iter().flat_map(Sandbox::to_arguments));
        arguments.push(END_OF_OPTIONS.into());
        arguments.extend(self.argv.iter().cloned());
        arguments
    }

    /// The variables are the command's. The helper is not confined, so it must not load the libraries that some of them
    /// name: those may be where commands write.
    pub(super) fn helper_environment(&self) -> impl Iterator<Item = (OsString, &OsString)> {
        self.env.iter().map(|(name, value)| {
            let prefix = if name.as_bytes().starts_with(LINKERS) { FOR_THE_COMMAND } else { b"" };
            (OsString::from_vec([prefix, name.as_bytes()].concat()), value)
        })
    }
}

/// Gives the variables that were not meant for the helper their own names, for what it starts.
///
/// # Safety
/// No other thread of this process looks at its environment.
#[expect(unsafe_code, reason = "std cannot tell how many threads there are")]
pub(super) unsafe fn take_the_commands_variables() {
    let kept: Vec<(OsString, OsString)> =
        env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(FOR_THE_COMMAND)).collect();
    for (name, value) in kept {
        // SAFETY: as the caller says.
        unsafe {
            env::set_var(OsStr::from_bytes(&name.as_bytes()[FOR_THE_COMMAND.len()..]), value);
            env::remove_var(&name);
        }
    }
}

/// The helper's reading of its command line: `CWD [--control FD] [--input FILE] [--terminal] [--sandbox …] -- PROGRAM [ARGUMENT]…`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) cwd: PathBuf,
    /// The control socket, where it is not stdin.
    pub(super) control: Option<RawFd>,
    /// What the command reads; nothing without one.
    pub(super) input: Option<PathBuf>,
    /// Whether stdin becomes the command's controlling terminal.
    pub(super) terminal: bool,
    pub(super) sandbox: Option<Sandbox>,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Order {
    /// `None` for anything the engine would not have written.
    pub(super) fn from_arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let cwd = PathBuf::from(arguments.next()?);
        let (mut control, mut input, mut terminal, mut sandbox) = (None, None, false, None);
        loop {
            let option = arguments.next()?;
            if option == END_OF_OPTIONS {
                break;
            } else if option == CONTROL {
                control = Some(arguments.next()?.to_str()?.parse().ok()?);
            } else if option == INPUT {
                input = Some(PathBuf::from(arguments.next()?));
            } else if option == TERMINAL {
                terminal = true;
            } else if Sandbox::begins_with(&option) {
                sandbox = Some(Sandbox::from_arguments(&mut arguments)?);
            } else {
                return None;
            }
        }
        let program = arguments.next()?;
        Some(Self { cwd, control, input, terminal, sandbox, program, arguments: arguments.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(argv: &[&str]) -> Launch {
        Launch {
            argv: argv.iter().map(OsString::from).collect(),
            cwd: PathBuf::from("/work dir"),
            env: Vec::new(),
            helper: HelperPath::this_program(),
            sandbox: None,
        }
    }

    #[test]
    fn the_helper_reads_back_what_the_engine_wrote() {
        for argv in [&["true"][..], &["--"], &["sh", "-c", "echo -- \"$@\"", "--", ""]] {
            let told = launch(argv).helper_arguments(Ends {
                control: Some(7),
                input: Some(Path::new("/in put")),
                terminal: true,
            });
            let order = Order::from_arguments(told.into_iter()).unwrap();
            assert_eq!((order.control, order.terminal, order.sandbox), (Some(7), true, None));
            assert_eq!(order.input, Some(PathBuf::from("/in put")));
            assert_eq!(order.cwd, PathBuf::from("/work dir"));
            assert_eq!(order.program, argv[0]);
            assert_eq!(order.arguments, argv[1..]);
        }
    }

    #[test]
    fn a_foreign_command_line_is_refused() {
        for foreign in [&[][..], &["/"], &["/", "--"], &["/", "true"], &["--", "true"]] {
            assert_eq!(Order::from_arguments(foreign.iter().map(OsString::from)), None, "{foreign:?}");
        }
    }
}
