//! Events of every type with bytes of any kind: refused or read, never skipped and never a panic.

use super::*;
use crate::model::history::Entry;
use crate::model::{Column, ColumnType, History, TableName, TableSchema};
use crate::source::names::NameCase;
use mysql_common::binlog::consts::{BinlogChecksumAlg, BinlogVersion};
use mysql_common::binlog::events::{BinlogEventFooter, FormatDescriptionEvent};
use proptest::prelude::*;

/// A number and a text, as [`table_map`] says.
fn schema() -> TableSchema {
    let column = |name: &str, column_type| Column {
        name: name.into(),
        column_type,
        nullable: false,
        declared: String::new(),
        virtual_generated: false,
    };
    let text = ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    let columns = vec![column("id", ColumnType::Integer { bytes: 8, unsigned: true }), column("note", text)];
    let name = TableName { schema: "a".into(), table: "b".into() };
    TableSchema { name, columns, primary_key: vec![0], unique_keys: vec![vec![0]] }
}

fn registry() -> Arc<Registry> {
    let tables = vec![(Arc::new(schema()), vec![0, 1])];
    Arc::new(Registry::new(tables, NameCase::Exact).expect("it can be registered"))
}

fn transactions() -> Transactions {
    by_histories(&Histories::new())
}

fn by_histories(histories: &Histories) -> Transactions {
    Transactions::new(registry(), Arc::default(), histories, Reached::default())
}

/// An event as it comes over the network, with its checksum.
fn event(kind: u8, data: &[u8]) -> Event {
    let length = u32::try_from(19 + data.len() + 4).expect("it is short").to_le_bytes();
    let mut bytes = vec![0, 0, 0, 0x60, kind, 1, 0, 0, 0];
    bytes.extend(length);
    bytes.extend([99, 0, 0, 0, 0, 0]);
    bytes.extend(data);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let footer = BinlogEventFooter::new(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32);
    let description = FormatDescriptionEvent::new(BinlogVersion::Version4).with_footer(footer);
    Event::read(&description, bytes.as_slice()).expect("it is whole")
}

#[test]
fn an_event_of_an_unknown_type_is_refused() {
    for kind in [0, 1, 43, 63, 160, 161, 163, 200, 255] {
        let fault = transactions().apply(event(kind, b"whatever")).expect_err("nobody knows it");
        assert_eq!(fault.reason, format!("event type {kind} is unknown"));
    }
}

#[test]
fn an_incident_and_a_transaction_without_a_gtid_are_refused() {
    for kind in [INCIDENT, ANONYMOUS_GTID] {
        transactions().apply(event(kind, &[0; 64])).expect_err("changes may be missing");
    }
}

/// The bytes of a TABLE_MAP event of a table that nobody registered, and of one that is registered.
fn table_map(schema: &str, table: &str) -> Vec<u8> {
    let mut data = vec![7, 0, 0, 0, 0, 0, 1, 0, schema.len() as u8];
    data.extend(schema.as_bytes());
    data.extend([0, table.len() as u8]);
    data.extend(table.as_bytes());
    data.extend([0, 2, 8, 15, 2, 100, 0, 2]);
    data
}

