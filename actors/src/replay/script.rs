//! Which exchange answers a request. No I/O here.

use super::{
    difference::first_difference,
    recording::{Exchange, ExpectedRequest, Recording, Route},
};
use serde_json::Value;
use std::{fmt, rc::Rc};

/// How much of a request a mismatch shows, in bytes.
const SHOWN: usize = 2_000;

/// A request that no exchange of the recording answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The number, from 1, of the exchange that was next; `None` when all were used.
    pub exchange: Option<usize>,
    /// What that exchange expected and did not get.
    pub expectation: String,
    /// The last input item of the request as JSON, or the start of a body without input items.
    pub last_input: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the recording has no answer: ")?;
        if let Some(number) = self.exchange {
            write!(f, "exchange {number} ")?;
        }
        write!(f, "{}; the request's last input item is {}", self.expectation, self.last_input)
    }
}

/// A recording being played.
pub(super) struct Script {
    /// `None` once it was used.
    exchanges: Vec<Option<Rc<Exchange>>>,
    /// The routes that the recorded server had.
    routes: Vec<Route>,
    pub(super) mismatches: Vec<Mismatch>,
}

impl Script {
    pub(super) fn new(recording: Recording) -> Self {
        let mut routes: Vec<_> = recording.exchanges.iter().map(|exchange| exchange.request.route).collect();
        if routes.is_empty() {
            routes.push(Route::default());
        }
        let exchanges = recording.exchanges.into_iter().map(|exchange| Some(Rc::new(exchange)));
        Self { exchanges: exchanges.collect(), routes, mismatches: Vec::new() }
    }

    pub(super) fn has(&self, route: Route) -> bool {
        self.routes.contains(&route)
    }

    /// The exchange that answers a request, with its number; it is used from now on.
    pub(super) fn answer(&mut self, route: Route, body: &str) -> Result<(usize, Rc<Exchange>), Mismatch> {
        let request = RequestText::new(route, body);
        let found = (1..).zip(&mut self.exchanges).find_map(|(number, slot)| {
            let exchange = slot.take_if(|exchange| difference(&exchange.request, &request).is_none());
            Some((number, exchange?))
        });
        found.ok_or_else(|| self.remember_mismatch(&request))
    }

    /// The numbers of the exchanges nobody has asked for yet.
    pub(super) fn unused(&self) -> Vec<usize> {
        (1..).zip(&self.exchanges).filter_map(|(number, slot)| slot.as_ref().map(|_| number)).collect()
    }

    fn remember_mismatch(&mut self, request: &RequestText<'_>) -> Mismatch {
        let next = (1..).zip(&self.exchanges).find_map(|(number, slot)| Some((number, slot.as_ref()?)));
        let expectation = next.and_then(|(_, exchange)| difference(&exchange.request, request));
        let mismatch = Mismatch {
            exchange: next.map(|(number, _)| number),
            expectation: expectation.unwrap_or_else(|| "every exchange was used".to_owned()),
            last_input: request.last_input(),
        };
        self.mismatches.push(mismatch.clone());
        mismatch
    }
}

/// The first expectation that a request does not meet.
fn difference(expected: &ExpectedRequest, request: &RequestText<'_>) -> Option<String> {
    let missing = expected.contains.iter().find(|text| !request.has(text));
    let missing = missing.map(|text| format!("expects a request that contains {text:?}"));
    let present = || expected.lacks.iter().find(|text| request.has(text));
    let present = || Some(format!("expects a request that lacks {:?}", present()?));
    let elsewhere = || (expected.route != request.route).then(|| format!("expects a request for {:?}", expected.route));
    let differs = || first_difference(expected.body.as_ref()?, &request.json);
    elsewhere().or(missing).or_else(present).or_else(differs)
}

/// A request body, raw and parsed.
struct RequestText<'a> {
    route: Route,
    raw: &'a str,
    json: Value,
}

impl<'a> RequestText<'a> {
    fn new(route: Route, raw: &'a str) -> Self {
        Self { route, raw, json: serde_json::from_str(raw).unwrap_or_default() }
    }

    fn has(&self, text: &str) -> bool {
        self.raw.contains(text) || some_string(&self.json, text)
    }

    fn last_input(&self) -> String {
        let input = if self.route == Route::Chat { &self.json["messages"] } else { &self.json["input"] };
        let last = input.as_array().and_then(|items| items.last()).unwrap_or(input);
        let shown = if last.is_null() { self.raw.to_owned() } else { last.to_string() };
        if shown.len() <= SHOWN { shown } else { format!("{}…", &shown[..shown.floor_char_boundary(SHOWN)]) }
    }
}

