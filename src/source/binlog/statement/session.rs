//! A statement with the session that it ran in: QUERY and EXECUTE_LOAD_QUERY events.
//!
//! The layout is that of `Query_event` in MySQL's libs/mysql/binlog/event/statement_events.h. The status variables say
//! in which character set and sql_mode the text is. They have no length of their own, so nobody can read on behind an
//! unknown one; the server writes them in rising order, and both that are needed here come first.

use super::super::cursor::{Cursor, Truncated};

/// Bits of sql_mode (MODE_* in MySQL's sql/system_variables.h).
const ANSI_QUOTES: u64 = 1 << 2;
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

/// What decides how the text of a statement is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// `"x"` is an identifier.
    pub ansi_quotes: bool,
    /// A backslash in a string is a backslash.
    pub no_backslash_escapes: bool,
}

/// A statement as the server logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<'a> {
    /// The default schema, in UTF-8.
    pub schema: String,
    pub text: &'a [u8],
    /// The id of the collation of `character_set_client`; `None` where the event does not say.
    pub client: Option<u16>,
    pub mode: Mode,
}

impl<'a> Logged<'a> {
    /// Reads a QUERY event: thread id (4), seconds (4), schema length (1), error (2), length of the status
    /// variables (2), status variables, schema, 0, text.
    pub fn query(data: &'a [u8]) -> Result<Logged<'a>, Truncated> {
        Logged::read(data, 0)
    }

    /// Reads an EXECUTE_LOAD_QUERY event: 13 bytes more before the status variables (file id, two offsets into the
    /// text, what is done with duplicates).
    pub fn load(data: &'a [u8]) -> Result<Logged<'a>, Truncated> {
        Logged::read(data, 13)
    }

    fn read(data: &'a [u8], more: usize) -> Result<Logged<'a>, Truncated> {
        let mut cursor = Cursor::new(data);
        cursor.take(8)?;
        let schema_length = usize::from(cursor.u8()?);
        cursor.take(2)?;
        let status_length = usize::from(cursor.u16()?);
        cursor.take(more)?;
        let status = cursor.take(status_length)?;
        let schema = String::from_utf8_lossy(cursor.take(schema_length)?).into_owned();
        cursor.take(1)?;
        let mut logged = Logged { schema, text: cursor.rest(), client: None, mode: Mode::default() };
        logged.status(status)?;
        Ok(logged)
    }

    /// Reads status variables up to the character set, or to one that nobody knows.
    fn status(&mut self, status: &[u8]) -> Result<(), Truncated> {
        const FLAGS2: u8 = 0;
        const SQL_MODE: u8 = 1;
        const CATALOG: u8 = 2;
        const AUTO_INCREMENT: u8 = 3;
        const CHARSET: u8 = 4;
        const TIME_ZONE: u8 = 5;
        const CATALOG_NZ: u8 = 6;
        let mut cursor = Cursor::new(status);
        while self.client.is_none() && !cursor.is_empty() {
            match cursor.u8()? {
                FLAGS2 | AUTO_INCREMENT => {
                    cursor.take(4)?;
                }
                SQL_MODE => {
                    let bits = cursor.u64()?;
                    self.mode = Mode {
                        ansi_quotes: bits & ANSI_QUOTES != 0,
                        no_backslash_escapes: bits & NO_BACKSLASH_ESCAPES != 0,
                    };
                }
                CATALOG => {
                    let length = usize::from(cursor.u8()?);
                    cursor.take(length + 1)?;
                }
                TIME_ZONE | CATALOG_NZ => {
                    let length = usize::from(cursor.u8()?);
                    cursor.take(length)?;
                }
                CHARSET => {
                    self.client = Some(cursor.u16()?);
                    cursor.take(4)?;
                }
                _ => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QUERY event of schema `s`.
    fn event(status: &[u8], text: &[u8]) -> Vec<u8> {
        let mut data = vec![0; 8];
        data.extend([1, 0, 0, status.len() as u8, 0]);
        data.extend(status);
        data.extend(b"s\0");
        data.extend(text);
        data
    }

    #[test]
    fn charset_and_sql_mode_stand_in_the_status_variables() {
        let mut status = vec![0, 0, 0, 0, 0];
        status.extend([1, 4, 0, 0x10, 0, 0, 0, 0, 0]);
        status.extend(b"\x06\x03std");
        status.extend([3, 1, 0, 1, 0]);
        status.extend([4, 28, 0, 28, 0, 255, 0]);
        status.extend([200, 1, 2, 3]);
        let data = event(&status, b"BEGIN");
        let logged = Logged::query(&data).unwrap();
        assert_eq!((logged.schema.as_str(), logged.text), ("s", &b"BEGIN"[..]));
        assert_eq!(logged.client, Some(28));
        assert_eq!(logged.mode, Mode { ansi_quotes: true, no_backslash_escapes: true });
    }

    #[test]
    fn what_stands_behind_an_unknown_variable_is_not_guessed() {
        let data = event(&[77, 4, 8, 0, 8, 0, 8, 0], b"x");
        assert_eq!(Logged::query(&data).unwrap().client, None);
        let data = event(&[4, 8, 0], b"x");
        Logged::query(&data).expect_err("the variable ends early");
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let data = event(&[4, 28, 0, 28, 0, 255, 0], b"BEGIN");
        for end in 0..data.len() {
            let _ = Logged::query(&data[..end]);
            let _ = Logged::load(&data[..end]);
        }
    }
}
