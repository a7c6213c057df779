//! `llmx app-server generate-ts` and `generate-json-schema`: the protocol as other languages read it.

use crate::{cli::AppServerCommand, exit};
use llmx_protocol::schema::AppServerSchema;
use std::{collections::BTreeMap, fs, io, path::Path, process::Command, process::ExitCode};

/// Writes the files.
pub(crate) fn run(command: &AppServerCommand) -> ExitCode {
    let schema = AppServerSchema::new();
    let written = match command {
        AppServerCommand::GenerateTs { out, prettier, .. } => {
            let files = schema.typescript_files();
            write(out, &files).and_then(|()| prettier.as_ref().map_or(Ok(()), |program| format(program, out, &files)))
        }
        AppServerCommand::GenerateJsonSchema { out, .. } => write(out, &schema.json_files()),
    };
    written.map_or_else(exit::cannot_start, |()| ExitCode::from(exit::DONE))
}

fn write(out: &Path, files: &BTreeMap<String, String>) -> io::Result<()> {
    for (path, text) in files {
        let path = out.join(path);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text)).map_err(named)?;
    }
    Ok(())
}

fn format(prettier: &Path, out: &Path, files: &BTreeMap<String, String>) -> io::Result<()> {
    let mut command = Command::new(prettier);
    command.args(["--write", "--log-level", "warn"]).args(files.keys().map(|path| out.join(path)));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("{}: {status}", prettier.display()))),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", prettier.display()))),
    }
}
