//! Replies of memcached's meta protocol, read from bytes as they stand.

/// The longest line; those that fit are below 64 bytes.
const LINE_BYTES_MAX: usize = 256;

/// The longest value that is read: memcached's own bound for an item, unless it is told otherwise (`-I`).
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// How much of an answer that does not fit is shown.
const SHOWN_BYTES: usize = 80;

/// One answer, to the command in `place`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// `MN`: all commands before are done.
    End,
    /// `VA`: what a read found.
    Value { place: usize, cas: u64, value: &'a [u8] },
    /// `HD`: done. Quiet commands do not say it.
    Done { place: usize },
    /// `NS`, `EX`, `NF`, `EN`: not stored, changed since, not there, missed.
    Refused { place: usize },
}

/// An answer that is not one of the protocol, or not to what was asked. The connection is of no use any more.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an answer does not fit: {shown}")]
pub(super) struct Misfit {
    /// Its beginning; bytes that do not print are escaped.
    shown: String,
}

impl Misfit {
    pub(super) fn of(bytes: &[u8]) -> Misfit {
        let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
        Misfit { shown: format!("\"{}\"", shown.trim_ascii_end().escape_ascii()) }
    }

    /// An answer to another command than the one whose turn it is.
    pub(super) fn out_of_turn(place: usize) -> Misfit {
        Misfit { shown: format!("it answers command {place} out of turn") }
    }
}

/// The first reply in `bytes` and its length; `None` while it is not all there.
///
/// # Errors
/// [`Misfit`] when no bytes that could follow would make it a reply.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Reply<'_>, usize)>, Misfit> {
    let head = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return if head.len() == LINE_BYTES_MAX { Err(Misfit::of(head)) } else { Ok(None) };
    };
    let misfit = || Misfit::of(&head[..end]);
    let line = head[..end].strip_suffix(b"\r").ok_or_else(misfit)?;
    let mut words = line.split(|byte| *byte == b' ');
    let reply = match words.next() {
        Some(b"MN") => Reply::End,
        Some(b"VA") => {
            let length = words.next().and_then(number).and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| *length <= VALUE_BYTES_MAX).ok_or_else(misfit)?;
            let Flags { place: Some(place), cas: Some(cas) } = Flags::of(words) else { return Err(misfit()) };
            return with_value(bytes, end + 1, length, |value| Reply::Value { place, cas, value });
        }
        Some(code) => {
            let place = Flags::of(words).place.ok_or_else(misfit)?;
            match code {
                b"HD" => Reply::Done { place },
                b"NS" | b"EX" | b"NF" | b"EN" => Reply::Refused { place },
                _ => return Err(misfit()),
            }
        }
        None => return Err(misfit()),
    };
    Ok(Some((reply, end + 1)))
}

fn with_value<'a>(
    bytes: &'a [u8],
    from: usize,
    length: usize,
    reply: impl FnOnce(&'a [u8]) -> Reply<'a>,
) -> Result<Option<(Reply<'a>, usize)>, Misfit> {
    let to = from + length;
    match bytes.get(to..to + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((reply(&bytes[from..to]), to + 2))),
        Some(_) => Err(Misfit::of(&bytes[..from])),
    }
}

/// What an answer says beside its code. Flags that were not asked for are ignored.
#[derive(Default)]
struct Flags {
    place: Option<usize>,
    cas: Option<u64>,
}

impl Flags {
    fn of<'a>(words: impl Iterator<Item = &'a [u8]>) -> Flags {
        let mut flags = Flags::default();
        for word in words {
            match word.split_first() {
                Some((b'O', digits)) => flags.place = number(digits).and_then(|place| place.try_into().ok()),
                Some((b'c', digits)) => flags.cas = number(digits),
                _ => (),
            }
        }
        flags
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &[u8] = b"NS O2\r\nVA 3 c5663978 O3\r\nabc\r\nEN O5\r\nHD O6\r\nEX O7 c1\r\nNF O8\r\n\
                            VA 0 c1 O9\r\n\r\nMN\r\n";

    fn replies() -> Vec<Reply<'static>> {
        vec![
            Reply::Refused { place: 2 },
            Reply::Value { place: 3, cas: 5_663_978, value: b"abc" },
            Reply::Refused { place: 5 },
            Reply::Done { place: 6 },
            Reply::Refused { place: 7 },
            Reply::Refused { place: 8 },
            Reply::Value { place: 9, cas: 1, value: b"" },
            Reply::End,
        ]
    }

    #[test]
    fn replies_are_read_one_after_the_other() {
        let (mut rest, mut read_so_far) = (STREAM, Vec::new());
        while let Some((reply, length)) = read(rest).expect("all fit") {
            read_so_far.push(reply);
            rest = &rest[length..];
        }
        assert_eq!(read_so_far, replies());
        assert!(rest.is_empty());
    }

    #[test]
    fn a_reply_that_is_cut_anywhere_is_waited_for() {
        let mut from = 0;
        while let Some((_, length)) = read(&STREAM[from..]).expect("all fit") {
            for cut in 0..length {
                assert_eq!(read(&STREAM[from..from + cut]), Ok(None), "{from} {cut}");
            }
            from += length;
        }
        assert_eq!(from, STREAM.len());
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for bad in [
            "ERROR\r\n",
            "CLIENT_ERROR bad command line format\r\n",
            "SERVER_ERROR out of memory storing object\r\n",
            "MN\n",
            "\r\n",
            "NS\r\n",
            "NS O\r\n",
            "NS O-1\r\n",
            "NS O18446744073709551616\r\n",
            "VA\r\n",
            "VA 3 O1\r\nabc\r\n",
            "VA 3 c1\r\nabc\r\n",
            "VA x c1 O1\r\nabc\r\n",
            "VA 2 c1 O1\r\nabc\r\n",
            "VA 99999999 c1 O1\r\n",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(read(&[b'M'; LINE_BYTES_MAX]).is_err(), "a line without an end");
        let shown = Misfit::of(b"ERROR \x00\xff\r\n").to_string();
        assert_eq!(shown, r#"an answer does not fit: "ERROR \x00\xff""#);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0..STREAM.len()) {
            let _ = read(&bytes);
            let mut mixed = STREAM[cut..].to_vec();
            mixed.extend(bytes);
            let mut rest = &mixed[..];
            while let Ok(Some((_, length))) = read(rest) {
                prop_assert!(length > 0 && length <= rest.len());
                rest = &rest[length..];
            }
        }
    }
}
