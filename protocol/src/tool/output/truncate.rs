//! Shortening what a tool printed to what a model should read (reference `model-wire.md` §11.1).

/// The longest text a model is given, in bytes: the limit is on what is kept and on the marker between.
pub const MODEL_BYTES: usize = 10_240;
/// The most lines a model is given of what a tool printed: one half from its beginning, one from its end.
pub const MODEL_LINES: usize = 256;
/// What the header line of a shortened text may add to [`MODEL_BYTES`]: its words, twenty digits and two line ends.
pub const HEADER_BOUND: usize = 42;

/// How the header line of a shortened text begins.
pub(super) const TOTAL_LINES: &str = "Total output lines: ";

const HEAD_BYTES: usize = MODEL_BYTES / 2;
const HALF_LINES: usize = MODEL_LINES / 2;

/// Shortens `text` to its beginning, a marker line and its end, below a header with the number of lines; a text within
/// [`MODEL_BYTES`] and [`MODEL_LINES`] stays as it is. The result is never longer than
/// `MODEL_BYTES + HEADER_BOUND` bytes.
///
/// `total_lines` is how many lines the tool printed; it is more than `text` has when a part was never kept. Call this
/// once, on the bare text: see the module.
#[must_use]
pub fn truncate_for_model(text: &str, total_lines: usize) -> String {
    let lines = text.lines().count();
    if text.len() <= MODEL_BYTES && lines <= MODEL_LINES {
        return text.into();
    }
    let total = total_lines.max(lines);
    let head = &text[..head_end(text)];
    let line_end = if head.ends_with('\n') { "" } else { "\n" };
    // The marker with the largest number it could hold, so that the room for the tail does not hang on the tail.
    let reserved = head.len() + line_end.len() + marker(total, total).len();
    let tail = &text[tail_start(text, MODEL_BYTES - reserved)..];
    let shown = head.lines().count() + tail.lines().count();
    let marker = marker(total.saturating_sub(shown), total);
    format!("{TOTAL_LINES}{total}\n\n{head}{line_end}{marker}{tail}")
}

/// Counts the lines of which nothing is shown.
fn marker(omitted: usize, total: usize) -> String {
    if total > MODEL_LINES {
        format!("[... omitted {omitted} of {total} lines ...]\n")
    } else {
        format!("[... output truncated to fit {MODEL_BYTES} bytes ...]\n")
    }
}

fn head_end(text: &str) -> usize {
    let line_end = text.match_indices('\n').nth(HALF_LINES - 1);
    let end = line_end.map_or(text.len(), |(at, _)| at + 1);
    text.floor_char_boundary(end.min(HEAD_BYTES))
}

