//! MySQL's answer by the application's own SELECT: the rows of the items that it returned, in its order.

use super::said::{Asked, Beyond, Said};
use crate::compare::{ItemKey, item_key};
use crate::model::{QueryKind, Row, Value};
use crate::sink::answer::Ask;
use crate::sink::encode;
use crate::source::{ApplicationAsk, ApplicationSql, Reply, Snapshot, SourceError};
use std::collections::BTreeMap;
use std::time::Duration;

impl Asked<'_> {
    /// What `sql` answers in a read view that `snapshot` holds, and how long MySQL took for it alone. The rows are read
    /// by key in the same view.
    pub(super) async fn own_answer(
        &self,
        sql: &ApplicationSql,
        snapshot: &mut dyn Snapshot,
    ) -> Result<(Said<Row>, Duration), SourceError> {
        let Ask { kind, limit } = self.question.as_ask();
        let item = self.question.item();
        // one more than is asked for is a difference, however many more there are
        let rows_max = (limit.max(1) as usize).saturating_add(1);
        let ask = ApplicationAsk { sql, kind, key: &self.key, item, rows_max };
        let (reply, took) = snapshot.application(self.mapping, ask).await?;
        let said = match reply {
            Reply::Number(number) if kind == QueryKind::Count => {
                number.map_or(Said::Beyond(Beyond::NoNumber), Said::Count)
            }
            Reply::Number(None | Some(0)) => Said::Items(Vec::new()),
            Reply::Number(Some(_)) => self.rows_of(vec![item.to_vec()], snapshot).await?,
            Reply::Items(items) => self.rows_of(items, snapshot).await?,
        };
        Ok((said, took))
    }

    /// All rows of the list, and what the application's SELECT answers in the same read view, where there is one. `None`: the
    /// list has more than `rows_max` rows.
    pub async fn whole(
        &self,
        snapshot: &mut dyn Snapshot,
        rows_max: u64,
    ) -> Result<Option<(Vec<Row>, Option<Said<Row>>)>, SourceError> {
        let Some(sql) = self.sql else {
            return Ok(self.all_rows(snapshot, rows_max).await?.map(|rows| (rows, None)));
        };
        snapshot.hold_view().await?;
        let whole = match self.all_rows(snapshot, rows_max).await? {
            Some(rows) => Some((rows, Some(self.own_answer(sql, snapshot).await?.0))),
            None => None,
        };
        snapshot.release_view().await?;
        Ok(whole)
    }

    async fn all_rows(
        &self,
        snapshot: &mut dyn Snapshot,
        rows_max: u64,
    ) -> Result<Option<Vec<Row>>, SourceError> {
        let is_bounded = snapshot.list_count(self.mapping, &self.key).await? <= rows_max;
        Ok(if is_bounded { Some(snapshot.list(self.mapping, &self.key).await?) } else { None })
    }

    /// The rows of these items; what is no item of the list becomes [`Beyond`].
    async fn rows_of(
        &self,
        items: Vec<Vec<Value>>,
        snapshot: &mut dyn Snapshot,
    ) -> Result<Said<Row>, SourceError> {
        let mapping = self.mapping;
        // what has no form in a key (a NULL of an outer join) is looked for nowhere
        let encoded = |item: &[Value]| encode::key_parts_of(mapping, &mapping.item, item).ok();
        let has_form = items.iter().filter(|item| encoded(item).is_some());
        let wanted: Vec<ItemKey> = has_form.map(|item| (self.key.clone(), item.clone())).collect();
        let found = if wanted.is_empty() { Vec::new() } else { snapshot.items(mapping, &wanted).await? };
        let named = found.into_iter().map(|row| (item_key(mapping, &row), row));
        let of_list = named.filter(|((key, _), _)| *key == self.key);
        let by_item: BTreeMap<Vec<u8>, Row> =
            of_list.filter_map(|((_, item), row)| Some((encoded(&item)?, row))).collect();
        let mut rows = Vec::with_capacity(items.len());
        for (place, item) in (1..).zip(items) {
            match encoded(&item).and_then(|encoded| by_item.get(&encoded)) {
                Some(row) => rows.push(row.clone()),
                None => return Ok(Said::Beyond(Beyond::Item { place, item })),
            }
        }
        Ok(Said::Items(rows))
    }
}
