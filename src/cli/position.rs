//! POSITION: where a tail begins; and the time of a `--since`.

use super::usage::usage;
use crate::app::StartAt;
use crate::failure::Failure;
use crate::model::micros_of_rfc3339;
use uuid::Uuid;

/// Reads `FILE:OFFSET`, a GTID set, `now`, `earliest`, or `@TIME`. `what`: what it is given for, for the message.
///
/// # Errors
/// It is none of them.
pub fn parse(what: &str, text: &str) -> Result<StartAt, Failure> {
    let help = "give FILE:OFFSET (binlog.000042:4), a GTID set (UUID:1-100), now, earliest, or @TIME \
                (@2026-11-29T03:12:45Z)";
    let fail = |reason: String| Err(usage(format!("{what}: {reason}")).with_help(help));
    match text.trim() {
        "now" => Ok(StartAt::Now),
        "earliest" => Ok(StartAt::Earliest),
        text if text.starts_with('@') => match micros_of_rfc3339(&text[1..]) {
            Some(micros) => Ok(StartAt::Moment { micros }),
            None => fail(format!("{:?} is not an RFC 3339 time with Z or an offset", &text[1..])),
        },
        text if begins_with_uuid(text) => match text.parse() {
            Ok(reached) => Ok(StartAt::Reached(reached)),
            Err(error) => fail(error.to_string()),
        },
        text => match text.rsplit_once(':') {
            Some((file, offset)) if !file.is_empty() && !file.contains(char::is_whitespace) => {
                match offset.parse() {
                    // An event never begins inside the file's four magic bytes.
                    Ok(offset) if offset >= 4 => Ok(StartAt::FileOffset { file: file.to_owned(), offset }),
                    _ => fail(format!("{offset:?} is not an offset in a binlog file (4 or more)")),
                }
            }
            _ => fail(format!("{text:?} is not a position")),
        },
    }
}

/// Reads the time of a `--since`, in milliseconds since 1970.
///
/// # Errors
/// It is none.
pub fn moment(text: &str) -> Result<u64, Failure> {
    let micros = micros_of_rfc3339(text.trim_start_matches('@'));
    micros.map(|micros| u64::try_from(micros / 1_000).unwrap_or(0)).ok_or_else(|| {
        usage(format!("--since: {text:?} is not an RFC 3339 time with Z or an offset"))
            .with_help("give a time such as 2026-11-29T03:12:45Z")
    })
}

fn begins_with_uuid(text: &str) -> bool {
    text.split(':').next().is_some_and(|first| Uuid::try_parse(first.trim()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    fn read(text: &str) -> Result<StartAt, Failure> {
        parse("--from", text)
    }

    #[test]
    fn each_kind_of_position_is_recognised() {
        let gtids = "00000000-0000-0000-0000-00000000000a:1-5:tag:7";
        assert_eq!(read("now").unwrap(), StartAt::Now);
        assert_eq!(read("earliest").unwrap(), StartAt::Earliest);
        let moment = StartAt::Moment { micros: 1_795_921_965_000_000 };
        assert_eq!(read("@2026-11-29T04:12:45+01:00").unwrap(), moment);
        assert_eq!(read(gtids).unwrap(), StartAt::Reached(gtids.parse().unwrap()));
        assert_eq!(
            read("binlog.000042:157").unwrap(),
            StartAt::FileOffset { file: "binlog.000042".to_owned(), offset: 157 }
        );
    }

    #[test]
    fn anything_else_is_a_usage_error_that_says_what_to_give() {
        for text in [
            "",
            "yesterday",
            "binlog.000042",
            "binlog.000042:",
            "binlog.000042:3",
            ":4",
            "@",
            "@yesterday",
            "@2026-11-29T03:12:45",
            "a b:4",
            "00000000-0000-0000-0000-00000000000a",
            "00000000-0000-0000-0000-00000000000a:x",
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{text}");
            assert!(failure.help.unwrap().contains("FILE:OFFSET"), "{text}");
        }
    }

    #[test]
    fn since_is_a_moment() {
        assert_eq!(moment("1970-01-01T00:00:01Z").expect("a time"), 1_000);
        assert_eq!(moment("yesterday").expect_err("no time").exit, Exit::Usage);
    }
}
