//! How often an issuer is asked whether the user code was typed (RFC 8628 §3.5).

use std::time::Duration;

/// What an issuer's "too often" adds to the interval.
const SLOWER: Duration = Duration::from_secs(5);

/// How long to wait before asking again, after an answer with this error code; `None` if there is nothing to wait for.
#[must_use]
pub fn ask_again_after(code: &str, interval: Duration) -> Option<Duration> {
    match code {
        "authorization_pending" => Some(interval),
        "slow_down" => Some(interval + SLOWER),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patience_is_rewarded() {
        let s = Duration::from_secs;
        for (code, expected) in [
            ("authorization_pending", Some(s(2))),
            ("slow_down", Some(s(7))),
            ("access_denied", None),
            ("expired_token", None),
            ("", None),
        ] {
            assert_eq!(ask_again_after(code, s(2)), expected, "{code}");
        }
    }
}
