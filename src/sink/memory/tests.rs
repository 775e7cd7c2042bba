use super::*;
use crate::sink::fixtures::target;
use crate::sink::{PackedRows, RowWrite};

struct Stopped(u64);

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        self.0
    }

    fn now_micros(&self) -> u64 {
        self.0 * 1_000
    }
}

const TARGET: TargetId = TargetId(0);

fn sink() -> MemorySink {
    MemorySink::with_tables(&[target(0, "t", true)], Arc::new(Stopped(1_000)))
}

fn put(row: &'static str, tick: u64, value: &'static str) -> RowWrite {
    let puts = vec![("q".into(), value.into())];
    RowWrite { row: row.into(), tick: Tick(tick), delete_family: false, puts, delete_columns: vec![] }
}

fn delete(row: &'static str, tick: u64) -> RowWrite {
    RowWrite { row: row.into(), tick: Tick(tick), delete_family: true, puts: vec![], delete_columns: vec![] }
}

async fn value(sink: &MemorySink, row: &'static str) -> Option<Bytes> {
    let rows = sink.read(TARGET, &[row.into()]).await.unwrap();
    rows[0].as_ref().map(|row| row.cells[0].value.clone())
}

#[tokio::test]
async fn a_late_put_shows_up_only_after_markers_are_compacted_away() {
    let sink = sink();
    sink.write(TARGET, &PackedRows::of(&[put("a", 5, "old"), delete("a", 10)]).writes()).await.unwrap();
    sink.write(TARGET, &PackedRows::of(&[put("a", 7, "late")]).writes()).await.unwrap();
    assert_eq!(value(&sink, "a").await, None);
    sink.compact_markers();
    assert_eq!(value(&sink, "a").await, None, "compaction removes what is hidden");
    sink.write(TARGET, &PackedRows::of(&[put("a", 7, "late")]).writes()).await.unwrap();
    assert_eq!(value(&sink, "a").await.as_deref(), Some(&b"late"[..]));
}

#[tokio::test]
async fn a_put_at_the_tick_of_a_marker_stays_hidden() {
    let sink = sink();
    sink.write(TARGET, &PackedRows::of(&[delete("a", 10)]).writes()).await.unwrap();
    sink.write(TARGET, &PackedRows::of(&[put("a", 10, "same")]).writes()).await.unwrap();
    assert_eq!(value(&sink, "a").await, None);
    sink.write(TARGET, &PackedRows::of(&[put("a", 11, "newer")]).writes()).await.unwrap();
    assert_eq!(value(&sink, "a").await.as_deref(), Some(&b"newer"[..]));
}

#[tokio::test]
async fn a_table_is_missing_until_it_is_created() {
    let targets = [target(0, "t", true)];
    let sink = MemorySink::new(&targets, Arc::new(Stopped(1_000)));
    assert!(matches!(
        sink.write(TARGET, &PackedRows::of(&[put("a", 1, "v")]).writes()).await,
        Err(SinkError::Missing { .. })
    ));
    assert_eq!(sink.describe(TARGET).await.unwrap(), TableState::Missing);
    sink.create(&targets[0], "run-1", 60_000).await.unwrap();
    let TableState::Present { family: Some(family), attributes, .. } = sink.describe(TARGET).await.unwrap()
    else {
        panic!("the table was created")
    };
    assert_eq!(family["hbase.hstore.time.to.purge.deletes"], "60000");
    assert_eq!(attributes.unwrap()[super::super::RUN_ATTRIBUTE], "run-1");
    assert_eq!(sink.server_clock_ms(TARGET).await.unwrap(), 1_000);
}

#[tokio::test]
async fn a_reversed_scan_goes_on_below_its_last_row() {
    let sink = sink();
    sink.write(TARGET, &PackedRows::of(&[put("a", 1, "1"), put("a\0", 1, "2"), put("b", 1, "3")]).writes())
        .await
        .unwrap();
    for reversed in [false, true] {
        let mut range = ScanRange { reversed, limit: 1, ..ScanRange::default() };
        let mut seen = Vec::new();
        while let Some(row) = sink.scan(TARGET, &range).await.unwrap().pop() {
            range = range.after(&row.row);
            seen.push(row.row);
        }
        if reversed {
            seen.reverse();
        }
        assert_eq!(seen, ["a", "a\0", "b"]);
    }
}
