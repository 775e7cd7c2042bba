//! Where the rows of an index lie, by dives of MySQL's optimizer: EXPLAIN estimates the rows of a range of an index from a
//! few of its pages, and reads no row.

use super::SourceError;
use super::connection::{Connection, number_at};
use super::mysql::MysqlSource;
use crate::model::TableSchema;
use crate::model::table::quote;
use std::collections::BinaryHeap;
use std::time::Duration;
use tokio::time::Instant;

/// The place of `rows` in EXPLAIN's traditional form.
const ROWS: usize = 9;

/// An index that begins with a column of whole numbers, and how long it may be searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    pub index: &'a str,
    pub column: usize,
    /// The smallest and the largest number in it.
    pub from: i128,
    pub to: i128,
    pub dives_max: u32,
    pub within: Duration,
    /// Numbers with fewer rows are not searched for.
    pub rows_min: u64,
    pub found_max: usize,
}

impl MysqlSource {
    /// The numbers with the most rows, and MySQL's estimate of these. Halves ranges, always the one with the most rows
    /// next, so that it finds a number with a large share of all rows after few dives, and else none.
    pub(crate) async fn heaviest(
        &self,
        schema: &TableSchema,
        search: Search<'_>,
    ) -> Result<Vec<(i128, u64)>, SourceError> {
        let (mut connection, begun) = (self.session().open().await?, Instant::now());
        let mut ranges = BinaryHeap::from([(u64::MAX, search.from, search.to)]);
        let (mut found, mut dives) = (Vec::new(), 0);
        while let Some((rows, from, to)) = ranges.pop() {
            if from == to {
                found.push((from, rows));
            }
            if found.len() >= search.found_max || dives >= search.dives_max || begun.elapsed() > search.within
            {
                break;
            }
            if from == to {
                continue;
            }
            let middle = from + (to - from) / 2;
            for (from, to) in [(from, middle), (middle + 1, to)] {
                dives += 1;
                let rows = dive(&mut connection, schema, search, (from, to)).await?;
                if rows >= search.rows_min {
                    ranges.push((rows, from, to));
                }
            }
        }
        Ok(found)
    }
}

async fn dive(
    connection: &mut Connection,
    schema: &TableSchema,
    search: Search<'_>,
    (from, to): (i128, i128),
) -> Result<u64, SourceError> {
    // MySQL leaves the dives out where an index is forced
    let statement = format!(
        "EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM {} USE INDEX ({}) WHERE {} BETWEEN {from} AND {to}",
        schema.name.quoted(),
        quote(search.index),
        quote(&schema.columns[search.column].name)
    );
    let rows = connection.rows("an estimate of rows", &statement).await?;
    Ok(rows.first().and_then(|row| number_at(row, ROWS)).unwrap_or(0))
}
