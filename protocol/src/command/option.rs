//! Options as programs read them.

/// The option without its value.
pub(super) fn option_name(arg: &str) -> &str {
    arg.split_once('=').map_or(arg, |(name, _)| name)
}

/// Whether the argument is the option or, as GNU programs and git allow, a beginning of its name.
pub(super) fn is_option(arg: &str, option: &str) -> bool {
    let name = option_name(arg);
    name.len() > "--".len() && option.starts_with(name)
}

/// Whether a cluster of one-letter options has one of the letters.
pub(super) fn has_letter(arg: &str, letters: &str) -> bool {
    arg.strip_prefix('-').is_some_and(|cluster| !cluster.starts_with('-') && cluster.contains(|c| letters.contains(c)))
}
