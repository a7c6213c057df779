//! A command as the text that a shell would read as that command.

use super::script::{is_bare, is_special_first};

/// The words as one line of shell text, quoted only where they must be.
#[must_use]
pub fn shell_quote(argv: &[String]) -> String {
    let quoted: Vec<_> = argv.iter().enumerate().map(|(at, word)| quote(at, word)).collect();
    quoted.join(" ")
}

fn quote(at: usize, word: &str) -> String {
    if is_plain(word) && (at > 0 || !is_special_first(word)) {
        word.into()
    } else if !word.contains('\'') {
        format!("'{word}'")
    } else if !word.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r#"'"'"'"#))
    }
}

fn is_plain(word: &str) -> bool {
    let mut before = None;
    !word.is_empty() && word.chars().all(|c| is_bare(c, before.replace(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::script::plain_commands;
    use proptest::prelude::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        let check = |argv: &[&str], expected: &str| {
            let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
            assert_eq!(shell_quote(&argv), expected);
        };
        check(&[], "");
        check(&["ls", "-la", "a/b.rs"], "ls -la a/b.rs");
        check(&["echo", ""], "echo ''");
        check(&["echo", "a b", "*"], "echo 'a b' '*'");
        check(&["echo", "~", "a=~"], "echo '~' 'a=~'");
        check(&["echo", "it's"], "echo \"it's\"");
        check(&["echo", "it's $5"], r#"echo 'it'"'"'s $5'"#);
        check(&["echo", "it's!"], r#"echo 'it'"'"'s!'"#);
        check(&["rg", "--glob=a"], "rg --glob=a");
        check(&["a=b", "if"], "'a=b' if");
        check(&["if", "a=b"], "'if' a=b");
        check(&["bash", "-lc", "ls | wc"], "bash -lc 'ls | wc'");
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_same_words(
            argv in prop::collection::vec(r#"([^\x00]{0,8}|[a-c'"\\$`!=~ -]{0,8}|if|time)"#, 1..5)
        ) {
            prop_assert_eq!(plain_commands(&shell_quote(&argv)), Some(vec![argv]));
        }
    }
}
