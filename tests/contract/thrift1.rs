//! The Thrift1 gateway: another client and another protocol meet the sink's contract too, and read what
//! Thrift2 wrote, byte for byte. It works because one call needs only one timestamp: that of its batch.

use super::sink::{PURGE_DELETES_MS, TARGET, connect, server, unique_target};
use bytes::Bytes;
use hbase_thrift::hbase::{BatchMutation, HbaseSyncClient, Mutation, THbaseSyncClient, TScan};
use std::collections::BTreeMap;
use std::sync::Arc;
use tailfill::clock::{Clock, SteadyClock};
use tailfill::model::{
    CellForm, Column, ColumnType, DateTime, Layout, Mapping, MappingId, OrderKey, Row, TableId, TableName,
    TableSchema, Target, Tick, Value, ValueEncoding,
};
use tailfill::sink::hbase::Transport;
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{PackedRows, RowWrite, ScanRange, Sink, StoredCell, StoredRow, layout};
use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol};
use thrift::transport::{
    ReadHalf, TBufferedReadTransport, TBufferedWriteTransport, TIoChannel, TTcpChannel, WriteHalf,
};

type Client = HbaseSyncClient<
    TBinaryInputProtocol<TBufferedReadTransport<ReadHalf<TTcpChannel>>>,
    TBinaryOutputProtocol<TBufferedWriteTransport<WriteHalf<TTcpChannel>>>,
>;

/// A table, written and read through Thrift1.
struct Thrift1 {
    client: Client,
    table: Vec<u8>,
}

impl Thrift1 {
    fn connect(target: &Target) -> Thrift1 {
        let mut channel = TTcpChannel::new();
        channel.open(server("TAILFILL_THRIFT1_PORT")).expect("the gateway takes connections");
        let (read, write) = channel.split().expect("a TCP channel splits");
        let input = TBinaryInputProtocol::new(TBufferedReadTransport::new(read), true);
        let output = TBinaryOutputProtocol::new(TBufferedWriteTransport::new(write), true);
        Thrift1 { client: HbaseSyncClient::new(input, output), table: target.table.clone().into_bytes() }
    }

    /// One mutateRowsTs a tick: markers and puts of a row in one batch.
    fn write(&mut self, writes: &[RowWrite]) {
        let mut by_tick: BTreeMap<Tick, Vec<BatchMutation>> = BTreeMap::new();
        for write in writes {
            let batch = BatchMutation::new(write.row.to_vec(), mutations(write));
            by_tick.entry(write.tick).or_default().push(batch);
        }
        for (tick, batches) in by_tick {
            let sent =
                self.client.mutate_rows_ts(self.table.clone(), batches, tick.0 as i64, BTreeMap::new());
            sent.expect("the gateway takes the batch");
        }
    }

    fn scan(&mut self, reversed: bool) -> Vec<StoredRow> {
        let columns = vec![b"f".to_vec()];
        let scan = TScan::new(None, None, None, columns, 100, None, None, true, reversed, None);
        let id =
            self.client.scanner_open_with_scan(self.table.clone(), scan, BTreeMap::new()).expect("a scanner");
        let mut rows = Vec::new();
        loop {
            let page = self.client.scanner_get_list(id, 7).expect("a page");
            if page.is_empty() {
                break;
            }
            rows.extend(page.into_iter().map(stored));
        }
        self.client.scanner_close(id).expect("the scanner closes");
        rows
    }
}

fn mutations(write: &RowWrite) -> Vec<Mutation> {
    let column = |qualifier: &Bytes| [b"f:", &qualifier[..]].concat();
    let mut mutations = Vec::new();
    if write.delete_family {
        mutations.push(Mutation::new(true, b"f".to_vec(), None, true));
    }
    for qualifier in &write.delete_columns {
        mutations.push(Mutation::new(true, column(qualifier), None, true));
    }
    for (qualifier, value) in &write.puts {
        mutations.push(Mutation::new(false, column(qualifier), value.to_vec(), true));
    }
    mutations
}

fn stored(result: hbase_thrift::hbase::TRowResult) -> StoredRow {
    let cell = |column: hbase_thrift::hbase::TColumn| {
        let name = column.column_name.expect("a column has a name");
        let cell = column.cell.expect("a column has a cell");
        StoredCell {
            qualifier: Bytes::copy_from_slice(name.strip_prefix(b"f:").expect("the family asked for")),
            value: cell.value.expect("a cell has a value").into(),
            tick: Tick(cell.timestamp.expect("a cell has a timestamp") as u64),
        }
    };
    let columns = result.sorted_columns.expect("sorted columns were asked for");
    StoredRow {
        row: result.row.expect("a row has a key").into(),
        cells: columns.into_iter().map(cell).collect(),
    }
}

