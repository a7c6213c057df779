//! Where the demo is seen: a line for each line of the protocol, deltas joined.

use super::{
    palette::{Palette, Tone},
    shown::{self, Delta, Shown},
};
use std::io::{self, Write};

/// Under which column the text of a line begins, so that its further lines can begin there too.
const TEXT_COLUMN: usize = 33;

/// What is seen.
pub(super) struct Screen<W> {
    out: W,
    palette: Palette,
    raw: bool,
    /// The deltas that the last line is made of.
    joined: Option<Joined>,
}

/// A line that grows with each delta.
struct Joined {
    source: String,
    /// Line breaks that are shown only if text follows.
    breaks: usize,
}

impl<W: Write> Screen<W> {
    /// `raw`: show the lines of the protocol as they are.
    pub(super) fn new(out: W, palette: Palette, raw: bool) -> Self {
        Self { out, palette, raw, joined: None }
    }

    /// A line of the demo's own.
    pub(super) fn line(&mut self, tone: Tone, text: &str) -> io::Result<()> {
        self.end_joined()?;
        writeln!(self.out, "{}", self.palette.paint(tone, text))?;
        self.out.flush()
    }

    /// A line that begins a part.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line(Tone::Plain, "")?;
        self.line(Tone::Strong, text)
    }

    /// A line to the engine.
    pub(super) fn sent(&mut self, line: &str, shown: &Shown) -> io::Result<()> {
        self.passed("→", line, shown)
    }

    /// A line from the engine.
    pub(super) fn heard(&mut self, line: &str, shown: &Shown) -> io::Result<()> {
        match &shown.delta {
            Some(delta) if !self.raw => self.join(delta, shown),
            _ => self.passed("←", line, shown),
        }
    }

    fn passed(&mut self, arrow: &str, line: &str, shown: &Shown) -> io::Result<()> {
        if self.raw {
            return self.line(shown.tone, &format!("{arrow} {line}"));
        }
        let head = self.head(arrow, shown);
        let text = shown::indented(&shown.text, TEXT_COLUMN);
        self.end_joined()?;
        writeln!(self.out, "{}", format!("{head} {}", self.palette.paint(shown.tone, &text)).trim_end())?;
        self.out.flush()
    }

    fn head(&self, arrow: &str, shown: &Shown) -> String {
        let (id, name) = (&shown.id, &shown.name);
        let tone = if shown.tone == Tone::Plain { Tone::Strong } else { shown.tone };
        format!(
            "{} {}",
            self.palette.paint(shown.tone, arrow),
            self.palette.paint(tone, &format!("{id:<4} {name:<25}"))
        )
    }

    fn join(&mut self, delta: &Delta, shown: &Shown) -> io::Result<()> {
        if self.joined.as_ref().is_none_or(|joined| joined.source != delta.source) {
            self.end_joined()?;
            let head = self.head("←", shown);
            write!(self.out, "{head} ")?;
            self.joined = Some(Joined { source: delta.source.clone(), breaks: 0 });
        }
        for (place, part) in delta.text.split('\n').enumerate() {
            self.grow(usize::from(place > 0), part, shown.tone)?;
        }
        self.out.flush()
    }

    fn grow(&mut self, breaks: usize, text: &str, tone: Tone) -> io::Result<()> {
        let Some(joined) = &mut self.joined else {
            return Ok(());
        };
        joined.breaks += breaks;
        if text.is_empty() {
            return Ok(());
        }
        for _ in 0..std::mem::take(&mut joined.breaks) {
            write!(self.out, "\n{:TEXT_COLUMN$}", "")?;
        }
        write!(self.out, "{}", self.palette.paint(tone, &shown::printable(text)))
    }

    fn end_joined(&mut self) -> io::Result<()> {
        match self.joined.take() {
            Some(_) => writeln!(self.out),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmx_protocol::wire::event::Event;

    #[track_caller]
    fn check(raw: bool, lines: &[&str], expected: &str) {
        let mut screen = Screen::new(Vec::new(), Palette::for_terminal(false, |_| None), raw);
        for line in lines {
            let event: Event = serde_json::from_str(line).unwrap();
            screen.heard(line, &shown::event(line, &event)).unwrap();
        }
        screen.line(Tone::Plain, "end").unwrap();
        assert_eq!(String::from_utf8(screen.out).unwrap(), format!("{expected}\nend\n"));
    }

    const STARTED: &str = r#"{"id":"u1","seq":1,"msg":{"type":"task_started","model_context_window":null}}"#;
    const HEL: &str = r#"{"id":"u1","seq":2,"msg":{"type":"agent_message_delta","delta":"Hel"}}"#;
    const LO: &str = r#"{"id":"u1","seq":3,"msg":{"type":"agent_message_delta","delta":"lo.\n"}}"#;
    const BYE: &str = r#"{"id":"u1","seq":4,"msg":{"type":"agent_message_delta","delta":"\nBye"}}"#;
    const OUTPUT: &str = r#"{"id":"u1","seq":5,"msg":
        {"type":"exec_command_output_delta","call_id":"c","stream":"stdout","chunk":"b25lCnR3bwo="}}"#;

    #[test]
    fn an_event_is_a_line() {
        check(false, &[STARTED, STARTED], "← u1   task_started\n← u1   task_started");
    }

    #[test]
    fn deltas_of_one_source_are_joined() {
        check(false, &[HEL, LO], "← u1   agent_message_delta       Hello.");
        let indent = " ".repeat(TEXT_COLUMN);
        let text = format!("← u1   agent_message_delta       Hello.\n{indent}\n{indent}Bye");
        let output = format!("← u1   exec_command_output_delta one\n{indent}two");
        check(false, &[HEL, LO, BYE, OUTPUT, STARTED], &format!("{text}\n{output}\n← u1   task_started"));
    }

    #[test]
    fn raw_lines_are_shown_as_they_are() {
        check(true, &[HEL, LO], &format!("← {HEL}\n← {LO}"));
    }
}
