//! What a patch does to a file, as a UI is shown it (reference `protocol-v1.md` §4, `FileChange`).

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What becomes of a file. On the wire in a map by the file's absolute path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It comes.
    Add {
        /// Its text.
        content: String,
    },
    /// It goes.
    Delete {
        /// Its text until now.
        content: String,
    },
    /// It is changed, or moved, or both.
    Update {
        /// The hunks, without file names; empty where only the name changes.
        unified_diff: String,
        /// Its new absolute path; `null` where it stays.
        move_path: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_tagged_from_outside_and_keeps_the_null() {
        let check = |change: FileChange, json: &str| {
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
            assert_eq!(serde_json::from_str::<FileChange>(json).unwrap(), change);
        };
        check(FileChange::Add { content: "a\n".into() }, r#"{"add":{"content":"a\n"}}"#);
        check(FileChange::Delete { content: String::new() }, r#"{"delete":{"content":""}}"#);
        check(
            FileChange::Update { unified_diff: "@@".into(), move_path: None },
            r#"{"update":{"unified_diff":"@@","move_path":null}}"#,
        );
        check(
            FileChange::Update { unified_diff: String::new(), move_path: Some("/b".into()) },
            r#"{"update":{"unified_diff":"","move_path":"/b"}}"#,
        );
    }
}
