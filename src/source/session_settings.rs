//! What every session of ours is set to, and the proof that it is.
//!
//! A session begins with the server's defaults and with what `init_connect` says, which may shorten or change the answer
//! of a SELECT without a word. So one place sets everything that an answer depends on, and reads it back.

use crate::failpoints::Failpoints;
use std::fmt::Write;

/// Name, what it is set to, and as what it reads back.
pub type Setting = (&'static str, &'static str, &'static str);

/// Names, texts and statements go as UTF-8, and columns come as their own bytes.
const CHARACTER_SETS: &[Setting] = &[
    ("character_set_client", "utf8mb4", "utf8mb4"),
    ("character_set_connection", "utf8mb4", "utf8mb4"),
    ("collation_connection", "utf8mb4_general_ci", "utf8mb4_general_ci"),
    ("character_set_results", "NULL", ""),
];

const SETTINGS: &[Setting] = &[
    // no rounding, padding (PAD_CHAR_TO_FULL_LENGTH) or quoting by mode
    ("sql_mode", "''", ""),
    ("time_zone", "'+00:00'", "+00:00"),
    // NOW() is now
    ("timestamp", "DEFAULT", ANY),
    // a read view per statement, of the newest state
    ("autocommit", "1", "1"),
    ("transaction_isolation", "'READ-COMMITTED'", "READ-COMMITTED"),
    // every row
    ("sql_select_limit", "18446744073709551615", "18446744073709551615"),
    ("sql_big_selects", "1", "1"),
    ("sql_auto_is_null", "0", "0"),
    // the order of whole values
    ("max_sort_length", "8192", "8192"),
    ("max_execution_time", "600000", "600000"),
    ("net_write_timeout", "600", "600"),
    ("information_schema_stats_expiry", "0", "0"),
];

/// Where the server has them: answers come from InnoDB, not from a copy that lags behind.
const WHERE_KNOWN: &[Setting] = &[("use_secondary_engine", "OFF", "OFF")];

/// Reads back as what it is.
const ANY: &str = "*";

/// The settings for a server that knows those of [`known_statement`]'s names that are in `known`.
pub fn all(known: &[String], off: Failpoints) -> Vec<Setting> {
    let sets = if off.session_charset_trusted() { &[][..] } else { CHARACTER_SETS };
    let more = WHERE_KNOWN.iter().filter(|(name, ..)| known.iter().any(|known| known == name));
    sets.iter().chain(SETTINGS).chain(more).copied().collect()
}

/// Lists which settings the server has, of those that not every server has.
pub fn known_statement() -> String {
    let names: Vec<String> = WHERE_KNOWN.iter().map(|(name, ..)| format!("'{name}'")).collect();
    format!("SHOW SESSION VARIABLES WHERE Variable_name IN ({})", names.join(", "))
}

pub fn set_statement(settings: &[Setting]) -> String {
    let mut statement = String::from("SET ");
    for (at, (name, value, _)) in settings.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(statement, "{comma}SESSION {name} = {value}");
    }
    statement
}

/// One row, with a column for each setting.
pub fn read_statement(settings: &[Setting]) -> String {
    let names: Vec<String> = settings.iter().map(|(name, ..)| format!("@@SESSION.{name}")).collect();
    format!("SELECT {}", names.join(", "))
}

/// What is otherwise than it was set to, in the row that [`read_statement`] reads.
pub fn differs(settings: &[Setting], found: &[String]) -> Option<String> {
    let wrong: Vec<String> = settings
        .iter()
        .enumerate()
        .filter_map(|(at, (name, _, expected))| match found.get(at) {
            Some(found) if found == expected || *expected == ANY => None,
            Some(found) => Some(format!("{name} is '{found}' after it was set to '{expected}'")),
            None => Some(format!("{name} cannot be read")),
        })
        .collect();
    (!wrong.is_empty())
        .then(|| format!("{}: a proxy between tailfill and MySQL may change statements", wrong.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<Setting> {
        all(&[], Failpoints::default())
    }

    fn read_back(but: &str, value: &str) -> Vec<String> {
        let value = |(name, _, expected): &Setting| if *name == but { value } else { expected }.to_owned();
        settings().iter().map(value).collect()
    }

    #[test]
    fn whatever_an_answer_depends_on_is_set_and_read_back() {
        let set = set_statement(&settings());
        for part in [
            "SET SESSION character_set_client = utf8mb4",
            "SESSION character_set_results = NULL",
            "SESSION sql_select_limit = 18446744073709551615",
            "SESSION transaction_isolation = 'READ-COMMITTED'",
        ] {
            assert!(set.contains(part), "{part}");
        }
        assert_eq!(differs(&settings(), &read_back("", "")), None);
        for (name, value) in [
            ("character_set_client", "latin1"),
            ("character_set_connection", "latin1"),
            ("character_set_results", "latin1"),
            ("sql_select_limit", "1000"),
            ("sql_mode", "PAD_CHAR_TO_FULL_LENGTH"),
        ] {
            let found = differs(&settings(), &read_back(name, value)).expect("it is otherwise");
            assert!(found.contains(name) && found.contains(value), "{found}");
        }
        assert!(differs(&settings(), &[]).is_some());
    }

    #[test]
    fn a_setting_that_only_some_servers_know_is_set_where_it_is_known() {
        assert!(!set_statement(&settings()).contains("use_secondary_engine"));
        let known = all(&["use_secondary_engine".into()], Failpoints::default());
        assert!(set_statement(&known).ends_with("SESSION use_secondary_engine = OFF"));
    }
}
