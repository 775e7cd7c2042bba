//! Numbers and dates in decimal, as MySQL prints them, straight into a buffer.

use crate::model::{DateTime, Time};

/// `number` with at least `width` digits (at most 20), zeros in front.
pub fn number(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let first = at.min(digits.len() - width.clamp(1, digits.len()));
    out.extend_from_slice(&digits[first..]);
}

/// `2024-01-31`
pub fn date(date: &DateTime, out: &mut Vec<u8>) {
    number(u64::from(date.year), 4, out);
    pair(b'-', date.month, out);
    pair(b'-', date.day, out);
}

/// `2024-01-31 23:59:59.123`, with `fraction` digits.
pub fn date_time(date_time: &DateTime, fraction: u8, out: &mut Vec<u8>) {
    date(date_time, out);
    pair(b' ', date_time.hour, out);
    pair(b':', date_time.minute, out);
    pair(b':', date_time.second, out);
    push_fraction(date_time.micros, fraction, out);
}

/// `-838:59:59.000000`, with `fraction` digits.
pub fn time(time: &Time, fraction: u8, out: &mut Vec<u8>) {
    if time.negative {
        out.push(b'-');
    }
    number(u64::from(time.hours), 2, out);
    pair(b':', time.minutes, out);
    pair(b':', time.seconds, out);
    push_fraction(time.micros, fraction, out);
}

fn pair(before: u8, value: u8, out: &mut Vec<u8>) {
    out.push(before);
    number(u64::from(value), 2, out);
}

/// `.123` for 3 declared digits, nothing for none.
fn push_fraction(micros: u32, digits: u8, out: &mut Vec<u8>) {
    let digits = u32::from(digits.min(6));
    if digits > 0 {
        out.push(b'.');
        number(u64::from(micros / 10_u32.pow(6 - digits)), digits as usize, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn extremes_are_printed_whole() {
        assert_eq!(printed(|out| number(0, 1, out)), "0");
        assert_eq!(printed(|out| number(u64::MAX, 1, out)), u64::MAX.to_string());
        assert_eq!(printed(|out| number(7, 30, out)), "00000000000000000007");
        let longest = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 1 };
        assert_eq!(printed(|out| time(&longest, 6, out)), "-838:59:59.000001");
        assert_eq!(printed(|out| date_time(&DateTime::default(), 0, out)), "0000-00-00 00:00:00");
    }

    proptest! {
        #[test]
        fn numbers_are_printed_as_the_standard_library_does(value: u64, width in 1_usize..20) {
            prop_assert_eq!(printed(|out| number(value, width, out)), format!("{value:0width$}"));
        }

        #[test]
        fn dates_are_printed_as_the_standard_library_does(
            year in 0_u16..10_000, month in 0_u8..13, day in 0_u8..32, second in 0_u8..60, micros in 0_u32..1_000_000,
        ) {
            let when = DateTime { year, month, day, hour: second % 24, minute: second, second, micros };
            let expected = format!("{year:04}-{month:02}-{day:02} {:02}:{second:02}:{second:02}", second % 24);
            prop_assert_eq!(printed(|out| date_time(&when, 0, out)), expected.clone());
            prop_assert_eq!(printed(|out| date_time(&when, 6, out)), format!("{expected}.{micros:06}"));
            let millis = format!("{expected}.{:03}", micros / 1_000);
            prop_assert_eq!(printed(|out| date_time(&when, 3, out)), millis);
        }
    }
}
