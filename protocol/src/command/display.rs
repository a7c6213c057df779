//! What a command does, for a person to read.

use super::{
    program::{base_name, shell_script},
    quote::shell_quote,
    safe::{is_print_range, only_looks},
    script::plain_commands,
};
use crate::wire::parsed_command::ParsedCommand;

/// The steps of a command. If all of them read, list or search, each is named; otherwise the whole is one
/// [`ParsedCommand::Unknown`], so that nothing is shown as less than it is. Steps that only shape the output of another
/// (`… | head`) or lead to it (`cd …`) are not shown.
///
/// It is a help for the eye: decide nothing by it.
#[must_use]
pub fn parsed(argv: &[String]) -> Vec<ParsedCommand> {
    let (text, commands) = match shell_script(argv) {
        Some(script) => (script.to_string(), plain_commands(script)),
        None => (shell_quote(argv), Some(vec![argv.to_vec()])),
    };
    let steps = commands.and_then(|commands| steps(&commands));
    steps.unwrap_or_else(|| vec![ParsedCommand::Unknown { cmd: text }])
}

/// `None` if a step is unknown or none is worth showing.
fn steps(commands: &[Vec<String>]) -> Option<Vec<ParsedCommand>> {
    let shown = commands.iter().filter(|command| !is_accessory(command));
    let steps = shown.map(|command| step(command)).collect::<Option<Vec<_>>>()?;
    (!steps.is_empty()).then_some(steps)
}

fn is_accessory(command: &[String]) -> bool {
    let Some(Words { name, args }) = words(command) else {
        return false;
    };
    match name {
        "cd" => true,
        "head" | "tail" => operands(&args, LINES).is_empty(),
        "wc" => operands(&args, NONE).is_empty(),
        "nl" => operands(&args, NUMBERING).is_empty(),
        "sed" => matches!(args[..], ["-n", range] if is_print_range(range)),
        _ => false,
    }
}

struct Words<'w> {
    name: &'w str,
    args: Vec<&'w str>,
}

fn words(command: &[String]) -> Option<Words<'_>> {
    let (program, args) = command.split_first()?;
    let args = args.iter().map(String::as_str).collect();
    Some(Words { name: base_name(program), args })
}

fn step(command: &[String]) -> Option<ParsedCommand> {
    let Words { name, args } = words(command)?;
    let cmd = shell_quote(command);
    match (name, &args[..]) {
        ("cat", args) => read(cmd, &operands(args, NONE)),
        ("head" | "tail", args) => read(cmd, &operands(args, LINES)),
        ("nl", args) => read(cmd, &operands(args, NUMBERING)),
        ("sed", ["-n", range, file]) if is_print_range(range) && !file.starts_with('-') => read(cmd, &[file]),
        ("ls", args) => Some(list(cmd, &operands(args, LISTING))),
        ("find", args) if only_looks(command) => Some(list(cmd, find_roots(args))),
        ("rg", args) if only_looks(command) && args.contains(&"--files") => Some(list(cmd, &operands(args, RIPGREP))),
        ("rg", args) if only_looks(command) => search(cmd, args, RIPGREP),
        ("grep", args) => search(cmd, args, GREP),
        ("git", ["grep", args @ ..]) if !args.iter().any(opens_a_pager) => search(cmd, args, GREP),
        _ => None,
    }
}

fn opens_a_pager(arg: &&str) -> bool {
    arg.starts_with("-O") || arg.starts_with("--open-files-in-pager")
}

fn read(cmd: String, files: &[&str]) -> Option<ParsedCommand> {
    let [file] = files else {
        return None;
    };
    let name = file.trim_end_matches('/').rsplit('/').next().unwrap_or(file);
    Some(ParsedCommand::Read { cmd, name: name.into(), path: (*file).into() })
}

fn list(cmd: String, places: &[&str]) -> ParsedCommand {
    ParsedCommand::ListFiles { cmd, path: single(places) }
}

fn find_roots<'a, 'w>(args: &'a [&'w str]) -> &'a [&'w str] {
    let is_root = |arg: &&&str| !arg.starts_with(['-', '(', '!']);
    &args[..args.iter().take_while(is_root).count()]
}

/// The pattern is what `-e` names, or else the first operand.
fn search(cmd: String, args: &[&str], options: Options) -> Option<ParsedCommand> {
    let operands = operands(args, options);
    let (query, places) = match given_pattern(args) {
        Some(pattern) => (pattern, &operands[..]),
        None => operands.split_first().map(|(first, rest)| (*first, rest))?,
    };
    Some(ParsedCommand::Search { cmd, query: Some(query.into()), path: single(places) })
}

fn given_pattern<'w>(args: &[&'w str]) -> Option<&'w str> {
    let named = args.windows(2).find(|pair| matches!(pair[0], "-e" | "--regexp")).map(|pair| pair[1]);
    named.or_else(|| args.iter().find_map(|arg| arg.strip_prefix("--regexp=")))
}

fn single(places: &[&str]) -> Option<String> {
    match places {
        [place] => Some((*place).into()),
        _ => None,
    }
}

/// The options of a program that take the next word as their value.
#[derive(Clone, Copy)]
struct Options {
    letters: &'static str,
    names: &'static [&'static str],
}

