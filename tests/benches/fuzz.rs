//! Feeds what servers might send to the decoders, for as long as it is told:
//!
//! ```text
//! cargo bench -p llmx-tests --bench fuzz -- sse|responses|chat MINUTES [SEED]
//! ```
//!
//! Answers of real servers are damaged at random: bytes, lines and JSON values are changed, lost, doubled and taken from
//! other answers. However an answer is cut, the decoder must say the same of it; it must not panic, and must not keep
//! more than its limits allow. The input that breaks a rule is written to a file, and its seed is printed.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a fuzzer reports on standard output and breaks loudly")]

use llmx_protocol::model::{Dialect, ModelEvent, chat::ChatOptions, responses::DecodeLimits, sse::SseDecoder};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Small, so that inputs reach them.
const LIMITS: DecodeLimits = DecodeLimits { max_event_bytes: 16 * 1024, max_items: 16 };
/// Inputs do not grow beyond this, in bytes.
const LONGEST: usize = 64 * 1024;
/// What stands where a JSON value was.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "-1",
    "1e999",
    "0.5",
    "9223372036854775808",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[[]]",
    "[{}]",
    "\"assistant\"",
    "\"[DONE]\"",
    "{\"index\":4294967296}",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let (Some(target), Some(minutes)) =
        (words.first().and_then(|word| Target::named(word)), words.get(1).and_then(|n| n.parse::<f64>().ok()))
    else {
        println!("usage: fuzz sse|responses|chat MINUTES [SEED]");
        return if words.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let seed = words.get(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    let corpus = corpus();
    let (began, mut rounds) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_secs_f64(minutes * 60.0) {
        for _ in 0..256 {
            let round = seed + rounds;
            if let Err(why) = attempt(target, &corpus, round) {
                println!("{why}: seed {round}");
                return ExitCode::FAILURE;
            }
            rounds += 1;
        }
    }
    println!("{target:?}: {rounds} inputs from seed {seed}, nothing found, at most {} MB", peak_rss_mb());
    ExitCode::SUCCESS
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Sse,
    Responses,
    Chat,
}

/// All that a decoder says of an input.
type Said = (Vec<String>, Vec<ModelEvent>, String);

impl Target {
    fn named(word: &str) -> Option<Self> {
        [Self::Sse, Self::Responses, Self::Chat].into_iter().find(|target| format!("{target:?}").to_lowercase() == word)
    }

    fn says<'a>(self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Said {
        match self {
            Self::Sse => Self::sse(chunks),
            Self::Responses => Self::answer(Dialect::Responses, chunks),
            Self::Chat => Self::answer(Dialect::Chat(ChatOptions::default()), chunks),
        }
    }

    fn sse<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Said {
        let mut decoder = SseDecoder::new(LIMITS.max_event_bytes);
        let mut events = Vec::new();
        let mut sink = |event: llmx_protocol::model::sse::SseEvent<'_>| events.push(format!("{event:?}"));
        let fed = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut sink));
        let end = fed.and_then(|()| decoder.finish(&mut sink));
        (events, Vec::new(), format!("{end:?}"))
    }

    fn answer<'a>(dialect: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Said {
        let mut decoder = dialect.decoder(LIMITS);
        let mut events = Vec::new();
        let fed = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut events));
        let end = fed.and_then(|()| decoder.finish(&mut events));
        let state = format!("{end:?}, done: {}, skipped: {}", decoder.is_done(), decoder.skipped_events());
        (Vec::new(), events, state)
    }
}

fn attempt(target: Target, corpus: &[Vec<u8>], seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let input = damaged(corpus, &mut dice);
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let whole = target.says([input.as_slice()]);
        let in_pieces = target.says(pieces(&input, &mut dice));
        if whole == in_pieces { None } else { Some(format!("cut differently:\n{whole:?}\n{in_pieces:?}")) }
    }));
    let fault = match judged {
        Ok(None) => return Ok(()),
        Ok(Some(difference)) => difference,
        Err(_) => "panic".to_owned(),
    };
    let file = std::env::temp_dir().join(format!("llmx-fuzz-{target:?}-{seed}"));
    fs::write(&file, &input).map_err(|e| e.to_string())?;
    Err(format!("{fault}\n{}", file.display()))
}

fn damaged(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = dice.of(corpus).clone();
    for _ in 0..dice.below(8) {
        damage(&mut input, corpus, dice);
        input.truncate(LONGEST);
    }
    if dice.below(4) == 0 {
        input = String::from_utf8_lossy(&input).replace('\n', "\r\n").into_bytes();
    }
    input
}

fn damage(input: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut Dice) {
    let (from, to) = dice.range(input.len());
    match dice.below(9) {
        0 if from < to => input[from] ^= 1 << dice.below(8),
        1 => _ = input.splice(from..from, dice.bytes(9)),
        2 => _ = input.drain(from..to),
        3 => {
            let again = input[from..to].to_vec();
            input.splice(to..to, again);
        }
        4 => {
            let other = dice.of(corpus);
            let (start, end) = dice.range(other.len());
            input.splice(from..to, other[start..end].iter().copied());
        }
        5 => {
            let line = line_around(input, from);
            let lost = input.drain(line).collect::<Vec<_>>();
            let place = line_around(input, to.min(input.len())).start;
            input.splice(place..place, lost);
        }
        6 => {
            let again = input[line_around(input, from)].to_vec();
            input.splice(to..to, again);
        }
        _ => {
            let value = value_after(input, from);
            input.splice(value, dice.of(&VALUES).bytes());
        }
    }
}

/// The line in which this byte stands, with its end.
fn line_around(input: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = input[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let end = input[at..].iter().position(|&byte| byte == b'\n').map_or(input.len(), |end| at + end + 1);
    start..end
}

/// The first JSON scalar, or the beginning of another value, behind a colon.
fn value_after(input: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = input[at..].iter().position(|&byte| byte == b':').map_or(input.len(), |colon| at + colon + 1);
    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'\n');
    start..input[start..].iter().position(is_end).map_or(input.len(), |length| start + length)
}

fn pieces<'i>(input: &'i [u8], dice: &mut Dice) -> Vec<&'i [u8]> {
    let most = [2, 16, 4096][dice.below(3)];
    let (mut rest, mut pieces) = (input, Vec::new());
    while !rest.is_empty() {
        let (piece, others) = rest.split_at((1 + dice.below(most)).min(rest.len()));
        pieces.push(piece);
        rest = others;
    }
    pieces
}

/// `SplitMix64`: the same seed is the same input.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0.wrapping_mul(0xD134_2543_DE82_EF95);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.throw() % (end.max(1) as u64)).unwrap_or_default()
    }

    fn of<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Usually a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 32 };
        (from, (from + self.below(most)).min(length))
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.throw().to_le_bytes()[0]).collect()
    }
}

/// The answers of real servers, and what they look like with every event that is known.
fn corpus() -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&here.join("../protocol/tests/fixtures"), &mut found);
    assert!(found.len() > 10, "the captured answers are there");
    found.into_iter().map(|file| fs::read(file).expect("an answer can be read")).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "body") {
            found.push(path);
        }
    }
}

fn peak_rss_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1000
}
