//! Shell calls that are patches in disguise (reference `apply-patch.md` §5).

use super::parse;

/// A shell command that is to be handled as a call of `apply_patch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellPatch {
    /// It calls `apply_patch`, and does nothing else.
    Call {
        /// The patch, not yet read; it may make no sense.
        patch: String,
        /// Where its paths start, relative to the directory of the call; `None` is that directory.
        workdir: Option<String>,
    },
    /// It is a patch without the call. Not to be run: the answer is [`ShellPatch::WITHOUT_CALL`].
    WithoutCall,
}

impl ShellPatch {
    /// What the model is told of a patch without a call.
    pub const WITHOUT_CALL: &str = "patch detected without explicit call to apply_patch. \
        Rerun as [\"apply_patch\", \"<patch>\"]";
}

/// Looks whether a command is a patch. `None`: it is an ordinary command, with all that is asked and guarded there.
#[must_use]
pub fn in_command(command: &[String]) -> Option<ShellPatch> {
    match command {
        [name, patch] if is_name(name) => Some(ShellPatch::Call { patch: patch.clone(), workdir: None }),
        [bash, flag, script] if bash == "bash" && flag == "-lc" => call(script).or_else(|| without_call(script)),
        [script] => without_call(script),
        _ => None,
    }
}

fn is_name(word: &str) -> bool {
    matches!(word, "apply_patch" | "applypatch")
}

fn without_call(script: &str) -> Option<ShellPatch> {
    parse(script).is_ok().then_some(ShellPatch::WithoutCall)
}

/// `[cd DIR &&] apply_patch <<TAG`, its lines, `TAG`: all of the script, and nothing that a shell would expand on the way.
fn call(script: &str) -> Option<ShellPatch> {
    let (line, rest) = script.trim_start().split_once('\n')?;
    let (workdir, line, rest) = match line.strip_prefix("cd").filter(|rest| rest.starts_with(BLANK)) {
        Some(after) => {
            let (dir, line, rest) = change_of_directory(after.trim_start_matches(BLANK), rest)?;
            (Some(dir), line, rest)
        }
        None => (None, line, rest),
    };
    let name_end = line.find([' ', '\t', '<'])?;
    let (name, redirection) = line.split_at(name_end);
    let tag = tag(redirection.trim_start_matches(BLANK).strip_prefix("<<")?.trim_matches(BLANK))?;
    let patch = body(rest, tag).filter(|_| is_name(name))?;
    Some(ShellPatch::Call { patch: patch.trim_end_matches(['\n', '\r']).into(), workdir })
}

const BLANK: [char; 2] = [' ', '\t'];

/// The directory, and what follows the `&&`, which may be on the next line.
fn change_of_directory<'s>(after_cd: &'s str, rest: &'s str) -> Option<(String, &'s str, &'s str)> {
    let (dir, after) = word(after_cd)?;
    let after = after.trim_start_matches(BLANK).strip_prefix("&&")?.trim_start_matches(BLANK);
    let (line, rest) = if after.trim_end().is_empty() { rest.trim_start().split_once('\n')? } else { (after, rest) };
    Some((dir.into(), line, rest))
}

/// One word that means itself, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let (word, rest, means_itself): (_, _, fn(char) -> bool) = match text.chars().next()? {
        '\'' => text[1..].split_once('\'').map(|(word, rest)| (word, rest, (|_| true) as _))?,
        '"' => text[1..].split_once('"').map(|(word, rest)| (word, rest, means_itself_in_quotes as _))?,
        _ => {
            let end = text.find(|c: char| c.is_whitespace() || c == '&').unwrap_or(text.len());
            (&text[..end], &text[end..], means_itself_bare)
        }
    };
    let ends_here = rest.starts_with(|c: char| c.is_whitespace() || c == '&');
    let is_directory = !word.is_empty() && !word.starts_with('-') && word.chars().all(means_itself);
    (ends_here && is_directory).then_some((word, rest))
}

fn means_itself_in_quotes(c: char) -> bool {
    !matches!(c, '$' | '`' | '\\' | '!')
}

fn means_itself_bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@' | '%' | '=')
}

/// A tag without quotes would have the shell expand the lines; the model means them as they are.
fn tag(text: &str) -> Option<&str> {
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let tag = quoted('\'').or_else(|| quoted('"')).unwrap_or(text);
    (!tag.is_empty() && tag.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some(tag)
}

/// The lines before the first one that is the tag, if only white space follows it.
fn body<'s>(text: &'s str, tag: &str) -> Option<&'s str> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if line.trim_end_matches(['\n', '\r']) == tag {
            return text[end..].trim().is_empty().then(|| &text[..start]);
        }
        start = end;
    }
    None
}
