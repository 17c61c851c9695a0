//! The Date field: RFC 9110 5.6.7 and 6.6.1.
//!
//! ```text
//!   Sun, 06 Nov 1994 08:49:37 GMT        IMF-fixdate, always 29 bytes
//! ```
//!
//! The clock is outside: the caller says how many seconds have passed since 1970, and
//! gets the text. **Equal seconds give equal text**, so a loop keeps one [`DateCache`]
//! and pays for the arithmetic once per second, not once per answer.

const DAY: u64 = 24 * 60 * 60;

/// 9999-12-31 23:59:59, the last second that four digits of a year can tell.
const LAST_SECOND: u64 = 253_402_300_799;

const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A date as it is written in a field (RFC 9110 5.6.7, IMF-fixdate).
///
/// ```
/// use barewire::http::HttpDate;
///
/// assert_eq!(HttpDate::from_unix(784_111_777).as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
/// assert_eq!(HttpDate::to_unix("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; 29]);

impl HttpDate {
    /// The date that is this many seconds after 1970-01-01 00:00:00 UTC, without leap
    /// seconds, as the system's clock counts. What lies behind the year 9999 is its end.
    pub fn from_unix(seconds: u64) -> HttpDate {
        let seconds = seconds.min(LAST_SECOND);
        let (days, second) = (seconds / DAY, seconds % DAY);
        let (year, month, day) = civil(days);

        let mut text = *b"___, __ ___ ____ __:__:__ GMT";
        // 1970-01-01 was a Thursday.
        text[0..3].copy_from_slice(WEEKDAYS[((days + 4) % 7) as usize]);
        text[8..11].copy_from_slice(MONTHS[(month % 12) as usize]);
        let numbers = [
            (5, day),
            (12, year / 100),
            (14, year % 100),
            (17, second / 3600),
            (20, second / 60 % 60),
            (23, second % 60),
        ];
        for (at, number) in numbers {
            text[at] = b'0' + (number / 10) as u8;
            text[at + 1] = b'0' + (number % 10) as u8;
        }
        HttpDate(text)
    }

    /// Reads a date, in seconds since 1970. `None` is what [`HttpDate::from_unix`] never writes: the obsolete forms of
    /// RFC 9110 5.6.7, a day that its month does not have, a wrong weekday, a leap second.
    ///
    /// ```
    /// use barewire::http::HttpDate;
    /// assert_eq!(HttpDate::to_unix("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    /// ```
    pub fn to_unix(text: &str) -> Option<u64> {
        let text: [u8; 29] = text.as_bytes().try_into().ok()?;
        let two = |at: usize| match text[at..at + 2] {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
                Some(u64::from(tens - b'0') * 10 + u64::from(ones - b'0'))
            }
            _ => None,
        };
        let month = MONTHS.iter().position(|month| month[..] == text[8..11])? as u64;
        let days = days_until(two(12)? * 100 + two(14)?, month, two(5)?)?;
        let seconds = days * DAY + two(17)? * 3600 + two(20)? * 60 + two(23)?;
        (HttpDate::from_unix(seconds).0 == text).then_some(seconds)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Every byte above is ASCII; the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<[u8]> for HttpDate {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for HttpDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A moment as RFC 3339 writes it, in UTC and to the millisecond: `2023-11-14T22:13:20.123Z`.
#[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
pub(crate) fn iso_date(unix_ms: u64) -> String {
    let seconds = (unix_ms / 1000).min(LAST_SECOND);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z",
        month + 1,
        second % 60,
        unix_ms % 1000
    )
}

/// From 0000-03-01 to 1970-01-01, in days.
const TO_1970: u64 = 719_468;

/// The inverse of [`civil`]; `None` before 1970.
fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = match month {
        0 | 1 => (year.checked_sub(1)?, month + 10),
        _ => (year, month - 2),
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    (365 * year + leap_days + day_of_year).checked_sub(TO_1970)
}

/// Year, month (0 is January) and day of the month, from days since 1970.
///
/// The year is taken to start in March, so that the leap day is its last day. Then the
/// calendar is three cycles inside each other, each with its odd day at its end: 400
/// years, 100 years, 4 years; and the months from March on have 31 30 31 30 31 days,
/// again and again, which is 153 days for five.
fn civil(days: u64) -> (u64, u64, u64) {
    const YEAR: u64 = 365;
    const YEARS_4: u64 = 4 * YEAR + 1;
    const YEARS_100: u64 = 25 * YEARS_4 - 1;
    const YEARS_400: u64 = 4 * YEARS_100 + 1;
    let days = days + TO_1970;
    let (cycles, days) = (days / YEARS_400, days % YEARS_400);
    // The odd day at the end of a cycle still belongs to the cycle's last part.
    let centuries = (days / YEARS_100).min(3);
    let days = days - centuries * YEARS_100;
    let (fours, days) = (days / YEARS_4, days % YEARS_4);
    let years = (days / YEAR).min(3);
    let days = days - years * YEAR;

    let year = cycles * 400 + centuries * 100 + fours * 4 + years;
    let month = (5 * days + 2) / 153;
    let day = days - (153 * month + 2) / 5 + 1;
    match month {
        0..10 => (year, month + 2, day),
        _ => (year + 1, month - 10, day),
    }
}

/// The date of the current second, computed when the second changes.
#[derive(Clone, Debug)]
pub struct DateCache {
    second: u64,
    text: HttpDate,
}

impl DateCache {
    /// A cache that holds the date of second 0.
    pub fn new() -> DateCache {
        DateCache {
            second: 0,
            text: HttpDate::from_unix(0),
        }
    }

    /// The date at this second.
    pub fn at(&mut self, unix_seconds: u64) -> &HttpDate {
        if self.second != unix_seconds {
            self.second = unix_seconds;
            self.text = HttpDate::from_unix(unix_seconds);
        }
        &self.text
    }
}

impl Default for DateCache {
    fn default() -> DateCache {
        DateCache::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9110 5.6.7

    #[test]
    fn known_seconds_have_their_known_dates() {
        for (seconds, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (978_220_800, "Sun, 31 Dec 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (4_107_456_000, "Sun, 28 Feb 2100 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST_SECOND, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (LAST_SECOND + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(HttpDate::from_unix(seconds).as_str(), text);
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "120",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun,  6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Thu, 30 Feb 2023 00:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Thu, 01 Jan 0000 00:00:00 GMT",
            "Sun, 06 Nov 19é4 08:49:3 GMT",
        ] {
            assert_eq!(HttpDate::to_unix(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_until_the_year_9999_follows_the_one_before_it() {
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..=LAST_SECOND / DAY {
            assert_eq!(civil(days), (year, month, day));
            assert_eq!(days_until(year, month, day), Some(days));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                1 => 28 + u64::from(leap),
                3 | 5 | 8 | 10 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month == 12 {
                (month, year) = (0, year + 1);
            }
        }
    }

    #[test]
    fn the_cache_gives_the_date_of_the_second_it_is_asked_for() {
        let mut cache = DateCache::new();
        for second in [0, 5, 5, 4, 784_111_777] {
            assert_eq!(*cache.at(second), HttpDate::from_unix(second));
        }
    }
}
