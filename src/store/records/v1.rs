//! Records of version 1, for reading only: a transaction was the text of its GTID, a set the text of a GTID set, and
//! a position said its kind in a field of its own.

use super::{CheckpointRecord, GapRecord, GapsRecord, JournalRecord};
use crate::model::history::{Entry, Meaning};
use crate::model::{self, Definition, Reached, Tick, TransactionId};
use serde::{Deserialize, Deserializer, de::Error};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

fn text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

fn text_if_any<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(from: D) -> Result<Option<T>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

#[derive(Deserialize)]
struct Position {
    server_uuid: String,
    #[serde(deserialize_with = "text")]
    gtids: Reached,
    file: String,
    offset: u64,
}

impl From<Position> for model::Position {
    fn from(Position { server_uuid, gtids, file, offset }: Position) -> model::Position {
        model::Position { server_uuid, reached: gtids, file, offset }
    }
}

#[derive(Deserialize)]
pub struct Point {
    #[serde(deserialize_with = "text")]
    gtid: TransactionId,
    row: u64,
}

impl From<Point> for model::Point {
    fn from(Point { gtid, row }: Point) -> model::Point {
        model::Point { transaction: gtid, row }
    }
}

#[derive(Deserialize)]
struct Witness {
    #[serde(deserialize_with = "text")]
    gtid: TransactionId,
    original_micros: u64,
}

