//! MySQL's side: look-ups by key, and a walk in the order of primary keys.

use super::Sides;
use super::items::ItemKey;
use super::place::SourcePlace;
use super::reading::{Reading, retry};
use crate::model::{Mapping, Row, Value};
use crate::source::{KeyRange, Snapshot, Source, SourceError, Wanted};

/// Bytes that a piece of a walk should hold at most, by the source's statistics.
const PIECE_BYTES: u64 = 16 << 20;

/// SELECTs of one mapping, each in a read view of its own, on a connection that is opened again when it breaks.
pub struct SourceReader<'a, R> {
    source: &'a dyn Source,
    mapping: &'a Mapping,
    by: &'a R,
    snapshot: Option<Box<dyn Snapshot>>,
}

impl<'a, R: Reading> SourceReader<'a, R> {
    pub fn new(source: &'a dyn Source, mapping: &'a Mapping, by: &'a R) -> SourceReader<'a, R> {
        SourceReader { source, mapping, by, snapshot: None }
    }

    /// The rows with these list and item keys, possibly with others whose keys look alike.
    pub async fn items(&mut self, wanted: &[ItemKey]) -> Result<Vec<Row>, R::Error> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mapping = self.mapping;
        let select = |mut snapshot: Box<dyn Snapshot>| async move {
            let found = snapshot.items(mapping, wanted).await?;
            Ok((found, snapshot))
        };
        let found = self.select(select).await?;
        self.by.rows_read(found.len());
        Ok(found)
    }

    /// How many rows the table has, by a count of its own.
    pub async fn count_rows(&mut self) -> Result<u64, R::Error> {
        let table = self.mapping.table;
        let select = |mut snapshot: Box<dyn Snapshot>| async move {
            let rows = snapshot.count_rows(table).await?;
            Ok((rows, snapshot))
        };
        self.select(select).await
    }

    /// `call` gives the connection back, unless it failed: then the next one is opened anew.
    pub async fn select<T, F>(&mut self, call: impl Fn(Box<dyn Snapshot>) -> F) -> Result<T, R::Error>
    where
        F: Future<Output = Result<(T, Box<dyn Snapshot>), SourceError>>,
    {
        let (source, call, mut kept) = (self.source, &call, self.snapshot.take());
        let attempt = || {
            let kept = kept.take();
            async move {
                let snapshot = match kept {
                    Some(snapshot) => snapshot,
                    None => source.snapshot().await?,
                };
                Ok(call(snapshot).await?)
            }
        };
        let (done, snapshot) = retry(self.by, attempt).await?;
        self.snapshot = Some(snapshot);
        Ok(done)
    }
}

impl<'a, R: Reading> Sides<'a, R> {
    pub fn source(&self) -> SourceReader<'a, R> {
        SourceReader::new(self.source, self.mapping, self.by)
    }
}

/// A source table in the order of primary keys, or one list of it. The first and the last piece are unbounded, and each
/// begins where the one before it ends.
pub struct TableWalk<'a, R> {
    reader: SourceReader<'a, R>,
    list: Option<&'a [Value]>,
    rows_max: u32,
    /// Where the next piece begins; `None` at the end.
    next: Option<Option<Vec<Value>>>,
}