/// Where the last lines begin, as far as there is room. They never reach into the head: if there are too many lines it
/// ends before them, and if there are too many bytes the room ends before it.
fn tail_start(text: &str, room: usize) -> usize {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let line_end = body.rmatch_indices('\n').nth(HALF_LINES - 1);
    let lines_start = line_end.map_or(0, |(at, _)| at + 1);
    text.ceil_char_boundary(lines_start.max(text.len().saturating_sub(room)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ops::Range;

    fn numbered(lines: Range<usize>) -> String {
        lines.map(|n| format!("line {n}\n")).collect()
    }

    #[test]
    fn a_text_within_the_limits_stays() {
        let check = |text: &str| assert_eq!(truncate_for_model(text, text.lines().count()), text);
        check("");
        check("one");
        check(&numbered(0..MODEL_LINES));
        check(numbered(0..MODEL_LINES).trim_end());
        check(&"x".repeat(MODEL_BYTES));
    }

    #[test]
    fn too_many_lines_leave_the_first_and_the_last_128() {
        let text = numbered(0..1000);
        let expected = format!(
            "Total output lines: 1000\n\n{}[... omitted 744 of 1000 lines ...]\n{}",
            numbered(0..128),
            numbered(872..1000)
        );
        assert_eq!(truncate_for_model(&text, 1000), expected);
    }

    #[test]
    fn one_line_too_many_is_one_line_omitted() {
        let shortened = truncate_for_model(&numbered(0..257), 257);
        assert!(shortened.contains("\nline 127\n[... omitted 1 of 257 lines ...]\nline 129\n"));
    }

    #[test]
    fn too_many_bytes_leave_both_ends_of_a_single_line() {
        let text = format!("<{}>", "x".repeat(20_000));
        let marker = "[... output truncated to fit 10240 bytes ...]\n";
        let shortened = truncate_for_model(&text, 1);
        let (head, tail) = shortened.split_once(marker).unwrap();
        assert_eq!(head, format!("Total output lines: 1\n\n<{}\n", "x".repeat(5119)));
        assert_eq!(head.len() + marker.len() + tail.len(), MODEL_BYTES + "Total output lines: 1\n\n".len());
        assert!(tail.ends_with("x>"));
    }

    #[test]
    fn few_long_lines_are_shown_without_repeating_any() {
        let text: String = (0..200).map(|n| format!("{n:0>79}\n")).collect();
        let shortened = truncate_for_model(&text, 200);
        for n in 0..200 {
            let line = format!("\n{n:0>79}\n");
            assert!(shortened.matches(&line).count() <= 1, "{n}");
        }
        assert!(shortened.contains("truncated to fit 10240 bytes"));
    }

    #[test]
    fn lines_that_were_cut_for_their_length_are_counted_as_omitted() {
        let text: String = (0..300).map(|n| format!("{n:0>199}\n")).collect();
        let shortened = truncate_for_model(&text, 300);
        let shown = shortened.lines().filter(|line| line.ends_with(|c: char| c.is_ascii_digit()));
        let shown = shown.count() - 1;
        let marker = format!("[... omitted {} of 300 lines ...]", 300 - shown);
        assert!(shortened.contains(&marker), "{shortened}");
    }

    #[test]
    fn lines_that_were_never_kept_are_counted() {
        let text = numbered(0..300);
        let shortened = truncate_for_model(&text, 1_000_000);
        assert!(shortened.starts_with("Total output lines: 1000000\n\n"));
        assert!(shortened.contains("[... omitted 999744 of 1000000 lines ...]"));
    }

    #[test]
    fn characters_stay_whole() {
        for pad in 0..4 {
            let text = format!("{}{}", "x".repeat(pad), "\u{1f980}".repeat(5000));
            let shortened = truncate_for_model(&text, 1);
            assert!(shortened.ends_with('\u{1f980}'));
            assert!(!shortened.contains('\u{fffd}'));
        }
    }

    #[test]
    fn the_longest_header_fits_its_bound() {
        let header = format!("Total output lines: {}\n\n", u64::MAX);
        assert_eq!(header.len(), HEADER_BOUND);
        let shortened = truncate_for_model(&"é\n".repeat(20_000), usize::MAX);
        assert!(shortened.len() <= MODEL_BYTES + HEADER_BOUND);
    }

    /// Texts around the limits: runs of like lines, some with nothing at their end.
    fn texts() -> impl Strategy<Value = String> {
        let letter = prop::sample::select(vec!["a", "é", "漢", "🦀", " "]);
        let length = prop_oneof![4 => 0..8usize, 2 => 0..60usize, 1 => 200..3000usize];
        let end = prop::sample::select(vec!["\n", "\n", "\r\n", ""]);
        let run = (letter, length, end, 1..120usize)
            .prop_map(|(letter, length, end, times)| (letter.repeat(length) + end).repeat(times));
        prop::collection::vec(run, 0..8).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn the_result_is_bounded_and_made_of_both_ends(text in texts(), lost in 0..3usize) {
            let lines = text.lines().count();
            let total = lines + lost * 1000;
            let shortened = truncate_for_model(&text, total);
            prop_assert!(shortened.len() <= MODEL_BYTES + HEADER_BOUND);
            if text.len() <= MODEL_BYTES && lines <= MODEL_LINES {
                prop_assert_eq!(shortened, text);
                return Ok(());
            }
            let header = format!("Total output lines: {total}\n\n");
            let body = shortened.strip_prefix(&header).unwrap();
            prop_assert!(body.len() <= MODEL_BYTES);
            let at = body.find("[... ").unwrap();
            let (head, rest) = body.split_at(at);
            let tail = rest.split_once('\n').unwrap().1;
            prop_assert!(text.starts_with(head) || text.starts_with(head.strip_suffix('\n').unwrap()));
            prop_assert!(text.ends_with(tail));
            prop_assert!(head.len() <= HEAD_BYTES + 1 && head.lines().count() <= HALF_LINES);
            prop_assert!(tail.lines().count() <= HALF_LINES);
            prop_assert!(head.trim_end().len() + tail.len() <= text.len());
        }
    }
}
