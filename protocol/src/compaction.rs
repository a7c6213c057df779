//! Summing a conversation up to make room in the model's window (reference `model-wire.md` §12): what the model is asked,
//! and the history that takes the place of the old one. The old one is not touched: bookmarks into it stay good.

use crate::{
    context::{self, is_context},
    history::History,
    machine::settings::Settings,
    model::item::{ItemBody, ResponseItem},
};
use std::collections::HashSet;

/// Asks for the summary, unless the configuration says otherwise.
pub const DEFAULT_PROMPT: &str = include_str!("compact_prompt.md");

/// What the user said is kept word for word up to so many bytes (20,000 tokens of 4), counted from the last.
const KEPT_BYTES: usize = 80_000;

/// What the model reads before the summary.
const SUMMARY_FOLLOWS: &str = "The conversation up to here was summed up to make room. The messages above are the user's own; this is the \
     summary of everything else:\n\n";

/// Of a conversation that is too long to be summed up, the oldest part of this size is left out at a time.
const LEFT_OUT: usize = 4;

/// The conversation with the wish for a summary at its end.
#[must_use]
pub fn request(history: &History, settings: &Settings) -> History {
    let prompt = settings.compact_prompt.as_deref().unwrap_or(DEFAULT_PROMPT);
    history.with(vec![ResponseItem::message("user", prompt)], None)
}

/// What takes the place of `history`: where it all happens, what the user said last, and the summary.
#[must_use]
pub fn compacted(history: &History, settings: &Settings, summary: &str) -> History {
    let mut items = context::initial_items(settings);
    items.extend(users_words(history, kept_bytes(settings)).iter().map(|text| ResponseItem::message("user", text)));
    items.push(ResponseItem::message("user", &format!("{SUMMARY_FOLLOWS}{summary}")));
    History::default().with(items, None)
}

/// `history` without its oldest quarter, and how many items that were; never half of a call and its output. `None` if
/// there is too little left to leave anything out.
#[must_use]
pub fn shortened(history: &History) -> Option<(History, usize)> {
    let items = history.items();
    let cut = items.len().div_ceil(LEFT_OUT);
    if items.len() < 2 {
        return None;
    }
    let (gone, kept) = items.split_at(cut);
    let cut_calls: HashSet<_> = gone.iter().filter_map(|item| item.body().call_id()).collect();
    let is_orphan = |item: &ResponseItem| item.body().answered_call().is_some_and(|call| cut_calls.contains(call));
    let kept: Vec<_> = kept.iter().copied().filter(|item| !is_orphan(item)).cloned().collect();
    let left_out = items.len() - kept.len();
    (!kept.is_empty()).then(|| (History::default().with(kept, None), left_out))
}

/// A quarter of a small window at most.
fn kept_bytes(settings: &Settings) -> usize {
    let of_window = settings.window().and_then(|tokens| usize::try_from(tokens).ok());
    // Four bytes a token: as many bytes as the window has tokens are a quarter of it.
    of_window.map_or(KEPT_BYTES, |quarter| quarter.min(KEPT_BYTES))
}

/// What the user said, oldest first, as much of its end as `room` bytes take; the oldest one without its middle.
fn users_words(history: &History, mut room: usize) -> Vec<String> {
    let items = history.items();
    let mut newest_first = Vec::new();
    for text in items.iter().rev().filter_map(|item| users_own(item)) {
        if room == 0 {
            break;
        }
        newest_first.push(without_middle(text, room));
        room = room.saturating_sub(text.len());
    }
    newest_first.reverse();
    newest_first
}

fn users_own(item: &ResponseItem) -> Option<&str> {
    match item.body() {
        ItemBody::Message { role, text } if role == "user" => {
            let is_own = !text.trim().is_empty() && !is_context(text) && !text.starts_with(SUMMARY_FOLLOWS);
            is_own.then_some(text)
        }
        _ => None,
    }
}

fn without_middle(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(room / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - room / 2)..];
    format!("{head}\n[… {} bytes omitted …]\n{tail}", text.len() - head.len() - tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::CallId, machine::fixture};
    use serde_json::json;

    fn said(role: &str, text: &str) -> ResponseItem {
        ResponseItem::message(role, text)
    }

    fn call(id: &str) -> ResponseItem {
        let call = json!({"type": "function_call", "call_id": id, "name": "shell", "arguments": "{}"});
        ResponseItem::from_model(&call.to_string()).unwrap()
    }

    fn output(id: &str) -> ResponseItem {
        ResponseItem::function_call_output(&CallId::from(id), "x")
    }

    fn history(items: Vec<ResponseItem>) -> History {
        History::default().with(items, None)
    }

    fn texts(history: &History) -> Vec<String> {
        let text = |item: &&ResponseItem| match item.body() {
            ItemBody::Message { role, text } => format!("{role}: {text}"),
            other => format!("{other:?}"),
        };
        history.items().iter().map(text).collect()
    }

    #[test]
    fn a_compacted_history_has_the_place_the_users_words_and_the_summary() {
        let settings = fixture::settings();
        let mut items = context::initial_items(&settings);
        items.extend([said("user", "one"), said("assistant", "1"), call("c"), output("c"), said("user", "two")]);
        let once = compacted(&history(items), &settings, "first");
        let twice = compacted(&once.with(vec![said("user", "three")], None), &settings, "second");
        let texts = texts(&twice);
        assert!(texts[0].starts_with("user: <environment_context>"), "{texts:?}");
        assert_eq!(texts[1..4], ["user: one", "user: two", "user: three"]);
        assert_eq!(texts[4], format!("user: {SUMMARY_FOLLOWS}second"));
        assert_eq!((texts.len(), twice.tokens()), (5, None), "an older summary is part of the newer one");
    }

    #[test]
    fn the_users_last_words_are_kept_and_the_oldest_of_them_loses_its_middle() {
        let long = history(vec![said("user", "gone"), said("user", "<b\u{e9}ginning and end>"), said("user", "last")]);
        let check = |room: usize, expected: &[&str]| assert_eq!(users_words(&long, room), expected, "{room}");
        check(100, &["gone", "<b\u{e9}ginning and end>", "last"]);
        check(10, &["<b\n[… 15 bytes omitted …]\nnd>", "last"]);
        check(4, &["last"]);
        check(2, &["l\n[… 2 bytes omitted …]\nt"]);
        check(0, &[]);
    }

    #[test]
    fn the_oldest_part_goes_with_the_outputs_of_its_calls() {
        let check = |items: Vec<ResponseItem>, expected: Option<(usize, usize)>| {
            let shortened = shortened(&history(items)).map(|(left, out)| (left.items().len(), out));
            assert_eq!(shortened, expected);
        };
        check(vec![said("user", "a")], None);
        check(vec![said("user", "a"), said("user", "b")], Some((1, 1)));
        check(vec![call("a"), output("a")], None);
        check(vec![call("a"), call("b"), output("a"), output("b")], Some((2, 2)));
    }
}
