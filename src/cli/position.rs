//! POSITION: where a tail begins.

use super::usage::usage;
use crate::app::StartAt;
use crate::failure::Failure;
use uuid::Uuid;

/// Reads `FILE:OFFSET`, a GTID set, `now`, or `earliest`.
///
/// # Errors
/// It is none of them.
pub fn parse(text: &str) -> Result<StartAt, Failure> {
    let help = "give FILE:OFFSET (binlog.000042:4), a GTID set (UUID:1-100), now, or earliest";
    let fail = |reason: String| Err(usage(format!("--from: {reason}")).with_help(help));
    match text.trim() {
        "now" => Ok(StartAt::Now),
        "earliest" => Ok(StartAt::Earliest),
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

fn begins_with_uuid(text: &str) -> bool {
    text.split(':').next().is_some_and(|first| Uuid::try_parse(first.trim()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn each_kind_of_position_is_recognised() {
        let gtids = "00000000-0000-0000-0000-00000000000a:1-5:tag:7";
        assert_eq!(parse("now").unwrap(), StartAt::Now);
        assert_eq!(parse("earliest").unwrap(), StartAt::Earliest);
        assert_eq!(parse(gtids).unwrap(), StartAt::Reached(gtids.parse().unwrap()));
        assert_eq!(
            parse("binlog.000042:157").unwrap(),
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
            "a b:4",
            "00000000-0000-0000-0000-00000000000a",
            "00000000-0000-0000-0000-00000000000a:x",
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{text}");
            assert!(failure.help.unwrap().contains("FILE:OFFSET"), "{text}");
        }
    }
}