fn some_string(json: &Value, text: &str) -> bool {
    match json {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| some_string(item, text)),
        Value::Object(fields) => fields.values().any(|field| some_string(field, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::exchange::text_answer, *};
    use proptest::prelude::*;

    fn script(exchanges: Vec<Exchange>) -> Script {
        Script::new(exchanges.into())
    }

    /// Sends each request in turn; expects the number of the exchange that answers it, or 0.
    #[track_caller]
    fn check(exchanges: Vec<Exchange>, requests: &[(&str, usize)]) {
        let mut script = script(exchanges);
        for (request, expected) in requests {
            let number = script.answer(Route::Responses, request).map_or(0, |(number, _)| number);
            assert_eq!(number, *expected, "{request}");
        }
    }

    #[test]
    fn exchanges_answer_in_order_and_once() {
        let any = || text_answer("");
        check(vec![any(), any()], &[("{}", 1), ("{}", 2), ("{}", 0)]);
    }

    #[test]
    fn a_request_that_does_not_match_the_next_gets_the_first_that_it_matches() {
        let exchanges = vec![text_answer("").contains("a"), text_answer("").contains("b"), text_answer("").lacks("c")];
        check(exchanges.clone(), &[("b", 2), ("a", 1), ("x", 3)]);
        check(exchanges.clone(), &[("c", 0), ("x", 3), ("a", 1), ("b", 2)]);
        check(exchanges, &[("ab", 1), ("ab", 2), ("ab", 3)]);
    }

    #[test]
    fn every_expectation_must_be_met() {
        let exchange = || vec![text_answer("").contains("a").contains("b").lacks("c").lacks("d")];
        for (request, expected) in [("a b", 1), ("a", 0), ("b", 0), ("a b c", 0), ("a b d", 0)] {
            check(exchange(), &[(request, expected)]);
        }
    }

    #[test]
    fn texts_occur_raw_or_unescaped() {
        let request = r#"{"input":[{"text":"say \"hi\"\nnow"}]}"#;
        for text in ["say \"hi\"\nnow", r#"say \"hi\""#, r#"{"text":"#] {
            check(vec![text_answer("").contains(text)], &[(request, 1)]);
            check(vec![text_answer("").lacks(text)], &[(request, 0)]);
        }
    }

    #[test]
    fn a_mismatch_says_what_was_expected_and_what_came() {
        let request = r#"{"input":[{"text":"one"},{"text":"two"}]}"#;
        let item = r#"{"text":"two"}"#;
        let cases = [
            (vec![], format!("every exchange was used; the request's last input item is {item}")),
            (
                vec![text_answer("").contains("one").contains("z")],
                format!("exchange 1 expects a request that contains \"z\"; the request's last input item is {item}"),
            ),
            (
                vec![text_answer("").lacks("two")],
                format!("exchange 1 expects a request that lacks \"two\"; the request's last input item is {item}"),
            ),
        ];
        for (exchanges, expected) in cases {
            let mut script = script(exchanges);
            let mismatch = script.answer(Route::Responses, request).unwrap_err();
            assert_eq!(mismatch.to_string(), format!("the recording has no answer: {expected}"));
            assert_eq!(script.mismatches, [mismatch]);
        }
    }

    #[test]
    fn what_a_mismatch_shows_is_bounded() {
        let cases = [(format!("é{}", "x".repeat(5_000)), 'x'), ("é".repeat(5_000), 'é')];
        for (request, last) in cases {
            let shown = script(vec![]).answer(Route::Responses, &request).unwrap_err().last_input;
            assert!(shown.len() <= SHOWN + '…'.len_utf8() && shown.ends_with(&format!("{last}…")), "{shown}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_exchange_answers_twice_and_none_that_matches_is_withheld(
            expected in prop::collection::vec("[abc]", 0..6),
            requests in prop::collection::vec("[abc]{1,2}", 0..10),
        ) {
            let mut script = script(expected.iter().map(|text| text_answer("").contains(text)).collect());
            let mut unused: Vec<usize> = (1..=expected.len()).collect();
            for request in requests {
                let first = unused.iter().position(|number| request.contains(&expected[number - 1]));
                let first = first.map(|place| unused.remove(place));
                prop_assert_eq!(script.answer(Route::Responses, &request).ok().map(|(number, _)| number), first);
                prop_assert_eq!(script.unused(), &unused[..]);
            }
        }
    }
}
