//! Sessions of other people's making, and the rows that they change.

use super::column::quoted;
use super::mapping::Table;
use super::repertoire::Repertoire;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Charsets that a client may have.
const CLIENTS: [&str; 14] = [
    "utf8mb4", "utf8mb4", "utf8mb3", "latin1", "latin1", "gbk", "sjis", "cp932", "big5", "ujis", "gb18030",
    "cp1251", "euckr", "latin5",
];
const MODES: [&str; 9] = [
    "",
    "STRICT_TRANS_TABLES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "PAD_CHAR_TO_FULL_LENGTH",
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE",
    "ALLOW_INVALID_DATES",
    "NO_AUTO_VALUE_ON_ZERO,PIPES_AS_CONCAT",
];

/// A connection with settings of its own.
pub struct Session {
    pub conn: Conn,
    pub charset: &'static str,
    pub mode: &'static str,
}

impl Session {
    /// One that can say every name.
    pub async fn plain(port: u16, database: &str) -> Session {
        let conn = crate::support::mysql::connect(port, Some(database)).await;
        Session { conn, charset: "utf8mb4", mode: "" }
    }

    pub async fn open(port: u16, database: &str, dice: &mut StdRng) -> Session {
        let mut conn = crate::support::mysql::connect(port, Some(database)).await;
        let charset = CLIENTS.choose(dice).expect("there are some");
        let mode = MODES.choose(dice).expect("there are some");
        let settings = [
            format!("SET sql_mode = '{mode}'"),
            "SET SESSION lock_wait_timeout = 20, innodb_lock_wait_timeout = 20".to_owned(),
            format!("SET time_zone = '{}'", ["+00:00", "+05:30", "-08:00"].choose(dice).expect("three")),
            format!("SET NAMES {charset}"),
        ];
        for setting in settings {
            conn.query_drop(setting).await.expect("a session can be set so");
        }
        Session { conn, charset, mode }
    }

    pub fn say(&self) -> String {
        format!("[{} {}]", self.charset, self.mode)
    }

    /// An identifier, between double quotes where the mode has it so.
    pub fn quoted(&self, name: &str, dice: &mut StdRng) -> String {
        match self.mode.contains("ANSI_QUOTES") && dice.random() {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => quoted(name),
        }
    }
}

/// A statement that changes rows, and its kind.
pub fn statement(
    session: &Session,
    table: &Table,
    repertoire: &Repertoire,
    dice: &mut StdRng,
) -> (&'static str, String) {
    match dice.random_range(0..11) {
        0..3 => ("rows: INSERT", insert(session, "INSERT IGNORE", table, repertoire, dice)),
        3 => ("rows: REPLACE", insert(session, "REPLACE", table, repertoire, dice)),
        4..6 => {
            let text = insert(session, "INSERT", table, repertoire, dice);
            let text = format!(
                "{text} ON DUPLICATE KEY UPDATE {}",
                assignments(session, table, false, repertoire, dice)
            );
            ("rows: ON DUPLICATE KEY UPDATE", text)
        }
        6..8 => ("rows: UPDATE of values", update(session, table, false, repertoire, dice)),
        8 => ("rows: UPDATE of addresses", update(session, table, true, repertoire, dice)),
        _ => ("rows: DELETE", delete(session, table, repertoire, dice)),
    }
}

pub fn insert(
    session: &Session,
    verb: &str,
    table: &Table,
    repertoire: &Repertoire,
    dice: &mut StdRng,
) -> String {
    let columns: Vec<_> = table
        .writable()
        .filter(|column| column.is_key || !column.nullable || dice.random_ratio(4, 5))
        .collect();
    let names: Vec<String> = columns.iter().map(|column| session.quoted(&column.name, dice)).collect();
    let rows: Vec<String> = (0..dice.random_range(1..7))
        .map(|_| {
            let values: Vec<String> =
                columns.iter().map(|column| table.value(column, repertoire, dice)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    format!(
        "{verb} INTO {} ({}) VALUES {}",
        session.quoted(&table.name, dice),
        names.join(", "),
        rows.join(", ")
    )
}

fn assignments(
    session: &Session,
    table: &Table,
    address: bool,
    repertoire: &Repertoire,
    dice: &mut StdRng,
) -> String {
    let columns: Vec<_> = table.writable().filter(|column| column.is_key == address).collect();
    let number = dice.random_range(1..=2);
    let chosen: Vec<_> = columns.choose_multiple(dice, number).copied().collect();
    if chosen.is_empty() {
        let any = table.writable().next().expect("a table has columns");
        return format!("{0} = {0}", session.quoted(&any.name, dice));
    }
    let set = |column| {
        let value = table.value(column, repertoire, dice);
        format!("{} = {value}", session.quoted(&column.name, dice))
    };
    chosen.into_iter().map(set).collect::<Vec<_>>().join(", ")
}

/// One column of the key or the item has a value of its pool.
fn condition(session: &Session, table: &Table, dice: &mut StdRng) -> String {
    let (name, pool) = table.pools.choose(dice).expect("a table has a key");
    format!("{} = {}", session.quoted(name, dice), pool.choose(dice).expect("pools are not empty"))
}

fn update(
    session: &Session,
    table: &Table,
    address: bool,
    repertoire: &Repertoire,
    dice: &mut StdRng,
) -> String {
    let set = assignments(session, table, address, repertoire, dice);
    let whose = condition(session, table, dice);
    format!(
        "UPDATE IGNORE {} SET {set} WHERE {whose} LIMIT {}",
        session.quoted(&table.name, dice),
        dice.random_range(1..30)
    )
}

fn delete(session: &Session, table: &Table, _: &Repertoire, dice: &mut StdRng) -> String {
    let whose = condition(session, table, dice);
    format!(
        "DELETE FROM {} WHERE {whose} LIMIT {}",
        session.quoted(&table.name, dice),
        dice.random_range(1..20)
    )
}