impl From<Witness> for model::Witness {
    fn from(Witness { gtid, original_micros }: Witness) -> model::Witness {
        model::Witness { transaction: gtid, original_micros }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Journal {
    Batch {
        from: Point,
        to: Point,
        #[serde(deserialize_with = "text")]
        gtids: Reached,
        #[serde(default)]
        original_micros: u64,
    },
    Mark {
        #[serde(deserialize_with = "text")]
        proof: Reached,
    },
}

impl From<Journal> for JournalRecord {
    fn from(record: Journal) -> JournalRecord {
        match record {
            Journal::Batch { from, to, gtids, original_micros } => JournalRecord::Batch {
                from: from.into(),
                to: to.into(),
                transactions: gtids,
                original_micros,
            },
            Journal::Mark { proof } => JournalRecord::Mark { proof },
        }
    }
}

#[derive(Deserialize)]
pub struct Checkpoint {
    position: Position,
    tick_high: Tick,
    #[serde(default, deserialize_with = "text")]
    replaying_until: Reached,
    #[serde(default)]
    witness: Option<Witness>,
}

impl From<Checkpoint> for CheckpointRecord {
    fn from(Checkpoint { position, tick_high, replaying_until, witness }: Checkpoint) -> CheckpointRecord {
        let (position, witness) = (position.into(), witness.map(Into::into));
        CheckpointRecord { position, tick_high, replaying_until, witness }
    }
}

#[derive(Deserialize)]
pub struct Gaps {
    gaps: Vec<Gap>,
}

#[derive(Deserialize)]
struct Gap {
    from: Position,
    to: Position,
    reason: String,
    accepted_at_ms: u64,
    mappings: Vec<String>,
}

impl From<Gaps> for GapsRecord {
    fn from(Gaps { gaps }: Gaps) -> GapsRecord {
        let gap = |Gap { from, to, reason, accepted_at_ms, mappings }| GapRecord {
            from: from.into(),
            to: to.into(),
            reason,
            accepted_at_ms,
            mappings,
        };
        GapsRecord { gaps: gaps.into_iter().map(gap).collect() }
    }
}

#[derive(Deserialize)]
pub struct History {
    entries: Vec<HistoryEntry>,
}

#[derive(Deserialize)]
struct HistoryEntry {
    #[serde(deserialize_with = "text")]
    since: Reached,
    meaning: HistoryMeaning,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum HistoryMeaning {
    Defined(Arc<Definition>),
    Parked(Parking),
}

#[derive(Deserialize)]
struct Parking {
    what: String,
    reason: String,
    #[serde(deserialize_with = "text_if_any")]
    gtid: Option<TransactionId>,
    place: String,
}

impl From<History> for model::History {
    fn from(History { entries }: History) -> model::History {
        let entry = |HistoryEntry { since, meaning }| Entry { since, meaning: Meaning::from(meaning) };
        model::History { entries: entries.into_iter().map(entry).collect() }
    }
}

impl From<HistoryMeaning> for Meaning {
    fn from(meaning: HistoryMeaning) -> Meaning {
        match meaning {
            HistoryMeaning::Defined(definition) => Meaning::Defined(definition),
            HistoryMeaning::Parked(Parking { what, reason, gtid, place }) => {
                Meaning::Parked(model::Parking { what, reason, transaction: gtid, place })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::{Versioned, decode, encode};
    use serde::Serialize;

    const SERVER: &str = "00000000-0000-0000-0000-00000000000a";

    fn set(numbers: &str) -> Reached {
        format!("{SERVER}:{numbers}").parse().expect("a set")
    }

    fn one(number: u64) -> TransactionId {
        format!("{SERVER}:{number}").parse().expect("a transaction")
    }

    fn position(last: u64) -> model::Position {
        let reached = set(&format!("1-{last}"));
        model::Position { server_uuid: "u".into(), reached, file: "binlog.1".into(), offset: last }
    }

    fn position_text(last: u64) -> String {
        format!(
            r#"{{"kind":"mysql-gtid","server_uuid":"u","gtids":"{SERVER}:1-{last}","file":"binlog.1","offset":{last}}}"#
        )
    }

    /// A record of version 1 is this one, which is written as version 2 and read again.
    fn assert_reads<T>(record: String, wanted: T)
    where
        T: Versioned + Serialize + PartialEq + std::fmt::Debug,
    {
        let old = format!(r#"{{"v":1,"record":{record}}}"#);
        assert_eq!(decode::<T>(old.as_bytes()).expect("version 1 is read"), wanted);
        let new = encode(&wanted).expect("it encodes");
        assert!(
            new.starts_with(br#"{"v":2,"#)
                && decode::<T>(old.replace("\"v\":1", "\"v\":2").as_bytes()).is_err()
        );
        assert_eq!(decode::<T>(&new).expect("version 2 is read"), wanted);
    }

    #[test]
    fn a_batch_is_read() {
        let batch = |micros: &str| {
            format!(
                r#"{{"batch":{{"from":{{"gtid":"{SERVER}:2","row":0}},"to":{{"gtid":"{SERVER}:3","row":4}},"gtids":"{SERVER}:2-3"{micros}}}}}"#
            )
        };
        let point = |number, row| model::Point { transaction: one(number), row };
        let record = |original_micros| JournalRecord::Batch {
            from: point(2, 0),
            to: point(3, 4),
            transactions: set("2-3"),
            original_micros,
        };
        assert_reads(batch(r#","original_micros":5"#), record(5));
        assert_reads(batch(""), record(0));
    }

    #[test]
    fn a_mark_is_read() {
        assert_reads(
            format!(r#"{{"mark":{{"proof":"{SERVER}:1-5:7"}}}}"#),
            JournalRecord::Mark { proof: set("1-5:7") },
        );
    }

    #[test]
    fn a_checkpoint_is_read() {
        let checkpoint = |rest: &str| format!(r#"{{"position":{},"tick_high":10{rest}}}"#, position_text(5));
        let record = |replaying_until, witness| CheckpointRecord {
            position: position(5),
            tick_high: Tick(10),
            replaying_until,
            witness,
        };
        assert_reads(checkpoint(""), record(Reached::default(), None));
        let witness = model::Witness { transaction: one(5), original_micros: 7 };
        let rest = format!(
            r#","replaying_until":"{SERVER}:1-9","witness":{{"gtid":"{SERVER}:5","original_micros":7}}"#
        );
        assert_reads(checkpoint(&rest), record(set("1-9"), Some(witness)));
    }

    #[test]
    fn gaps_are_read() {
        let gaps = format!(
            r#"{{"gaps":[{{"from":{},"to":{},"reason":"purged","accepted_at_ms":3,"mappings":["m"]}}]}}"#,
            position_text(5),
            position_text(9)
        );
        let gap = GapRecord {
            from: position(5),
            to: position(9),
            reason: "purged".into(),
            accepted_at_ms: 3,
            mappings: vec!["m".into()],
        };
        assert_reads(gaps, GapsRecord { gaps: vec![gap] });
    }

    #[test]
    fn a_history_is_read_also_where_a_column_is_called_like_a_position() {
        let definition = r#"{"schema":{"name":{"schema":"s","table":"t"},"columns":[],"primary_key":[],"unique_keys":[]},"generated":{"gtids":"`since`"},"unlogged":[],"named_only":false}"#;
        let parking =
            |gtid: &str| format!(r#"{{"what":"w","reason":"r","gtid":{gtid},"place":"binlog.1:4"}}"#);
        let entry = |since: &str, meaning: String| format!(r#"{{"since":"{since}","meaning":{meaning}}}"#);
        let text = [
            entry("", format!(r#"{{"defined":{definition}}}"#)),
            entry(&format!("{SERVER}:4"), format!(r#"{{"parked":{}}}"#, parking(&format!("\"{SERVER}:4\"")))),
            entry(&format!("{SERVER}:1-9"), format!(r#"{{"parked":{}}}"#, parking("null"))),
        ];
        let parked = |transaction| model::Parking {
            what: "w".into(),
            reason: "r".into(),
            transaction,
            place: "binlog.1:4".into(),
        };
        let defined: Definition = serde_json::from_str(definition).expect("a definition");
        let entries = vec![
            Entry::defined(Reached::default(), Arc::new(defined)),
            Entry::parked(one(4).alone(), parked(Some(one(4)))),
            Entry::parked(set("1-9"), parked(None)),
        ];
        assert_reads(format!(r#"{{"entries":[{}]}}"#, text.join(",")), model::History { entries });
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let later =
            decode::<GapsRecord>(br#"{"v":3,"record":{"gaps":[]}}"#).expect_err("nobody knows it yet");
        assert!(later.to_string().contains("version 3, this program knows 1 to 2"), "{later}");
    }
}
