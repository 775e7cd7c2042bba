//! The end: the sink against the engine, by an expectation that knows nothing of batches.

use super::schema::{Item, item_of_key, show};
use super::world::World;
use std::collections::BTreeMap;
use tailfill::model::{Row, Target};
use tailfill::sink::{ScanRange, Sink, StoredRow, layout};

/// Cells by qualifier.
type Cells = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The engine has it, the sink has not.
    Missing,
    /// The sink has it, the engine has not: a lost delete.
    Extra,
    Different,
}

#[derive(Clone, Debug)]
pub struct Difference {
    pub kind: Kind,
    pub item: Item,
    text: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind, self.text)
    }
}

/// Every difference, in every target.
pub async fn compare(world: &World) -> Vec<Difference> {
    let rows: Vec<Row> = world.database.state().rows().values().cloned().collect();
    let mut differences = Vec::new();
    for target in &world.mapping.targets {
        let range = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        let found = world.sink.scan(target.id, &range).await.expect("the memory sink reads");
        differences.extend(compare_target(world, target, &rows, &found));
    }
    differences
}

fn compare_target(world: &World, target: &Target, rows: &[Row], found: &[StoredRow]) -> Vec<Difference> {
    let mut left: BTreeMap<Vec<u8>, Cells> =
        found.iter().map(|row| (row.row.to_vec(), cells_of(row))).collect();
    let mut differences = Vec::new();
    for row in rows {
        let expected = layout::item_write(&world.mapping, target, row).expect("keys are whole");
        let cells: Cells = expected.puts.iter().map(|(q, value)| (q.to_vec(), value.to_vec())).collect();
        let (kind, stored) = match left.remove(&expected.address.row.to_vec()) {
            Some(stored) if stored == cells => continue,
            Some(stored) => (Kind::Different, readable(&stored)),
            None => (Kind::Missing, String::new()),
        };
        let text = format!("in {}: {}, stored {stored}", target.table, show(row));
        differences.push(Difference { kind, item: Item::of(row), text });
    }
    for (key, stored) in left {
        let (item, _) = item_of_key(&world.mapping, target.id, &key);
        let text = format!("in {}: {item}, stored {}", target.table, readable(&stored));
        differences.push(Difference { kind: Kind::Extra, item, text });
    }
    differences
}

/// A reader ignores the cell of an item without cells when there are others.
fn cells_of(row: &StoredRow) -> Cells {
    let cells = row.cells.iter().filter(|cell| !cell.qualifier.is_empty() || row.cells.len() == 1);
    cells.map(|cell| (cell.qualifier.to_vec(), cell.value.to_vec())).collect()
}

fn readable(cells: &Cells) -> String {
    let one = |(q, value): (&Vec<u8>, &Vec<u8>)| {
        format!("{}={}", String::from_utf8_lossy(q), String::from_utf8_lossy(value))
    };
    cells.iter().map(one).collect::<Vec<_>>().join(" ")
}
