//! The end: the sink against the engine, by an expectation that knows nothing of batches.

use super::schema::{Item, item_at, list_of_row, show};
use super::world::World;
use std::collections::BTreeMap;
use tailfill::model::{Layout, Row, Target};
use tailfill::sink::layout::{Address, Codec};
use tailfill::sink::{CountedRow, ReadCounts, ReadRows, ScanRange, StoredRow};

/// Cells by qualifier.
type Cells = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The engine has it, the sink has not.
    Missing,
    /// The sink has it, the engine has not: a lost delete.
    Extra,
    Different,
    /// A row's count is not its number of items, or it has none.
    Count,
}

#[derive(Clone, Debug)]
pub struct Difference {
    pub kind: Kind,
    /// What it concerns.
    pub items: Vec<Item>,
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

/// Every row of a counted target whose count is not the engine's number of items.
pub async fn compare_counts(world: &World) -> Vec<Difference> {
    let rows: Vec<Row> = world.database.state().rows().values().cloned().collect();
    let mut differences = Vec::new();
    for target in world.mapping.targets.iter().filter(|target| target.counted) {
        let range = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        let found = world.sink.scan_counts(target.id, &range).await.expect("the memory sink reads");
        let mut counts: BTreeMap<_, (Option<u64>, u64)> =
            found.into_iter().map(|row| (row.row, (row.count, 0))).collect();
        for row in &rows {
            let address = Codec::of(&world.mapping, target).address(row).expect("keys are whole");
            counts.entry(address.row).or_default().1 += 1;
        }
        for (row, (count, items)) in counts.into_iter().filter(|(_, (count, items))| *count != Some(*items)) {
            let (list, _) = list_of_row(&world.mapping, target.id, &row);
            let text = format!("in {}: a row of list {list} says {count:?}, and has {items}", target.table);
            let items = (0..world.profile.items).map(|item| Item { list, item }).collect();
            differences.push(Difference { kind: Kind::Count, items, text });
        }
    }
    differences
}

/// All that a reader can see in the sink, with the ticks.
pub async fn everything(world: &World) -> Vec<(Vec<StoredRow>, Vec<CountedRow>)> {
    let mut all = Vec::new();
    for target in &world.mapping.targets {
        let range = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        let rows = world.sink.scan(target.id, &range).await.expect("the memory sink reads");
        let counts = match target.counted {
            true => world.sink.scan_counts(target.id, &range).await.expect("the memory sink reads"),
            false => Vec::new(),
        };
        all.push((rows, counts));
    }
    all
}

fn compare_target(world: &World, target: &Target, rows: &[Row], found: &[StoredRow]) -> Vec<Difference> {
    let mut left = by_address(target, found);
    let mut differences = Vec::new();
    for row in rows {
        let expected = Codec::of(&world.mapping, target).item_write(row).expect("keys are whole");
        let cells: Cells = expected.puts.iter().map(|(q, value)| (q.to_vec(), value.to_vec())).collect();
        let (kind, stored) = match left.remove(&expected.address) {
            Some(stored) if stored == cells => continue,
            Some(stored) => (Kind::Different, readable(&stored)),
            None => (Kind::Missing, String::new()),
        };
        let text = format!("in {}: {}, stored {stored}", target.table, show(row));
        differences.push(Difference { kind, items: vec![Item::of(row)], text });
    }
    for (address, stored) in left {
        let (item, _) = item_at(&world.mapping, target.id, &address);
        let text = format!("in {}: {item}, stored {}", target.table, readable(&stored));
        differences.push(Difference { kind: Kind::Extra, items: vec![item], text });
    }
    differences
}

/// The stored items.
fn by_address(target: &Target, found: &[StoredRow]) -> BTreeMap<Address, Cells> {
    let mut items = BTreeMap::new();
    for row in found {
        if target.layout == Layout::Tall {
            items.insert(Address { row: row.row.clone(), cell: None }, cells_of(row));
            continue;
        }
        for cell in &row.cells {
            let address = Address { row: row.row.clone(), cell: Some(cell.qualifier.clone()) };
            items.insert(address, Cells::from([(cell.qualifier.to_vec(), cell.value.to_vec())]));
        }
    }
    items
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
