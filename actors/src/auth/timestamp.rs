//! Moments as `auth.json` has them: RFC 3339, in UTC.

const DAY: u64 = 24 * 60 * 60;

/// Of Unix seconds.
pub(super) fn print(unix: u64) -> String {
    let (mut days, seconds) = (unix / DAY, unix % DAY);
    let mut year = 1970;
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let mut month = 1;
    while days >= length_of_month(year, month) {
        days -= length_of_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

/// To Unix seconds; fractions of a second are left out.
pub(super) fn parse(text: &str) -> Option<u64> {
    let moment: toml::value::Datetime = text.parse().ok()?;
    let (date, time) = (moment.date?, moment.time?);
    let year = u64::from(date.year);
    let month = u64::from(date.month);
    let years: u64 = (1970..year).map(length).sum();
    let months: u64 = (1..month).map(|month| length_of_month(year, month)).sum();
    let days = years + months + u64::from(date.day) - 1;
    let local =
        days * DAY + u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + u64::from(time.second.unwrap_or(0));
    local.checked_add_signed(-60 * i64::from(minutes_east(moment.offset)))
}

fn minutes_east(offset: Option<toml::value::Offset>) -> i16 {
    match offset {
        Some(toml::value::Offset::Custom { minutes }) => minutes,
        Some(toml::value::Offset::Z) | None => 0,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn length(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn length_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_printed_and_read() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_762_689_600, "2025-11-09T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!((print(unix).as_str(), parse(text)), (text, Some(unix)));
        }
        assert_eq!(parse("2025-11-09T13:00:00.987654321+01:00"), Some(1_762_689_600));
        assert_eq!(parse("1970-01-01T00:00:00+01:00"), None);
        for junk in ["", "2025-11-09", "yesterday", "12:00:00"] {
            assert_eq!(parse(junk), None, "{junk}");
        }
    }
}
