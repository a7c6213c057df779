//! How long a server asks to be left alone: in headers (RFC 9110 §10.2.3) or in the words of its message.

use std::time::Duration;

/// `retry-after-ms` is more exact and wins. A date in the past is no wait at all.
pub(super) fn from_headers(seconds_or_date: Option<&str>, ms: Option<&str>, now_unix: u64) -> Option<Duration> {
    let exact = ms.and_then(|ms| ms.trim().parse::<f64>().ok()).and_then(|ms| duration(ms / 1000.0));
    exact.or_else(|| {
        let value = seconds_or_date?.trim();
        let from_date = || Some(Duration::from_secs(parse_imf_fixdate(value)?.saturating_sub(now_unix)));
        value.parse().ok().and_then(duration).or_else(from_date)
    })
}

/// Reads "try again in 17.2s", "500ms", "3 seconds", "1m26.4s" out of a message.
#[must_use]
pub fn parse_try_again(message: &str) -> Option<Duration> {
    const CUE: &str = "try again in ";
    let lowercase = message.to_ascii_lowercase();
    parse_time_span(&lowercase[lowercase.find(CUE)? + CUE.len()..])
}

/// Reads "17.2s" or "6m0s" at the beginning of a text.
#[must_use]
pub fn parse_time_span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = None;
    while let Some((amount, after)) = amount_of_time(rest) {
        total = Some(total.unwrap_or(Duration::ZERO) + amount);
        rest = after;
    }
    total
}

fn amount_of_time(text: &str) -> Option<(Duration, &str)> {
    let text = text.trim_start();
    let (number, rest) = split_where(text, |c| !c.is_ascii_digit() && c != '.');
    let (unit, rest) = split_where(rest.trim_start(), |c| !c.is_ascii_alphabetic());
    let seconds = match unit {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    };
    Some((duration(number.trim_end_matches('.').parse::<f64>().ok()? * seconds)?, rest))
}

fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// None for what no clock can wait: negative, not a number, beyond a century.
fn duration(seconds: f64) -> Option<Duration> {
    const CENTURY: f64 = 100.0 * 366.0 * 86400.0;
    if seconds <= CENTURY { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in Unix seconds: the one date format that servers may send.
fn parse_imf_fixdate(text: &str) -> Option<u64> {
    let fields: Vec<&str> = text.split([' ', ':']).collect();
    let [_weekday, day, month, year, hour, minute, second, "GMT"] = fields[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let days = days_before_year(in_range(year, 1970..=9999)?)
        + days_before_month(month, year.parse().ok()?)
        + in_range(day, 1..=31)?
        - 1;
    let minutes = in_range(hour, 0..=23)? * 60 + in_range(minute, 0..=59)?;
    Some(days * 86400 + minutes * 60 + in_range(second, 0..=60)?)
}

fn in_range(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    text.parse().ok().filter(|number| range.contains(number))
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days from 1970-01-01 to the first day of `year`.
fn days_before_year(year: u64) -> u64 {
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
}

fn days_before_month(month: usize, year: u64) -> u64 {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    DAYS[..month].iter().sum::<u64>() + u64::from(is_leap && month > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT

    #[test]
    fn headers_give_seconds_milliseconds_or_a_date() {
        let check = |value: Option<&str>, ms: Option<&str>, expected: Option<u64>| {
            assert_eq!(
                from_headers(value, ms, NOW).map(|wait| wait.as_millis()),
                expected.map(u128::from),
                "{value:?} {ms:?}"
            );
        };
        check(None, None, None);
        check(Some("2"), None, Some(2000));
        check(Some(" 1.5 "), None, Some(1500));
        check(Some("2"), Some("30"), Some(30));
        check(Some("2"), Some("soon"), Some(2000));
        check(Some("Sun, 06 Nov 1994 08:49:47 GMT"), None, Some(10_000));
        check(Some("Sun, 06 Nov 1994 08:49:07 GMT"), None, Some(0));
        check(Some("Fri, 31 Nov 1994"), None, None);
        check(Some("-1"), None, None);
        check(Some("NaN"), None, None);
        check(Some("1e300"), None, None);
        check(Some(""), Some(""), None);
    }

    #[test]
    fn dates_are_counted_from_1970() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_imf_fixdate(text), expected, "{text}");
        };
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(NOW));
        check("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600));
        check("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800));
        check("Sat, 21 Nov 2026 02:25:18 GMT", Some(1_795_227_918));
        check("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400));
        check("Sun, 06 Nov 1969 08:49:37 GMT", None);
        check("Sun, 06 Foo 1994 08:49:37 GMT", None);
        check("Sun, 06 Nov 1994 24:49:37 GMT", None);
        check("Sun, 06 Nov 1994 08:49:37 CET", None);
        check("Sunday, 06-Nov-94 08:49:37 GMT", None);
    }

    #[test]
    fn a_wait_is_read_out_of_a_message() {
        let check = |message: &str, expected: Option<u64>| {
            assert_eq!(parse_try_again(message).map(|wait| wait.as_millis()), expected.map(u128::from), "{message}");
        };
        check("Rate limit reached for x. Please try again in 17.2s. Visit …", Some(17_200));
        check("Please Try again in 500ms.", Some(500));
        check("try again in 3 seconds", Some(3000));
        check("try again in 1m26.4s", Some(86_400));
        check("try again in 1 hour 2 minutes", Some(3_720_000));
        check("try again in 2s or so", Some(2000));
        check("try again in a moment", None);
        check("try again in 5", None);
        check("try again in 5 apples", None);
        check("try again in 1.2.3s", None);
        check("try again later", None);
        check("İ try again in 1s", Some(1000));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(try again in )?[0-9a-zA-Z., :-]{0,40}") {
            let wait = parse_try_again(&text).or(from_headers(Some(&text), Some(&text), 0));
            prop_assert!(wait.is_none_or(|wait| wait.as_secs() < 1 << 40));
        }

        #[test]
        fn dates_go_up_by_the_second(days in 0_u64..100_000, second in 0_u64..86_400) {
            let civil = format_imf_fixdate(days, second);
            prop_assert_eq!(parse_imf_fixdate(&civil), Some(days * 86400 + second), "{}", civil);
        }
    }

    /// The dumbest calendar: it counts the days one by one.
    fn format_imf_fixdate(days: u64, second: u64) -> String {
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for _ in 0..days {
            day += 1;
            let next = days_before_month(month + 1, year);
            let length = if month == 11 { 31 } else { next - days_before_month(month, year) };
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month == 12 {
                (month, year) = (0, year + 1);
            }
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("Xxx, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", MONTHS[month])
    }
}
