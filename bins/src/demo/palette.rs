//! Whether and how output is coloured (<https://no-color.org>, <https://bixense.com/clicolors/>).

use std::ffi::OsString;

/// What a piece of output is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Text.
    Plain,
    /// Of use to few.
    Faint,
    /// A heading.
    Strong,
    /// What the UI says.
    Sent,
    /// What wants an answer or care.
    Question,
    /// It went well.
    Good,
    /// It did not.
    Bad,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Palette {
    coloured: bool,
}

impl Palette {
    /// Colours on a terminal that can show them, and where they are asked for. `variable` is the environment.
    pub(super) fn for_terminal(on_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        let forced = filled("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = filled("CLICOLOR").is_some_and(|value| value == "0");
        let capable = filled("TERM").is_some_and(|value| value != "dumb");
        let coloured = filled("NO_COLOR").is_none() && (forced || (on_terminal && capable && !refused));
        Self { coloured }
    }

    /// The text, with the codes around it that show the tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        match code(tone).filter(|_| self.coloured && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

fn code(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain => None,
        Tone::Faint => Some("2"),
        Tone::Strong => Some("1"),
        Tone::Sent => Some("36"),
        Tone::Question => Some("33"),
        Tone::Good => Some("32"),
        Tone::Bad => Some("31"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(on_terminal: bool, variables: &[(&str, &str)], coloured: bool) {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        assert_eq!(Palette::for_terminal(on_terminal, variable), Palette { coloured }, "{on_terminal} {variables:?}");
    }

    #[test]
    fn colours_are_for_terminals_unless_asked_for_or_refused() {
        check(true, &[("TERM", "xterm")], true);
        check(false, &[("TERM", "xterm")], false);
        check(true, &[("TERM", "dumb")], false);
        check(true, &[], false);
        check(true, &[("TERM", "xterm"), ("CLICOLOR", "0")], false);
        check(true, &[("TERM", "xterm"), ("NO_COLOR", "1")], false);
        check(true, &[("TERM", "xterm"), ("NO_COLOR", "")], true);
        check(false, &[("CLICOLOR_FORCE", "1")], true);
        check(false, &[("CLICOLOR_FORCE", "0")], false);
        check(true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true);
        check(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
    }

    #[test]
    fn painted_text_is_reset_and_nothing_is_painted_without_colours() {
        let (on, off) = (Palette { coloured: true }, Palette { coloured: false });
        assert_eq!(on.paint(Tone::Bad, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(on.paint(Tone::Plain, "no"), "no");
        assert_eq!(on.paint(Tone::Bad, ""), "");
        assert_eq!(off.paint(Tone::Bad, "no"), "no");
    }
}