impl<'a, R: Reading> TableWalk<'a, R> {
    /// `list`: the list with this key alone, possibly with rows of lists whose keys look alike.
    pub fn new(reader: SourceReader<'a, R>, list: Option<&'a [Value]>, rows_max: u32) -> TableWalk<'a, R> {
        TableWalk { reader, list, rows_max, next: Some(None) }
    }

    /// The rest of a table behind a primary key; `None`: all of it.
    pub fn behind(reader: SourceReader<'a, R>, after: Option<Vec<Value>>, rows_max: u32) -> TableWalk<'a, R> {
        TableWalk { reader, list: None, rows_max, next: Some(after) }
    }

    /// Goes on where another walk over the same table was.
    pub fn go_on(self, from: SourcePlace) -> TableWalk<'a, R> {
        let next = match from {
            SourcePlace::Start => Some(None),
            SourcePlace::After(key) => Some(Some(key)),
            SourcePlace::End => None,
        };
        TableWalk { next, ..self }
    }

    /// The next rows, in no particular order, and the range that they were read by; `None` after the last ones.
    pub async fn next(&mut self) -> Result<Option<(Vec<Row>, KeyRange)>, R::Error> {
        let Some(after) = self.next.take() else { return Ok(None) };
        let permit = self.reader.by.permit(self.rows_max as usize).await;
        let rows_max = u32::try_from(permit.rows).unwrap_or(self.rows_max);
        let (mapping, list) = (self.reader.mapping, self.list);
        let after = &after;
        let piece = |mut snapshot: Box<dyn Snapshot>| async move {
            let rows = rows_at_once(&mut *snapshot, mapping, rows_max).await?;
            let up_to = match list {
                None => snapshot.chunk_end(mapping.table, after.as_deref(), rows).await?,
                Some(key) => snapshot.list_end(mapping, key, after.as_deref(), rows).await?,
            };
            let range = KeyRange { after: after.clone(), up_to };
            let wanted = match list {
                None => Wanted::Range(&range),
                Some(key) => Wanted::List { key, range: &range },
            };
            let mut found = Vec::new();
            snapshot.each_row(mapping, wanted, &mut |row| found.push(row.to_vec())).await?;
            Ok(((found, range), snapshot))
        };
        let (rows, range) = self.reader.select(piece).await?;
        permit.used(rows.len());
        self.reader.by.rows_read(rows.len());
        self.next = range.up_to.clone().map(Some);
        Ok(Some((rows, range)))
    }
}

/// The lists of a source table, in the order of primary keys: a list may come in several pieces.
pub struct ListsWalk<'a, R> {
    reader: SourceReader<'a, R>,
    rows_max: u32,
    /// Where the next piece begins; `None` at the end.
    next: Option<Option<Vec<Value>>>,
}

impl<'a, R: Reading> ListsWalk<'a, R> {
    pub fn new(reader: SourceReader<'a, R>, rows_max: u32) -> ListsWalk<'a, R> {
        ListsWalk { reader, rows_max, next: Some(None) }
    }

    /// The lists of the next rows, each with the number of its rows there; `None` after the last ones. Only the key columns
    /// are set.
    pub async fn next(&mut self) -> Result<Option<Vec<(Row, u64)>>, R::Error> {
        let Some(after) = self.next.take() else { return Ok(None) };
        let permit = self.reader.by.permit(self.rows_max as usize).await;
        let rows_max = u32::try_from(permit.rows).unwrap_or(self.rows_max);
        let (mapping, after) = (self.reader.mapping, &after);
        let piece = |mut snapshot: Box<dyn Snapshot>| async move {
            let up_to = snapshot.chunk_end(mapping.table, after.as_deref(), rows_max).await?;
            let range = KeyRange { after: after.clone(), up_to };
            let lists = snapshot.lists(mapping, &range).await?;
            Ok(((lists, range.up_to), snapshot))
        };
        let (lists, up_to) = self.reader.select(piece).await?;
        let rows = lists.iter().map(|(_, rows)| *rows as usize).sum();
        permit.used(rows);
        self.reader.by.rows_read(rows);
        self.next = up_to.map(Some);
        Ok(Some(lists))
    }
}

/// Fewer where rows are long.
async fn rows_at_once(snapshot: &mut dyn Snapshot, mapping: &Mapping, max: u32) -> Result<u32, SourceError> {
    let row_bytes = snapshot.row_bytes(mapping.table).await?;
    let rows = u32::try_from(PIECE_BYTES / row_bytes.max(1)).unwrap_or(u32::MAX);
    Ok(rows.clamp(1, max.max(1)))
}
