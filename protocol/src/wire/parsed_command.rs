//! What a command does, in words a UI can show (reference `protocol-v1.md` §4, `ParsedCommand`).

use serde::{Deserialize, Serialize};

/// One step of a command as it is shown to a person. It is a help for the eye, never the base of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ParsedCommand {
    /// A file is read.
    Read {
        /// The step as shell text.
        cmd: String,
        /// The file's name without its directories.
        name: String,
        /// The file as the command names it.
        path: String,
    },
    /// Names of files are listed.
    ListFiles {
        /// The step as shell text.
        cmd: String,
        /// Where, as the command names it; `null` for the working directory, or for several places.
        path: Option<String>,
    },
    /// The content of files is searched.
    Search {
        /// The step as shell text.
        cmd: String,
        /// What is looked for, as the command spells it.
        query: Option<String>,
        /// Where, as the command names it; `null` for the working directory, or for several places.
        path: Option<String>,
    },
    /// Anything else.
    Unknown {
        /// The command as shell text.
        cmd: String,
    },
}

#[cfg(test)]
mod tests {
    use super::ParsedCommand::{self, ListFiles, Read, Search, Unknown};

    fn check(command: &ParsedCommand, json: &str) {
        assert_eq!(serde_json::to_string(command).unwrap(), json);
        let read: ParsedCommand = serde_json::from_str(json).unwrap();
        assert_eq!(read, *command);
    }

    #[test]
    fn the_wire_form_is_tagged_and_keeps_nulls() {
        let cmd = || "c".to_string();
        check(
            &Read { cmd: cmd(), name: "b".into(), path: "a/b".into() },
            r#"{"type":"read","cmd":"c","name":"b","path":"a/b"}"#,
        );
        check(&ListFiles { cmd: cmd(), path: None }, r#"{"type":"list_files","cmd":"c","path":null}"#);
        check(
            &Search { cmd: cmd(), query: Some("q".into()), path: None },
            r#"{"type":"search","cmd":"c","query":"q","path":null}"#,
        );
        check(&Unknown { cmd: cmd() }, r#"{"type":"unknown","cmd":"c"}"#);
    }

    #[test]
    fn absent_optionals_are_read_as_null() {
        let read: ParsedCommand = serde_json::from_str(r#"{"type":"search","cmd":"c"}"#).unwrap();
        assert_eq!(read, Search { cmd: "c".into(), query: None, path: None });
    }
}
