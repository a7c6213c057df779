//! The sources of a configuration merged into one table, which remembers what came from where.

use super::{
    ConfigError,
    file::ConfigFile,
    override_argument::{Override, PROVIDERS},
};
use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use toml::Table;

pub(super) struct Layers {
    merged: Table,
    file: PathBuf,
    /// The ids of the providers in the file.
    providers: Vec<String>,
    /// The dotted keys that `-c` set.
    overridden: Vec<String>,
}

impl Layers {
    pub(super) fn read(home: Option<&Path>, arguments: &[String]) -> Result<Self, ConfigError> {
        let file = home.map(|home| home.join("config.toml")).unwrap_or_default();
        let mut merged = if home.is_some() { read_table(&file)? } else { Table::new() };
        let table = merged.get(PROVIDERS).and_then(toml::Value::as_table);
        let providers = table.into_iter().flat_map(Table::keys).cloned().collect();
        let mut overridden = Vec::new();
        for argument in arguments {
            let change = Override::parse(argument)?;
            overridden.push(change.path.join("."));
            change.apply(&mut merged);
        }
        Ok(Self { merged, file, providers, overridden })
    }

    /// Whether the file describes this provider.
    pub(super) fn file_has_provider(&self, id: &str) -> bool {
        self.providers.iter().any(|known| known == id)
    }

    /// Gives every value its type.
    pub(super) fn typed(&self) -> Result<ConfigFile, ConfigError> {
        ConfigFile::deserialize(self.merged.clone()).map_err(|error| self.error(&key_of(&error), error.message()))
    }

    pub(super) fn error(&self, key: &str, problem: &str) -> ConfigError {
        ConfigError::Value { origin: self.origin(key), key: key.to_owned(), problem: problem.to_owned() }
    }

    /// Who set a key: the `-c` argument that names it, a part of it or a table around it, else the file.
    pub(super) fn origin(&self, key: &str) -> String {
        let argument = self.overridden.iter().find(|path| is_within(path, key) || is_within(key, path));
        argument.map_or_else(|| self.file.display().to_string(), |path| format!("-c {path}"))
    }
}

fn is_within(key: &str, table: &str) -> bool {
    key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn read_table(path: &Path) -> Result<Table, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => text.parse().map_err(|error| syntax_error(path, &text, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Table::new()),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

/// The printed form of a TOML error quotes the line, which may hold a credential; this one only points at it.
fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let offset = error.span().map_or(text.len(), |span| span.start);
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ConfigError::Syntax {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        problem: error.message().to_owned(),
    }
}

/// `toml` tells the key of a bad value only in the last line of the error's printed form.
fn key_of(error: &toml::de::Error) -> String {
    let printed = error.to_string();
    let key = printed.trim_end().rsplit("in `").next().and_then(|rest| rest.strip_suffix('`'));
    key.unwrap_or_default().to_owned()
}
