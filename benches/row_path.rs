//! The row path in pieces: decoding a rows event, encoding a row, coalescing a batch. No server is needed.
//!
//! For looking at one function while working on it. Figures that are quoted come from `scripts/bench`.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use tailfill::failpoints::Failpoints;
use tailfill::model::{
    CellForm, Column, ColumnType, Definition, Layout, Mapping, MappingId, OrderKey, RowChangeRef, TableId,
    TableName, TableSchema, Target, TargetId, Tick, ValueEncoding,
};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Coalescer, Plan};
use tailfill::sink::layout::Codec;
use tailfill::source::binlog::cursor::Cursor;
use tailfill::source::binlog::plan::{PlanInput, RowsKind, TablePlan, next_change};
use tailfill::source::binlog::table_map::{TableMap, WireColumn, wire};

/// Rows of an event, as one INSERT of the bench makes them, and of a batch.
const EVENT_ROWS: u64 = 50;
const BATCH_ROWS: u64 = 2_000;
const LISTS: u64 = 500;

/// `follows (followee_id, follower_id, created_at DATETIME(3), note VARCHAR(64))`, as scripts/bench has it.
fn schema() -> TableSchema {
    let column = |name: &str, column_type, nullable| Column {
        name: name.into(),
        column_type,
        nullable,
        declared: String::new(),
        virtual_generated: false,
    };
    let id = || ColumnType::Integer { bytes: 8, unsigned: true };
    let text = ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_0900_ai_ci".into() };
    TableSchema {
        name: TableName { schema: "bench".into(), table: "follows".into() },
        columns: vec![
            column("followee_id", id(), false),
            column("follower_id", id(), false),
            column("created_at", ColumnType::DateTime { fraction: 3 }, false),
            column("note", text, true),
        ],
        primary_key: vec![0, 1],
        unique_keys: vec![vec![0, 1]],
    }
}

fn mapping() -> Mapping {
    let target = Target {
        id: TargetId(0),
        table: "bench".into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![2, 3],
        values: ValueEncoding::Utf8,
        salt_buckets: 16,
        ordered: true,
        segment: None,
        counted: false,
    };
    Mapping {
        id: MappingId(0),
        name: "bench".into(),
        table: TableId(0),
        schema: Arc::new(schema()),
        key: vec![0],
        item: vec![1],
        order: Some(OrderKey { column: 2, descending: true }),
        targets: vec![target],
    }
}

fn table_plan() -> TablePlan {
    let column = |wire_type, meta| WireColumn { wire_type, meta };
    let columns = vec![
        column(wire::LONGLONG, [0, 0]),
        column(wire::LONGLONG, [0, 0]),
        column(wire::DATETIME2, [3, 0]),
        column(wire::VARCHAR, 256_u16.to_le_bytes()),
    ];
    let map = TableMap {
        id: 7,
        schema: "bench".into(),
        table: "follows".into(),
        columns,
        names: None,
        unsigned: vec![None; 4],
        collations: vec![None; 4],
        labels: vec![None; 4],
    };
    let (schema, charsets) = (Arc::new(schema()), Default::default());
    let present = Definition::of((*schema).clone());
    let input = PlanInput {
        table: TableId(0),
        registered: &schema,
        present: &present,
        used: &[0, 1, 2, 3],
        keys: &[0, 1],
        charsets: &charsets,
    };
    TablePlan::new(&map, &input).expect("the wire's types are those of the schema")
}

/// The row images of a WRITE_ROWS event.
fn images(rows: u64) -> Bytes {
    let mut bytes = Vec::new();
    for row in 0..rows {
        bytes.push(0); // no NULL
        bytes.extend((row * 2_654_435_761 % LISTS).to_le_bytes());
        bytes.extend(row.to_le_bytes());
        bytes.extend(created_at(row));
        let note = format!("note {row:015}");
        bytes.extend((note.len() as u16).to_le_bytes());
        bytes.extend(note.as_bytes());
    }
    bytes.into()
}

/// DATETIME(3): year * 13 + month, day, hour, minute, second packed into five bytes, the highest bit set; then the
/// fraction in units of 100 microseconds (MySQL source, mysys/my_time.cc).
fn created_at(row: u64) -> [u8; 7] {
    let (minute, second) = (row / 60 % 60, row % 60);
    let packed = (2024 * 13 + 1) << 22 | 1 << 17 | minute << 6 | second | 1 << 39;
    let mut bytes = [0; 7];
    bytes[..5].copy_from_slice(&packed.to_be_bytes()[3..]);
    bytes[5..].copy_from_slice(&1_230_u16.to_be_bytes());
    bytes
}

/// Decodes every row, and shows each to `see`.
fn decode(plan: &TablePlan, images: &[u8], mut see: impl FnMut(RowChangeRef<'_>)) {
    let (mut cursor, mut before, mut after) = (Cursor::new(images), Vec::new(), Vec::new());
    while !cursor.is_empty() {
        next_change(plan, RowsKind::Insert, &mut cursor, &mut before, &mut after)
            .expect("the images are whole");
        see(RowChangeRef { table: plan.table, before: None, after: Some(&after) });
    }
}

fn row_path(criterion: &mut Criterion) {
    let (plan, event) = (table_plan(), images(EVENT_ROWS));
    let mut group = criterion.benchmark_group("row_path");
    group.throughput(Throughput::Elements(EVENT_ROWS));
    group.bench_function("decode a rows event", |bencher| {
        bencher.iter(|| decode(&plan, black_box(&event), |change| _ = black_box(change)));
    });

    let mapping = mapping();
    let mut changes = Vec::new();
    decode(&plan, &images(BATCH_ROWS), |change| changes.push(change.to_owned()));
    let row = changes[0].after.clone().expect("an insert");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode a row", |bencher| {
        let (codec, mut out) = (Codec::of(&mapping, &mapping.targets[0]), Vec::new());
        bencher.iter(|| {
            out.clear();
            let packed = codec.pack_item(black_box(&row), &mut out);
            black_box((packed.expect("it has a key, and its cells have a form"), &out));
        });
    });

    let run = Plan::new(vec![mapping], Cohort::All);
    group.throughput(Throughput::Elements(BATCH_ROWS));
    group.bench_function("coalesce a batch", |bencher| {
        let batch = || Coalescer::new(Failpoints::default());
        bencher.iter_batched(
            batch,
            |mut batch| {
                for change in &changes {
                    assert!(batch.add(&run, change.as_ref()).is_empty(), "every row has a key");
                }
                batch.finish(Tick(1))
            },
            BatchSize::SmallInput,
        )
    });
    group.finish();
}

criterion_group!(benches, row_path);
criterion_main!(benches);