const NONE: Options = Options { letters: "", names: &[] };
const LINES: Options = Options { letters: "nc", names: &["--lines", "--bytes"] };
const NUMBERING: Options = Options { letters: "bdfhilnsvw", names: &[] };
const LISTING: Options = Options { letters: "ITw", names: &["--ignore", "--hide"] };
const GREP: Options = Options {
    letters: "ABCDdefm",
    names: &["--after-context", "--before-context", "--context", "--file", "--max-count", "--regexp"],
};
const RIPGREP: Options = Options {
    letters: "ABCEMTdefgjmrt",
    names: &[
        "--after-context",
        "--before-context",
        "--context",
        "--file",
        "--glob",
        "--iglob",
        "--max-count",
        "--max-depth",
        "--regexp",
        "--replace",
        "--sort",
        "--type",
        "--type-not",
    ],
};

/// The words that are neither options nor their values.
fn operands<'w>(args: &[&'w str], options: Options) -> Vec<&'w str> {
    let mut operands = Vec::new();
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg == "--" {
            operands.extend(args);
            break;
        }
        if arg.len() < 2 || !arg.starts_with('-') {
            operands.push(arg);
        } else if options.takes_next(arg) {
            args.next();
        }
    }
    operands
}

impl Options {
    /// Of a cluster, the first letter that takes a value takes the rest of the cluster, or else the next word.
    fn takes_next(self, arg: &str) -> bool {
        if arg.starts_with("--") {
            return self.names.contains(&arg);
        }
        arg.find(|c| self.letters.contains(c)) == Some(arg.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::argv;

    fn shown(command: &ParsedCommand) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or("-".into());
        match command {
            ParsedCommand::Read { cmd, name, path } => format!("read {name} {path} <{cmd}>"),
            ParsedCommand::ListFiles { cmd, path } => format!("list {} <{cmd}>", text(path)),
            ParsedCommand::Search { cmd, query, path } => {
                format!("search {} {} <{cmd}>", text(query), text(path))
            }
            ParsedCommand::Unknown { cmd } => format!("unknown <{cmd}>"),
        }
    }

    fn check(words: &[&str], expected: &[&str]) {
        let steps: Vec<_> = parsed(&argv(words)).iter().map(shown).collect();
        assert_eq!(steps, expected, "{words:?}");
    }

    /// One command, without blanks in its words.
    fn check_line(line: &str, expected: &str) {
        let words: Vec<_> = line.split(' ').collect();
        check(&words, &[&format!("{expected} <{line}>")]);
    }

    #[test]
    fn reading() {
        check_line("cat src/lib.rs", "read lib.rs src/lib.rs");
        check_line("cat -n -- -f", "read -f -f");
        check_line("head -n 5 a", "read a a");
        check_line("tail -n5 a", "read a a");
        check_line("head --lines=5 a", "read a a");
        check_line("tail -20 a/b", "read b a/b");
        check_line("nl -ba a", "read a a");
        check_line("nl -b a f", "read f f");
        check_line("sed -n 1,20p a", "read a a");
        check_line("/usr/bin/cat a", "read a a");
    }

    #[test]
    fn listing() {
        check_line("ls", "list -");
        check_line("ls -la src", "list src");
        check_line("ls a b", "list -");
        check_line("find", "list -");
        check_line("find src -name x", "list src");
        check_line("find -name x", "list -");
        check_line("rg --files", "list -");
        check_line("rg --files -g x src", "list src");
    }

    #[test]
    fn searching() {
        check_line("rg fn src", "search fn src");
        check_line("rg -n -A 3 -trust fn", "search fn -");
        check_line("rg -e fn src", "search fn src");
        check_line("rg -nC2 --glob x fn a b", "search fn -");
        check_line("grep -rn x .", "search x .");
        check_line("grep -rnA 3 x a", "search x a");
        check_line("grep --regexp=x a", "search x a");
        check_line("git grep -n x src", "search x src");
    }

    #[test]
    fn anything_else() {
        for line in [
            "cargo test",
            "cat",
            "cat a b",
            "head -n 5",
            "sed -i s/a/b/ f",
            "sed -n 5p -i",
            "find . -delete",
            "rg --pre x y",
            "rg",
            "grep",
            "git grep -O x",
            "git status",
            "./rg x",
            "cd a",
            "wc",
            "echo cat a",
        ] {
            check_line(line, "unknown");
        }
        check(&[], &["unknown <>"]);
        check(&["touch", "a b"], &["unknown <touch 'a b'>"]);
    }

    #[test]
    fn scripts() {
        let check = |script, expected: &[&str]| check(&["bash", "-lc", script], expected);
        check("cat a.rs", &["read a.rs a.rs <cat a.rs>"]);
        check("cat a | head -n 5", &["read a a <cat a>"]);
        check("cd x && nl -ba f | sed -n 1,5p", &["read f f <nl -ba f>"]);
        check("ls; rg 'a b' src | wc -l", &["list - <ls>", "search a b src <rg 'a b' src>"]);
        check("cat a && rm b", &["unknown <cat a && rm b>"]);
        check("cat a > b", &["unknown <cat a > b>"]);
        check("cd x", &["unknown <cd x>"]);
        check("ls | tee f", &["unknown <ls | tee f>"]);
        check("", &["unknown <>"]);
    }
}
