//! Both sides of a table of [`giant`](super::giant), added up by list and segment, and the largest HBase row.

use super::giant::{Layout, SEGMENT_DAYS, World};
use super::mysql;
use super::scenario::gateway;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use tailfill::model::{CellForm, Layout as Laid, Target, TargetId, ValueEncoding};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{CellRange, ReadRows, StoredCell, StoredRow};

/// Items: how many, the sum of their numbers, the sum of the CRC-32 of their notes (NULL: of nothing).
pub type Sum = (u64, u128, u128);
/// By list and segment; in a target without order all of a list is in segment 0.
pub type Sums = BTreeMap<(u64, i64), Sum>;

const PAGE_CELLS: usize = 20_000;
const SEGMENT_MICROS: i64 = SEGMENT_DAYS as i64 * 86_400_000_000;

/// What MySQL has, added up by MySQL.
pub async fn of_mysql(world: &World, ordered: bool) -> Sums {
    let segment = match ordered {
        true => format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', created_at) DIV {SEGMENT_MICROS}"),
        false => "0".to_owned(),
    };
    let query = format!(
        "SELECT followee_id, {segment} AS segment, COUNT(*), CAST(SUM(follower_id) AS CHAR), \
         CAST(SUM(CRC32(IFNULL(note, ''))) AS CHAR) FROM follows GROUP BY followee_id, segment"
    );
    let mut conn = mysql::connect(mysql::mysql_port(), Some(&world.database.name)).await;
    let rows: Vec<(u64, i64, u64, String, String)> = conn.query(query).await.expect("the table can be read");
    let number = |text: String| text.parse().expect("a sum is a number");
    rows.into_iter()
        .map(|(list, segment, count, items, notes)| ((list, segment), (count, number(items), number(notes))))
        .collect()
}

/// What HBase shows.
#[derive(Debug, Default)]
pub struct Shown {
    pub sums: Sums,
    /// Cells of the row that has the most.
    pub largest_row: u64,
    pub rows: u64,
}

/// A connection to one target, as far as reading needs it.
pub async fn reader(world: &World, layout: Layout) -> HbaseSink {
    let target = Target {
        id: TargetId(0),
        table: world.table(layout),
        family: "f".into(),
        layout: if layout == Layout::Tall { Laid::Tall } else { Laid::Wide },
        columns: Vec::new(),
        form: CellForm::Alone,
        values: ValueEncoding::Utf8,
        salt_buckets: 4,
        ordered: layout.ordered(),
        segment: None,
        counted: false,
    };
    let sink = HbaseSink::connect(HbaseOptions::new(vec![gateway()]), vec![target]).await;
    sink.expect("the gateway is up")
}

/// Reads a target cell by cell, never more than a page at once.
pub async fn of_hbase(world: &World, layout: Layout) -> Shown {
    let sink = reader(world, layout).await;
    let mut shown = Shown::default();
    let (mut row, mut cells) = (bytes::Bytes::new(), 0);
    let mut range = CellRange { limit: PAGE_CELLS, ..CellRange::default() };
    loop {
        let page = sink.scan_cells(TargetId(0), &range).await.expect("the table can be scanned");
        for part in &page {
            if part.row != row {
                (row, cells, shown.rows) = (part.row.clone(), 0, shown.rows + 1);
            }
            cells += part.cells.len() as u64;
            shown.largest_row = shown.largest_row.max(cells);
            take_in(&mut shown.sums, layout, part);
        }
        let Some(last) = page.last() else { return shown };
        let cell = last.cells.last().expect("a row has cells");
        range = range.behind(&last.row, &cell.qualifier);
    }
}

fn take_in(sums: &mut Sums, layout: Layout, part: &StoredRow) {
    let mut key = &part.row[1..];
    let list = number(&mut key);
    match layout {
        // both columns are in one page, or else the note is added where its cell comes
        Layout::Tall => {
            let (segment, item) = (segment_of(descending(&mut key)), number(&mut key));
            let sum = sums.entry((list, segment)).or_default();
            for StoredCell { qualifier, value, .. } in &part.cells {
                match &qualifier[..] {
                    b"created_at" => (sum.0, sum.1) = (sum.0 + 1, sum.1 + u128::from(item)),
                    b"note" => sum.2 += u128::from(crc32fast::hash(value)),
                    other => panic!("there is no column {other:02x?}"),
                }
            }
        }
        Layout::Wide | Layout::Segments | Layout::Unordered => {
            let of_row = (layout == Layout::Segments).then(|| descending(&mut key));
            for cell in &part.cells {
                let mut rest = &cell.qualifier[..];
                let segment = if layout.ordered() { segment_of(descending(&mut rest)) } else { 0 };
                assert!(of_row.is_none_or(|of_row| of_row == segment), "{segment} lies in {of_row:?}");
                let item = number(&mut rest);
                assert!(rest.is_empty(), "{:02x?}", cell.qualifier);
                let note = if layout.ordered() { note_of(&cell.value) } else { &cell.value[..] };
                let sum = sums.entry((list, segment)).or_default();
                *sum = (sum.0 + 1, sum.1 + u128::from(item), sum.2 + u128::from(crc32fast::hash(note)));
            }
        }
    }
    assert!(key.is_empty(), "{:02x?}", part.row);
}

fn segment_of(micros: i64) -> i64 {
    micros.div_euclid(SEGMENT_MICROS)
}

/// Eight bytes, big-endian.
fn number(rest: &mut &[u8]) -> u64 {
    let (head, tail) = rest.split_first_chunk::<8>().expect("a number has eight bytes");
    *rest = tail;
    u64::from_be_bytes(*head)
}

/// A signed number with its sign bit flipped, complemented.
fn descending(rest: &mut &[u8]) -> i64 {
    (!number(rest) ^ 1 << 63) as i64
}

/// The note in a MessagePack map of texts; empty where there is none.
fn note_of(value: &[u8]) -> &[u8] {
    let (&head, mut rest) = value.split_first().expect("a map has a head");
    assert_eq!(head & 0xf0, 0x80, "a small map");
    for _ in 0..head & 0x0f {
        let (name, value) = (text(&mut rest), text(&mut rest));
        if name == b"note" {
            return value;
        }
    }
    &[]
}

fn text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (&head, behind) = rest.split_first().expect("a text has a head");
    let (bytes, behind) = match head {
        0xa0..=0xbf => (0, behind),
        0xd9 => (1, behind),
        0xda => (2, behind),
        0xdb => (4, behind),
        other => panic!("{other:02x} begins no text"),
    };
    let (length, behind) = behind.split_at(bytes);
    let length = match bytes {
        0 => usize::from(head & 0x1f),
        _ => length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    let (text, behind) = behind.split_at(length);
    *rest = behind;
    text
}