#[test]
fn a_table_map_that_does_not_fit_the_definition_parks_the_table() {
    let mut transactions = transactions();
    let mut gtid = vec![1; 17];
    gtid.extend([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    transactions.apply(event(GTID, &gtid)).expect("a GTID event");
    let TableName { schema, table } = schema().name;
    let fits = [&table_map(&schema, &table)[..], &[1, 1, 0x80]].concat();
    transactions.apply(event(TABLE_MAP, &fits)).expect("a table map");
    let parked = |report: &StreamEvent| matches!(report, StreamEvent::Parked { .. });
    let reports = |transactions: &mut Transactions| {
        std::iter::from_fn(|| transactions.next_report()).collect::<Vec<_>>()
    };
    assert!(!reports(&mut transactions).iter().any(parked));
    // the number is signed, which its wire type does not tell
    let signed = [&table_map(&schema, &table)[..], &[1, 1, 0]].concat();
    transactions.apply(event(TABLE_MAP, &signed)).expect("a table map");
    assert!(reports(&mut transactions).iter().any(parked));
}

#[test]
fn a_definition_of_which_only_names_are_known_reads_no_row_without_names() {
    let definition = Definition { named_only: true, ..Definition::of(schema()) };
    let entry = Entry::defined(Reached::default(), Arc::new(definition));
    let histories = Histories::from([(schema().name, History { entries: vec![entry] })]);
    let TableName { schema: database, table } = schema().name;
    let named = [&[4, 8, 2][..], b"id", &[4], b"note"].concat();
    for (names, parks) in [(named, false), (vec![], true)] {
        let mut transactions = by_histories(&histories);
        begin(&mut transactions, 1);
        let map = [&table_map(&database, &table)[..], &names].concat();
        transactions.apply(event(TABLE_MAP, &map)).expect("a table map");
        assert_eq!(is_parked(&mut transactions), parks, "{names:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_of_any_event_make_it_panic(
        events in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..200)), 1..8),
    ) {
        let mut transactions = transactions();
        for (kind, data) in events {
            if transactions.apply(event(kind, &data)).is_err() {
                return Ok(());
            }
        }
    }

    #[test]
    fn no_bytes_behind_a_table_map_make_it_panic(
        kinds in proptest::collection::vec(prop_oneof![Just(TABLE_MAP), 23_u8..=32, Just(PARTIAL_UPDATE_ROWS)], 1..6),
        cut in 0_usize..80,
        noise in proptest::collection::vec((0_usize..80, any::<u8>()), 0..4),
        tail in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut transactions = transactions();
        let name = schema().name;
        let mut gtid = vec![1; 17];
        gtid.extend([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        _ = transactions.apply(event(GTID, &gtid));
        for kind in kinds {
            let mut data = table_map(&name.schema, &name.table);
            for (at, byte) in &noise {
                if let Some(place) = data.get_mut(*at) {
                    *place = *byte;
                }
            }
            data.truncate(cut.max(6));
            if kind != TABLE_MAP {
                data = [&[7, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0xff], &tail[..]].concat();
            }
            if transactions.apply(event(kind, &data)).is_err() {
                return Ok(());
            }
        }
    }
}

/// A transaction with one statement of schema `a`, up to the question that it raises.
fn asked(transactions: &mut Transactions, number: u8, statement: &str) -> Option<Ask> {
    let mut gtid = vec![0; 17];
    gtid.extend([number, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    transactions.apply(event(GTID, &gtid)).expect("a transaction may begin");
    let mut query = vec![0; 8];
    query.extend([1, 0, 0, 0, 0, b'a', 0]);
    query.extend(statement.as_bytes());
    match transactions.apply(event(QUERY, &query)).expect("it is a statement") {
        Next::FindOut(Unknown::Ask(ask)) => Some(*ask),
        _ => None,
    }
}

#[test]
fn a_change_in_statement_format_parks_unless_it_is_proven_to_be_harmless() {
    let mut transactions = transactions();
    let ask = asked(&mut transactions, 1, "DELETE FROM v").expect("v may be a view of b");
    transactions.answered(ask, true).expect("it goes on");
    assert!(asked(&mut transactions, 2, "DELETE FROM v WHERE x = 1").is_none(), "the answer holds");
    assert!(asked(&mut transactions, 3, "CREATE OR REPLACE VIEW v AS SELECT * FROM b").is_none());
    let ask = asked(&mut transactions, 4, "DELETE FROM v").expect("the answer does not hold any more");
    transactions.answered(ask, false).expect("the table is parked");
    let mut reports = std::iter::from_fn(|| transactions.next_report());
    assert!(
        reports.any(|report| matches!(report, StreamEvent::Parked { .. })),
        "nobody knows what it did to b"
    );
}

/// Transactions 1 to 3 of the server in these tests, of which the third has rows that were sealed before.
fn judged_before(journaled: u8) -> Transactions {
    let mut read = transactions();
    begin(&mut read, journaled);
    let State::Opened(gtid) = &read.state else { panic!("it has begun") };
    transactions().judged_before(&gtid.alone())
}

#[test]
fn what_lies_before_rows_that_were_sealed_before_is_not_asked_again() {
    let mut transactions = judged_before(3);
    assert!(asked(&mut transactions, 1, "DELETE FROM v").is_none(), "whoever sealed 3 has asked");
    assert!(asked(&mut transactions, 2, "DELETE FROM w").is_none());
    assert!(!is_parked(&mut transactions));
    assert!(asked(&mut transactions, 3, "DELETE FROM x").is_some(), "it may be behind its rows");
}

#[test]
fn an_xa_commit_before_rows_that_were_sealed_before_is_not_read_back() {
    let mut transactions = judged_before(3);
    assert!(matches!(commits(&mut transactions), Next::Nothing));
    assert!(!is_parked(&mut transactions));
}

#[test]
fn what_lies_behind_rows_that_were_sealed_before_is_asked() {
    let mut transactions = judged_before(1);
    assert!(asked(&mut transactions, 1, "DELETE FROM v").is_some());
}

/// The beginning of a transaction.
fn begin(transactions: &mut Transactions, number: u8) {
    let mut gtid = vec![0; 17];
    gtid.extend([number, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    transactions.apply(event(GTID, &gtid)).expect("a transaction may begin");
}

fn query(transactions: &mut Transactions, statement: &str) -> Next {
    let data = [&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, b'a', 0][..], statement.as_bytes()].concat();
    transactions.apply(event(QUERY, &data)).expect("it is a statement")
}

/// Prepares a transaction with rows of the followed table.
fn prepares(transactions: &mut Transactions) {
    begin(transactions, 1);
    query(transactions, "XA START X'61',X'',1");
    let TableName { schema, table } = schema().name;
    transactions.apply(event(TABLE_MAP, &table_map(&schema, &table))).expect("a table map");
    query(transactions, "XA END X'61',X'',1");
    transactions.apply(event(XA_PREPARE, &[0; 20])).expect("it is prepared");
}

fn commits(transactions: &mut Transactions) -> Next {
    begin(transactions, 2);
    query(transactions, "XA COMMIT X'61',X'',1")
}

fn is_parked(transactions: &mut Transactions) -> bool {
    let mut reports = std::iter::from_fn(|| transactions.next_report());
    reports.any(|report| matches!(report, StreamEvent::Parked { .. }))
}

#[test]
fn an_xa_transaction_counts_at_its_commit() {
    let mut decided = transactions();
    prepares(&mut decided);
    assert!(!is_parked(&mut decided), "a ROLLBACK may follow");
    assert!(matches!(commits(&mut decided), Next::Nothing));
    assert!(is_parked(&mut decided));
}

#[test]
fn an_xa_transaction_that_another_connection_has_read_is_read_back() {
    for (touched, parks) in [(Some(vec![TableId(0)]), true), (Some(vec![]), false), (None, true)] {
        let mut later = transactions();
        let Next::FindOut(Unknown::ReadBack(commit)) = commits(&mut later) else {
            panic!("nobody knows what it changes")
        };
        let found = touched.clone().map(|touched| (commit.xid.clone(), touched)).into_iter().collect();
        later.read_back(*commit, found).expect("it goes on");
        assert_eq!(is_parked(&mut later), parks, "{touched:?}");
    }
}
