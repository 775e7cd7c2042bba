//! Hours of the day in which something may happen.

use std::fmt;
use std::str::FromStr;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// From one time of the day to another, the end outside; over midnight where the end comes first. Never empty: where both
/// are the same it is the whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes since midnight.
    from: u16,
    /// Minutes since midnight, outside.
    to: u16,
}

impl Hours {
    /// Whether a time of the day, in minutes since midnight, lies in them.
    pub fn contain(self, minute: u16) -> bool {
        let since = |start: u16| (minute + DAY - start) % DAY;
        let length = (self.to + DAY - self.from) % DAY;
        length == 0 || since(self.from) < length
    }
}

/// `22:00-06:00`.
impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Hours, String> {
        let minute = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let (hour, minute): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (digits(hours) && digits(minutes) && hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let read = || {
            let (from, to) = text.split_once('-')?;
            Some(Hours { from: minute(from)?, to: minute(to)? })
        };
        read().ok_or_else(|| "must be two times of the day, like \"22:00-06:00\"".to_owned())
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", time_of_day(self.from), time_of_day(self.to))
    }
}

/// `14:05`, of minutes since midnight.
pub fn time_of_day(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_back_what_they_print_and_may_cross_midnight() {
        let night: Hours = "22:00-06:00".parse().expect("hours");
        assert_eq!(night.to_string(), "22:00-06:00");
        let inside = |hours: Hours, hour: u16, minute: u16| hours.contain(hour * 60 + minute);
        assert!(inside(night, 22, 0) && inside(night, 23, 59) && inside(night, 0, 0) && inside(night, 5, 59));
        assert!(!inside(night, 6, 0) && !inside(night, 21, 59) && !inside(night, 12, 0));
        let day: Hours = "09:30-17:00".parse().expect("hours");
        assert!(inside(day, 9, 30) && !inside(day, 9, 29) && !inside(day, 17, 0) && !inside(day, 0, 0));
        let always: Hours = "08:00-08:00".parse().expect("hours");
        assert!((0..DAY).all(|minute| always.contain(minute)));
    }

    #[test]
    fn what_is_no_time_of_the_day_is_refused() {
        for text in
            ["", "22:00", "22-6", "24:00-06:00", "22:60-06:00", "22:00-6:00", "22:00 - 06:00", "+1:00-02:00"]
        {
            assert!(text.parse::<Hours>().unwrap_err().contains("22:00-06:00"), "{text}");
        }
    }
}