/// Followers, as DESIGN section 5 maps them.
fn followers(target: &Target) -> Mapping {
    let integer = || ColumnType::Integer { bytes: 8, unsigned: true };
    let text = || ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    let column = |name: &str, column_type| Column {
        name: name.into(),
        column_type,
        nullable: true,
        declared: String::new(),
        virtual_generated: false,
    };
    let schema = TableSchema {
        name: TableName { schema: "social".into(), table: "follows".into() },
        columns: vec![
            column("followee_id", integer()),
            column("follower_id", integer()),
            column("created_at", ColumnType::DateTime { fraction: 3 }),
            column("note", text()),
        ],
        primary_key: vec![0, 1],
        unique_keys: vec![vec![0, 1]],
    };
    Mapping {
        id: MappingId(0),
        name: "followers".into(),
        table: TableId(0),
        schema: Arc::new(schema),
        key: vec![0],
        item: vec![1],
        order: Some(OrderKey { column: 2, descending: true }),
        targets: vec![target.clone()],
    }
}

fn follow(followee: u64, follower: u64, note: Option<&str>) -> Row {
    let created_at = DateTime::from_micros_since_epoch(1_704_067_200_000_000 + follower as i64 * 60_000_000);
    let note = note.map_or(Value::Null, |note| Value::Text(note.to_owned().into()));
    vec![Value::UInt(followee), Value::UInt(follower), Value::DateTime(created_at), note]
}

/// The full write of an item, NULLs as markers.
fn put(mapping: &Mapping, tick: Tick, row: &Row) -> RowWrite {
    let item = layout::item_write(mapping, &mapping.targets[0], row).expect("the row can be written");
    RowWrite {
        row: item.address.row,
        tick,
        delete_family: false,
        puts: item.puts,
        delete_columns: item.nulls,
    }
}

fn delete(mapping: &Mapping, tick: Tick, row: &Row) -> RowWrite {
    let row = layout::address(mapping, &mapping.targets[0], row).expect("the row has an address").row;
    RowWrite { row, tick, delete_family: true, puts: vec![], delete_columns: vec![] }
}

/// Inserts, changes, deletes, a late copy of everything, and a replay.
fn history(mapping: &Mapping) -> Vec<Vec<RowWrite>> {
    let base = SteadyClock::start().now_ms() - 60_000;
    let tick = |tick: u64| Tick(base + tick);
    let rows: Vec<Row> = (0..60).map(|item| follow(item % 3, item, Some("hello"))).collect();
    let nulled: Vec<Row> = (0..60).step_by(4).map(|item| follow(item % 3, item, None)).collect();
    let inserts = rows.iter().map(|row| put(mapping, tick(10), row)).collect();
    let updates: Vec<RowWrite> = nulled.iter().map(|row| put(mapping, tick(20), row)).collect();
    let deletes: Vec<RowWrite> = rows.iter().step_by(5).map(|row| delete(mapping, tick(30), row)).collect();
    let late = rows.iter().map(|row| put(mapping, tick(5), row)).collect();
    vec![inserts, updates.clone(), deletes.clone(), late, deletes, updates]
}

#[tokio::test(flavor = "multi_thread")]
async fn thrift1_meets_the_contract_and_reads_what_thrift2_wrote() {
    let names = ["thrift1", "thrift2"].map(unique_target);
    let target = |index: usize| Target {
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![3],
        values: ValueEncoding::Utf8,
        ..names[index].clone()
    };
    let by_thrift1 = target(0);
    let by_thrift2 = target(1);
    let sink = connect(Transport::Buffered, std::slice::from_ref(&by_thrift2)).await;
    let other = connect(Transport::Buffered, std::slice::from_ref(&by_thrift1)).await;
    sink.create(&by_thrift2, "test", PURGE_DELETES_MS).await.unwrap();
    other.create(&by_thrift1, "test", PURGE_DELETES_MS).await.unwrap();

    let double = MemorySink::with_tables(std::slice::from_ref(&by_thrift2), Arc::new(SteadyClock::start()));
    let mut writer = Thrift1::connect(&by_thrift1);
    let mut reader = Thrift1::connect(&by_thrift2);
    let everything = |reversed| ScanRange { reversed, limit: 1_000, ..ScanRange::default() };
    for writes in history(&followers(&by_thrift2)) {
        let packed = PackedRows::of(&writes);
        double.write(TARGET, &packed.writes()).await.unwrap();
        sink.write(TARGET, &packed.writes()).await.unwrap();
        writer.write(&writes);
        for reversed in [false, true] {
            let expected = double.scan(TARGET, &everything(reversed)).await.unwrap();
            assert_eq!(sink.scan(TARGET, &everything(reversed)).await.unwrap(), expected, "thrift2");
            assert_eq!(
                other.scan(TARGET, &everything(reversed)).await.unwrap(),
                expected,
                "written by thrift1"
            );
            assert_eq!(reader.scan(reversed), expected, "read by thrift1");
        }
    }
    let placeholders = double.scan(TARGET, &everything(false)).await.unwrap();
    assert!(placeholders.iter().any(|row| row.cells.iter().any(|cell| cell.qualifier.is_empty())));
    sink.drop_table(&by_thrift2.table).await.unwrap();
    other.drop_table(&by_thrift1.table).await.unwrap();
}
