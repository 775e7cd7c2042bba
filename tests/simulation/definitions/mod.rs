//! A server whose table changes its definition: a binlog of bytes, and statements that change what they mean.

pub mod proof;
pub mod statement;
pub mod stream;
pub mod table;
pub mod truth;
pub mod wire;

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::super::schema;
    use super::statement;
    use super::table::Layout;
    use super::wire::{self, Writer};
    use std::sync::Arc;
    use tailfill::model::{Histories, Reached, Row, RowChange, TableSchema, Value};
    use tailfill::source::binlog::transaction::{Next, Transactions};
    use tailfill::source::names::NameCase;
    use tailfill::source::{Registry, StreamEvent};
    use uuid::Uuid;

    fn row(version: u64) -> Row {
        let text = |letter| Value::Text(format!("{letter}{version}").into());
        vec![Value::UInt(1), Value::UInt(version), Value::Int(-3), text('n'), Value::Null]
    }

    /// What the production decoder makes of a transaction's events, by one definition.
    fn decoded(writer: Writer, present: &Arc<TableSchema>) -> Vec<RowChange> {
        let all = (0..present.columns.len()).collect::<Vec<_>>();
        let registry = Registry::new(vec![(present.clone(), all)], NameCase::Exact).expect("it registers");
        let mut transactions =
            Transactions::new(Arc::new(registry), Arc::default(), &Histories::new(), Reached::default());
        let mut found = Vec::new();
        for event in writer.into_events() {
            match transactions.apply(event).expect("it is understood") {
                Next::Report(StreamEvent::Changes(changes)) => {
                    found.extend(changes.to_vec().expect("it decodes"));
                }
                Next::Nothing | Next::Report(StreamEvent::Begin { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        let is_end = |report: StreamEvent| matches!(report, StreamEvent::End { .. });
        let reports: Vec<_> = std::iter::from_fn(|| transactions.next_report()).collect();
        assert!(reports.last().cloned().is_some_and(is_end), "{reports:?}");
        found
    }

    #[test]
    fn what_is_encoded_under_a_definition_is_decoded_under_it() {
        let dice = Dice::new(7);
        let registered = schema::mapping(false, None).schema;
        let mut layout = Layout::default();
        for number in 1..300 {
            let mut statements = statement::any(&layout, dice.chance(100), &dice);
            layout = statements.pop().expect("there is one").after;
            let present = Arc::new(layout.schema(&registered));
            let mut writer = Writer::at(4);
            writer.gtid(Uuid::from_u128(1), number, 5);
            writer.query("social", "BEGIN");
            writer.table_map(9, &layout.wire(), dice.chance(500));
            let (before, after) = (row(number), row(number + 1));
            let images = [layout.image(&before), layout.image(&after)];
            writer.rows(wire::UPDATE_ROWS, 9, &layout.wire(), &images);
            writer.xid();
            let found = decoded(writer, &present);
            assert_eq!(found.len(), 1);
            let names = ["followee", "follower", "created_at", "note", "extra"];
            let mapped = |row: &Row| -> Row {
                names.map(|name| row[present.column_index(name).expect("it stays")].clone()).to_vec()
            };
            assert_eq!(found[0].before.as_ref().map(mapped), Some(before));
            assert_eq!(found[0].after.as_ref().map(mapped), Some(after));
        }
    }
}
