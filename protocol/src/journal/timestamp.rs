//! Times as the lines of a journal have them: UTC, `YYYY-MM-DDThh:mm:ss.mmmZ`.

use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// The time that is `since_epoch` after the beginning of 1970.
#[must_use]
pub fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date_of(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Reads what [`timestamp`] writes, with or without a fraction; `None` for anything else.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Duration> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some(Duration::from_millis(seconds * 1000 + millis))
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let numbers: Vec<u64> = text.split(between).map(|n| n.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// The year's days before the first of each month; a year begins in March here, so that a leap day is its last.
fn days_before_month(month_from_march: u64) -> u64 {
    (153 * month_from_march + 2) / 5
}

const DAYS_OF_400_YEARS: u64 = 146_097;
/// From the first of March of year 0 to the beginning of 1970.
const EPOCH: u64 = 719_468;

fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let days_of_years = year * 365 + year / 4 - year / 100 + year / 400;
    (days_of_years + days_before_month(month_from_march) + day - 1).saturating_sub(EPOCH)
}

fn date_of(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + EPOCH;
    let (era, of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (DAYS_OF_400_YEARS - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - days_before_month(month_from_march) + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_times() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_millis(millis)), text);
            assert_eq!(parse_timestamp(text), Some(Duration::from_millis(millis)));
        }
        assert_eq!(parse_timestamp("2024-02-29T23:59:59Z"), Some(Duration::from_secs(1_709_251_199)));
        for text in
            ["", "Z", "2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T23:59Z", "x-y-zT1:2:3Z", "1969-12-31T00:00:00Z"]
        {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis in 0u64..7_258_118_400_000) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(parse_timestamp(&timestamp(time)), Some(time));
        }
    }
}
