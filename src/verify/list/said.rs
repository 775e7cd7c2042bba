//! One question about one list, as each side answers it: in the order in which that side gives the items.

use super::answers::{Question, Side};
use super::selects::Selects;
use super::stored::StoredList;
use super::target_for;
use crate::compare::{Found, Once, Sides};
use crate::model::{ListPart, Mapping, Row, Target, Value};
use crate::sink::ReadCounts;
use crate::sink::layout::{self, Codec, ItemWrite};
use crate::source::{ApplicationSql, Snapshot, Source, SourceError};
use crate::verify::VerifyError;
use std::time::{Duration, Instant};

/// An answer: how many items, or the items in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<T> {
    Count(u64),
    Items(Vec<T>),
    /// What the application's own SELECT returned, and no rows of the list can answer.
    Beyond(Beyond),
}

/// What no target can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Beyond {
    /// At this place, from 1: values of the item columns of no row of the list.
    Item { place: usize, item: Vec<Value> },
    /// Where a number of items is asked for.
    NoNumber,
}

/// A question about a list of a mapping, with the target that answers it best.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    pub mapping: &'a Mapping,
    pub target: Target,
    pub key: Vec<Value>,
    /// Encoded.
    pub list_key: Vec<u8>,
    pub question: Question,
    /// What the application asks MySQL with; `None`: MySQL is asked what the question means.
    pub sql: Option<&'a ApplicationSql>,
}

impl<'a> Asked<'a> {
    /// `of`: who is to be asked.
    ///
    /// # Errors
    /// `NoTarget` when HBase is to be asked, and no target answers it.
    pub fn new(
        mapping: &'a Mapping,
        key: Vec<Value>,
        question: Question,
        of: Side,
    ) -> Result<Asked<'a>, VerifyError> {
        let (target, _) = target_for(mapping, &question, of, None)?;
        let list_key = layout::list_key_of(mapping, &key)?;
        Ok(Asked { mapping, target, key, list_key, question, sql: None })
    }

    fn part(&self) -> Option<ListPart> {
        self.question.part(self.mapping)
    }

    /// MySQL's rows now, in its order, with the time that the answer alone took, and the connection.
    pub async fn of_mysql(
        &self,
        mut snapshot: Box<dyn Snapshot>,
    ) -> Result<((Said<Row>, Duration), Box<dyn Snapshot>), SourceError> {
        if let Some(sql) = self.sql {
            snapshot.hold_view().await?;
            let told = self.own_answer(sql, &mut *snapshot).await?;
            snapshot.release_view().await?;
            return Ok((told, snapshot));
        }
        let begin = Instant::now();
        let mut selects = Selects::new(snapshot, self.mapping, &self.key);
        let said = match (&self.question, self.part()) {
            (Question::Count, _) => Said::Count(selects.count().await?),
            (Question::Has(item), _) => Said::Items(selects.item(item).await?),
            (_, Some(part)) => Said::Items(selects.part(&part).await?),
            (_, None) => Said::Items(Vec::new()),
        };
        Ok(((said, begin.elapsed()), selects.into_snapshot()))
    }

    /// What MySQL would answer if these were all rows of the list.
    pub fn of_rows(&self, rows: Vec<Row>) -> Said<Row> {
        match (&self.question, self.part()) {
            (Question::Count, _) => Said::Count(rows.len() as u64),
            (Question::Has(item), _) => {
                let is_it = |row: &Row| {
                    let of_item = self.mapping.item.iter().map(|&column| row.get(column));
                    of_item.eq(item.iter().map(Some))
                };
                Said::Items(rows.into_iter().filter(is_it).collect())
            }
            (_, Some(part)) => Said::Items(part.of(self.mapping, rows)),
            (_, None) => Said::Items(Vec::new()),
        }
    }

    /// Rows as HBase should have them.
    pub fn expected(&self, said: Said<Row>) -> Result<Said<ItemWrite>, VerifyError> {
        Ok(match said {
            Said::Count(count) => Said::Count(count),
            Said::Beyond(beyond) => Said::Beyond(beyond),
            Said::Items(rows) => {
                let codec = Codec::of(self.mapping, &self.target);
                Said::Items(rows.iter().map(|row| codec.item_write(row)).collect::<Result<_, _>>()?)
            }
        })
    }

    /// HBase's answer now. `source` is not asked.
    pub async fn of_hbase(
        &self,
        (source, sink): (&dyn Source, &dyn ReadCounts),
    ) -> Result<Said<Found>, VerifyError> {
        let (mapping, target) = (self.mapping, &self.target);
        let sides = Sides { source, sink, mapping, target, by: Once::reading() };
        let list = StoredList { sides, mapping, target, key: &self.key, list_key: &self.list_key };
        Ok(match (&self.question, self.part()) {
            (Question::Count, _) => Said::Count(list.count().await?.items),
            (Question::Has(item), _) => Said::Items(list.has(item).await?),
            (_, Some(part)) => Said::Items(list.part(&part).await?),
            (_, None) => Said::Items(Vec::new()),
        })
    }
}
