//! Times for people.

use alloc::format;
use alloc::string::String;

const DAY: u32 = 86_400;

/// Seconds since 1970 as `21:20:00Z`.
pub(crate) fn clock(time: u32) -> String {
    let (hours, minutes, seconds) = (time % DAY / 3600, time / 60 % 60, time % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Seconds since 1970 as `2008-01-10 21:20:00Z`.
pub(crate) fn date(time: u32) -> String {
    let mut day = time / DAY;
    let mut year = 1970;
    while day >= days_in_year(year) {
        day -= days_in_year(year);
        year += 1;
    }
    let february = days_in_year(year) - 337;
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02} {}", day + 1, clock(time))
}

/// In these years every fourth is a leap year but 2100.
fn days_in_year(year: u32) -> u32 {
    match year.is_multiple_of(4) && year != 2100 {
        true => 366,
        false => 365,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, date_of) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_200_000_000, "2008-01-10 21:20:00Z"),
            (1_230_767_999, "2008-12-31 23:59:59Z"),
            (u32::MAX, "2106-02-07 06:28:15Z"),
        ] {
            assert_eq!(date(time), date_of);
        }
    }
}
