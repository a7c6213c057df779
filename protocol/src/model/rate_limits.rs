//! What the headers of an answer say of the caller's limits (reference `model-wire.md` §3).

use super::failure::parse_time_span;
use crate::wire::usage::{RateLimitSnapshot, RateLimitWindow};

/// Reads the headers that `header` gives by their names in lower case: `x-llmx-primary-*` and `x-llmx-secondary-*`, or
/// OpenAI's `x-ratelimit-*`, of which requests are the primary and tokens the secondary window. `now_unix` (seconds)
/// gives "in 6m0s" its meaning. `None` where the server says nothing.
#[must_use]
pub fn from_headers<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix: u64) -> Option<RateLimitSnapshot> {
    let number = |name: &str| header(name)?.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let own = |window: &str| own_window(|part| number(&format!("x-llmx-{window}-{part}")));
    let openai = |what: &str| {
        let resets_in = header(&format!("x-ratelimit-reset-{what}")).and_then(parse_time_span);
        let resets_at = resets_in.and_then(|wait| i64::try_from(now_unix.saturating_add(wait.as_secs())).ok());
        let of = |part: &str| number(&format!("x-ratelimit-{part}-{what}"));
        openai_window(of("limit")?, of("remaining")?, resets_at)
    };
    let snapshot = RateLimitSnapshot {
        primary: own("primary").or_else(|| openai("requests")),
        secondary: own("secondary").or_else(|| openai("tokens")),
    };
    (snapshot != RateLimitSnapshot::default()).then_some(snapshot)
}

/// A window of which nothing is used and nothing else is known is none.
fn own_window(number: impl Fn(&str) -> Option<f64>) -> Option<RateLimitWindow> {
    let whole = |part: &str| number(part).map(saturating);
    let window = RateLimitWindow {
        used_percent: number("used-percent")?,
        window_minutes: whole("window-minutes"),
        resets_at: whole("reset-at"),
    };
    let says_something =
        window.used_percent != 0.0 || window.window_minutes.is_some_and(|n| n != 0) || window.resets_at.is_some();
    says_something.then_some(window)
}

fn openai_window(limit: f64, remaining: f64, resets_at: Option<i64>) -> Option<RateLimitWindow> {
    let used_percent = ((limit - remaining) / limit * 100.0).clamp(0.0, 100.0);
    (limit > 0.0).then_some(RateLimitWindow { used_percent, window_minutes: None, resets_at })
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer that there is")]
fn saturating(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(used_percent: f64, window_minutes: Option<i64>, resets_at: Option<i64>) -> Option<RateLimitWindow> {
        Some(RateLimitWindow { used_percent, window_minutes, resets_at })
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], primary: Option<RateLimitWindow>, secondary: Option<RateLimitWindow>) {
        let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        let expected = RateLimitSnapshot { primary, secondary };
        let expected = (expected != RateLimitSnapshot::default()).then_some(expected);
        assert_eq!(from_headers(header, 1000), expected, "{headers:?}");
    }

    #[test]
    fn windows_are_read_from_either_family_of_headers() {
        check(&[], None, None);
        check(
            &[
                ("x-llmx-primary-used-percent", "12.5"),
                ("x-llmx-primary-window-minutes", "300"),
                ("x-llmx-primary-reset-at", "1700000000"),
            ],
            window(12.5, Some(300), Some(1_700_000_000)),
            None,
        );
        check(&[("x-llmx-secondary-used-percent", "0")], None, None);
        check(
            &[("x-llmx-secondary-used-percent", "0"), ("x-llmx-secondary-reset-at", "5")],
            None,
            window(0.0, None, Some(5)),
        );
        check(&[("x-llmx-primary-used-percent", "much")], None, None);
        check(
            &[
                ("x-ratelimit-limit-requests", "200"),
                ("x-ratelimit-remaining-requests", "150"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-limit-tokens", "1000"),
                ("x-ratelimit-remaining-tokens", "1000"),
            ],
            window(25.0, None, Some(1360)),
            window(0.0, None, None),
        );
        check(&[("x-ratelimit-limit-tokens", "0"), ("x-ratelimit-remaining-tokens", "0")], None, None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_share_is_a_share(limit in "[0-9.eN-]{0,8}", remaining in "[0-9.eN-]{0,8}", reset in "[0-9mshd. ]{0,8}") {
            let header = |name: &str| match name {
                "x-ratelimit-limit-requests" => Some(limit.as_str()),
                "x-ratelimit-remaining-requests" => Some(remaining.as_str()),
                "x-ratelimit-reset-requests" => Some(reset.as_str()),
                _ => None,
            };
            if let Some(RateLimitWindow { used_percent, .. }) = from_headers(header, 0).and_then(|s| s.primary) {
                prop_assert!((0.0..=100.0).contains(&used_percent));
            }
        }
    }
}
