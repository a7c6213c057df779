/// A command of these words.
pub(super) fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// A shell with this script.
pub(super) fn script(script: &str) -> Vec<String> {
    argv(&["bash", "-lc", script])
}
