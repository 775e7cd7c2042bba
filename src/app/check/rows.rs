//! Rows that have no place in HBase: if a run meets one, it parks the target.

use super::finding::{Finding, Group, Rule};
use crate::advice;
use crate::model::Mapping;
use crate::sink::condition;
use crate::source::MysqlSource;

/// Dates in the columns that make up keys; `None` where a mapping has none.
pub async fn check_dates(source: &MysqlSource, mapping: &Mapping) -> Option<Finding> {
    let order = mapping.order.filter(|_| mapping.targets.iter().any(|target| target.ordered));
    let columns = mapping.key.iter().chain(&mapping.item).copied().chain(order.map(|order| order.column));
    let conditions: Vec<String> =
        columns.filter_map(|column| condition::no_instant(mapping, column)).collect();
    if conditions.is_empty() {
        return None;
    }
    let select = condition::select(mapping, &conditions.join(" OR "));
    let rule = Rule::new(
        Group::Mappings,
        format!("{} dates", mapping.name),
        "each date in a key names a point in time",
    );
    Some(match source.finds(&select).await {
        Ok(Some(false)) => rule.ok("they do"),
        Ok(Some(true)) => rule.refusal(
            format!("some are zero, partial or impossible; all such rows: {select}"),
            format!(
                "a run parks the targets that have them in their keys: {}",
                advice::row_refused(&mapping.name)
            ),
        ),
        Ok(None) => rule.unknown_note(
            "the table is too large to check every row",
            "if a run meets one, it parks the target",
        ),
        Err(error) => rule.unknown(error),
    })
}
