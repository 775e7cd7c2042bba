//! One list in MySQL, and how much was read of it.

use crate::model::{ListPart, Mapping, Row, Value};
use crate::source::{Snapshot, SourceError};

/// What the source was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelectCount {
    pub selects: u64,
    /// Rows that came; the server may have looked at more, where no index has the list's order.
    pub rows: u64,
}

/// SELECTs about one list.
pub struct Selects<'a> {
    snapshot: Box<dyn Snapshot>,
    mapping: &'a Mapping,
    key: &'a [Value],
    pub count: SelectCount,
}

impl<'a> Selects<'a> {
    pub fn new(snapshot: Box<dyn Snapshot>, mapping: &'a Mapping, key: &'a [Value]) -> Selects<'a> {
        Selects { snapshot, mapping, key, count: SelectCount::default() }
    }

    /// Gives the connection back.
    pub fn into_snapshot(self) -> Box<dyn Snapshot> {
        self.snapshot
    }

    pub async fn part(&mut self, part: &ListPart) -> Result<Vec<Row>, SourceError> {
        let rows = self.snapshot.list_part(self.mapping, self.key, part).await?;
        Ok(self.counted(rows))
    }

    pub async fn item(&mut self, item: &[Value]) -> Result<Vec<Row>, SourceError> {
        let row = self.snapshot.item(self.mapping, self.key, item).await?;
        Ok(self.counted(row.into_iter().collect()))
    }

    /// The rows of some items of the list, possibly with others whose keys look alike.
    pub async fn items(&mut self, items: Vec<Vec<Value>>) -> Result<Vec<Row>, SourceError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<_> = items.into_iter().map(|item| (self.key.to_vec(), item)).collect();
        let rows = self.snapshot.items(self.mapping, &wanted).await?;
        Ok(self.counted(rows))
    }

    pub async fn count(&mut self) -> Result<u64, SourceError> {
        self.count.selects += 1;
        self.count.rows += 1;
        self.snapshot.list_count(self.mapping, self.key).await
    }

    fn counted(&mut self, rows: Vec<Row>) -> Vec<Row> {
        self.count.selects += 1;
        self.count.rows += rows.len() as u64;
        rows
    }
}
