//! What a command is told while it runs: through a pipe, or through a terminal of its own.

use super::output::{CommandOutput, OutputEnds};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;

/// What a terminal takes for the end of its input (Ctrl-D).
const END_OF_TRANSMISSION: &[u8] = &[4];

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Its lines.
    pub rows: u16,
    /// The characters of a line.
    pub columns: u16,
}

impl From<TerminalSize> for Winsize {
    fn from(size: TerminalSize) -> Self {
        Self { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// The writing end of a command's standard input. Dropping it ends that input.
#[derive(Debug)]
pub struct CommandInput {
    /// Gone once the command was told that there is no more.
    sender: Option<Sender>,
    terminal: Option<OwnedFd>,
}

impl CommandInput {
    /// Hands all of it over, as fast as the command takes it.
    ///
    /// # Errors
    /// The command reads no more, or [`close`](Self::close) was called.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sender {
            Some(sender) => sender.write_all(bytes).await,
            None => Err(io::Error::new(io::ErrorKind::BrokenPipe, "standard input is closed")),
        }
    }

    /// Tells the command that there is no more. A terminal says so with the character that its reader takes for it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn close(&mut self) -> io::Result<()> {
        if self.terminal.is_some() {
            self.write(END_OF_TRANSMISSION).await?;
        }
        self.sender.take();
        Ok(())
    }

    /// The command hears of it (`SIGWINCH`).
    ///
    /// # Errors
    /// It has no terminal.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let terminal =
            self.terminal.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "it has no terminal"))?;
        Ok(tcsetwinsize(terminal, size.into())?)
    }
}

/// Both ends of what a command is told and says.
pub(super) struct Interaction {
    pub(super) input: CommandInput,
    pub(super) output: CommandOutput,
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
}

impl Interaction {
    pub(super) fn through_pipes() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (output, OutputEnds { stdout, stderr }) = CommandOutput::new()?;
        let input = CommandInput { sender: Some(Sender::from_owned_fd(writer.into())?), terminal: None };
        Ok(Self { input, output, stdin: reader.into(), stdout: stdout.into(), stderr: stderr.into() })
    }

    /// All that the command writes comes as its standard output.
    pub(super) fn through_a_terminal(size: TerminalSize) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let commands = ioctl_tiocgptpeer(&ours, flags)?;
        tcsetwinsize(&ours, size.into())?;
        // Of the terminal, and so of all that is made from it here.
        ioctl_fionbio(&ours, true)?;
        let another = |end: &OwnedFd| end.as_fd().try_clone_to_owned();
        let sender = Sender::from_owned_fd_unchecked(another(&ours)?)?;
        let output = CommandOutput::of_terminal(another(&ours)?)?;
        Ok(Self {
            input: CommandInput { sender: Some(sender), terminal: Some(ours) },
            output,
            stdin: another(&commands)?.into(),
            stdout: another(&commands)?.into(),
            stderr: commands.into(),
        })
    }
}
