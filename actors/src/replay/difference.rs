//! Where a request first differs from the one that was recorded.

use serde_json::Value;

/// How much of a value is shown on each side of the first difference, in bytes.
const SHOWN: usize = 80;
/// Members that name the session rather than say anything.
const NAMES_OF_THE_SESSION: [&str; 1] = ["prompt_cache_key"];
/// Numbers that stand behind these texts, in the output of commands, are how long something took.
const TIMES: [&str; 2] = ["\"duration_seconds\":", "Wall time: "];

/// The first difference, in the words of a mismatch; `None` if the two ask the same.
pub(super) fn first_difference(recorded: &Value, asked: &Value) -> Option<String> {
    let directories = (directory_of(recorded), directory_of(asked));
    let sides = Sides { recorded_in: directories.0.as_deref(), asked_in: directories.1.as_deref() };
    let (place, recorded, asked) = sides.compare(recorded, asked)?;
    let place = if place.is_empty() { "the request" } else { place.trim_start_matches('.') };
    Some(format!("differs: {place} was {recorded} and is {asked}"))
}

/// The two directories that the sessions worked in.
struct Sides<'a> {
    recorded_in: Option<&'a str>,
    asked_in: Option<&'a str>,
}

/// Where, what was recorded there, what is there now.
type Difference = (String, String, String);

impl Sides<'_> {
    fn compare(&self, recorded: &Value, asked: &Value) -> Option<Difference> {
        match (recorded, asked) {
            (Value::Object(was), Value::Object(is)) => {
                let members = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
                let mut told = members.filter(|name| !NAMES_OF_THE_SESSION.contains(&name.as_str()));
                told.find_map(|name| self.below(&format!(".{name}"), was.get(name), is.get(name)))
            }
            (Value::Array(was), Value::Array(is)) => {
                let mut places = 0..was.len().max(is.len());
                places.find_map(|at| self.below(&format!("[{at}]"), was.get(at), is.get(at)))
            }
            (Value::String(was), Value::String(is)) => {
                let (was, is) = (settled(was, self.recorded_in), settled(is, self.asked_in));
                (was != is).then(|| (String::new(), around(&was, &is), around(&is, &was)))
            }
            (was, is) => (was != is).then(|| (String::new(), shown(Some(was)), shown(Some(is)))),
        }
    }

    fn below(&self, step: &str, recorded: Option<&Value>, asked: Option<&Value>) -> Option<Difference> {
        let (place, was, is) = match (recorded, asked) {
            (Some(was), Some(is)) => self.compare(was, is)?,
            (was, is) => (String::new(), shown(was), shown(is)),
        };
        Some((format!("{step}{place}"), was, is))
    }
}

/// The directory that the environment context names.
fn directory_of(request: &Value) -> Option<String> {
    let between = |text: &str| Some(text.split_once("<cwd>")?.1.split_once("</cwd>")?.0.to_owned());
    match request {
        Value::String(text) => between(text),
        Value::Array(items) => items.iter().find_map(directory_of),
        Value::Object(members) => members.values().find_map(directory_of),
        _ => None,
    }
}

/// A text without what no two runs share.
fn settled(text: &str, directory: Option<&str>) -> String {
    let text = match directory.filter(|directory| directory.len() > 1) {
        Some(directory) => text.replace(directory, "<cwd>"),
        None => text.to_owned(),
    };
    TIMES.iter().fold(text, |text, cue| without_numbers(&text, cue))
}

fn without_numbers(text: &str, cue: &str) -> String {
    let mut pieces = text.split(cue);
    let mut settled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        settled.push_str(cue);
        settled.push_str(piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ' '));
    }
    settled
}

/// The part of `text` in which it stops to be the same as `other`, as JSON.
fn around(text: &str, other: &str) -> String {
    let same = text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let from = text.floor_char_boundary(same.saturating_sub(SHOWN));
    let to = text.ceil_char_boundary(same.saturating_add(SHOWN).min(text.len()));
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
    format!("{before}{}{after}", Value::from(&text[from..to]))
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "absent".to_owned();
    };
    let json = value.to_string();
    let to = json.floor_char_boundary(2 * SHOWN);
    if to < json.len() { format!("{}…", &json[..to]) } else { json }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(recorded: &Value, asked: &Value, expected: Option<&str>) {
        let expected = expected.map(|words| format!("differs: {words}"));
        assert_eq!(first_difference(recorded, asked), expected);
    }

    #[test]
    fn the_first_difference_has_a_place_and_two_values() {
        let request = json!({"model": "m", "input": [{"text": "one"}, {"text": "two"}]});
        check(&request, &request, None);
        let cases = [
            (json!({"model": "n", "input": [{"text": "one"}, {"text": "two"}]}), r#"model was "m" and is "n""#),
            (json!({"model": "m", "input": [{"text": "one"}]}), r#"input[1] was {"text":"two"} and is absent"#),
            (
                json!({"model": "m", "input": [{"text": "one"}, {"text": "twice"}]}),
                r#"input[1].text was "two" and is "twice""#,
            ),
            (
                json!({"model": "m", "input": [{"text": "one"}, {"text": "two"}], "store": true}),
                "store was absent and is true",
            ),
            (json!(3), r#"the request was {"input":[{"text":"one"},{"text":"two"}],"model":"m"} and is 3"#),
        ];
        for (asked, words) in cases {
            check(&request, &asked, Some(words));
        }
    }

    #[test]
    fn of_long_texts_the_part_around_the_difference_is_shown() {
        let text = |word: &str| json!(format!("{}{word}{}", "a".repeat(500), "z".repeat(500)));
        let words = first_difference(&text("é"), &text("e")).unwrap();
        assert!(words.len() < 1000 && words.contains("aé") && words.contains("aez"), "{words}");
    }

    #[test]
    fn what_no_two_runs_share_is_no_difference() {
        let request = |session: &str, cwd: &str, seconds: &str| {
            json!({"prompt_cache_key": session, "input": [
                {"text": format!("<cwd>{cwd}</cwd>")},
                {"output": format!(r#"{{"output":"{cwd}/a","metadata":{{"exit_code":0,"duration_seconds":{seconds}}}}}"#)},
                {"output": format!("Exit code: 0\nWall time: {seconds} seconds\nOutput:\n{cwd}")},
            ]})
        };
        let one = request("s1", "/tmp/one", "0.1");
        check(&one, &request("s2", "/tmp/another", "12.0"), None);
        check(
            &one,
            &json!({"prompt_cache_key": "s1", "input": [one["input"][0], {"output": "/tmp/two/a"}, one["input"][2]]}),
            Some(
                r#"input[1].output was "{\"output\":\"<cwd>/a\",\"metadata\":{\"exit_code\":0,\"duration_seconds\":}}" and is "/tmp/two/a""#,
            ),
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_two_texts_make_it_panic_and_equal_ones_do_not_differ(a in ".{0,200}", b in ".{0,200}") {
            prop_assert_eq!(first_difference(&json!([&a]), &json!([&a])), None);
            let _ = first_difference(&json!([a]), &json!([b]));
        }
    }
}
