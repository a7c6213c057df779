//! llmx's home and the configuration in it.

use super::check::Check;
use crate::login::described;
use llmx_actors::{
    auth::Account,
    config::{ConfigError, Loaded},
};
use rustix::fs::{Access, access};
use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

const OTHERS_MAY_WRITE: u32 = 0o022;
const OTHERS_MAY_READ: u32 = 0o044;

pub(super) fn home(home: Option<&Path>) -> Check {
    let Some(home) = home else {
        return Check::note("home", "neither LLMX_HOME nor HOME is set: there is no configuration, nothing is kept");
    };
    let check = match fs::metadata(home) {
        Ok(meta) => existing_home(home, &meta).with("mode", format!("{:04o}", mode(&meta))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::ok("home", format!("{} does not exist yet", home.display()))
        }
        Err(error) => Check::broken("home", format!("{}: {error}", home.display())),
    };
    check.with("path", home.display().to_string())
}

fn existing_home(home: &Path, meta: &Metadata) -> Check {
    let (path, mode) = (home.display(), mode(meta));
    if !meta.is_dir() {
        Check::broken("home", format!("{path} is no directory"))
    } else if let Some(whose) = foreign_owner(meta) {
        Check::broken("home", format!("{path} belongs to user {whose}, who decides what llmx does"))
    } else if mode & OTHERS_MAY_WRITE != 0 {
        Check::broken("home", format!("{path} can be written by others (mode {mode:04o}): chmod go-w {path}"))
    } else if access(home, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        Check::broken("home", format!("{path} cannot be read and written (mode {mode:04o})"))
    } else if mode & OTHERS_MAY_READ != 0 {
        Check::note("home", format!("{path} can be read by others (mode {mode:04o}): chmod go-rwx {path}"))
    } else {
        Check::ok("home", format!("{path} (mode {mode:04o})"))
    }
}

pub(super) fn config(home: Option<&Path>, loaded: &Result<Loaded, ConfigError>) -> Check {
    let file = home.map(|home| home.join("config.toml"));
    let meta = file.as_deref().and_then(|file| fs::metadata(file).ok());
    let path = file.as_deref().map(|file| file.display().to_string());
    let shown = path.clone().unwrap_or_default();
    let check = match loaded {
        Err(error) => Check::broken("config", error.to_string()),
        Ok(_)
            if meta
                .as_ref()
                .is_some_and(|meta| foreign_owner(meta).is_some() || mode(meta) & OTHERS_MAY_WRITE != 0) =>
        {
            Check::broken("config", format!("{shown} can be written by others, who decide what llmx does"))
        }
        Ok(loaded) if !loaded.warnings.is_empty() => Check::note("config", loaded.warnings.join("; ")),
        Ok(_) if meta.is_none() => Check::ok("config", "there is no config.toml: defaults"),
        Ok(_) => Check::ok("config", shown),
    };
    check.with("path", path).with("found", meta.is_some())
}

/// Who is logged in, as far as `auth.json` tells.
pub(super) fn login(account: &Result<Option<Account>, String>) -> Check {
    match account {
        Ok(account) => Check::ok("login", described(account.as_ref())).with("found", account.is_some()),
        Err(why) => Check::broken("login", why.clone()).with("found", false),
    }
}

fn mode(meta: &Metadata) -> u32 {
    meta.mode() & 0o7777
}

/// Root may do anything anyway.
fn foreign_owner(meta: &Metadata) -> Option<u32> {
    let own = rustix::process::geteuid().as_raw();
    Some(meta.uid()).filter(|owner| *owner != own && *owner != 0)
}
