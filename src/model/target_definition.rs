//! What a target's rows are made by, apart from the rows themselves: kept with a copy, compared with what is configured now.

use super::{CellForm, Column, ColumnType, Mapping, TableSchema, Target};
use serde::{Deserialize, Deserializer, Serialize};

/// Everything that decides which bytes a target's rows have; two that are equal write the same.
///
/// Names and kinds of columns, not their declarations and places: a wider integer, a longer text and a column that moved
/// have the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetDefinition {
    /// The columns that address items, by the key of the configuration that names them.
    address: Vec<(String, Vec<Named>)>,
    /// What else decides where items lie, by the key of the configuration.
    place: Vec<(String, String)>,
    /// `schema.table` of the source.
    table: String,
    /// `form` and `values` of cells.
    cells: String,
    /// The columns that become cells or parts of one, in the order of their bytes.
    columns: Vec<Named>,
}

/// A column by its name, and what its values are written by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Named {
    name: String,
    kind: String,
}

/// How two definitions of one target differ. The texts name what was and what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Items lie elsewhere now: only a new table helps.
    pub address: Vec<String>,
    /// Items lie where they did, with other cells: a re-copy helps.
    pub content: Vec<String>,
}

impl Changes {
    /// Whether both definitions make the same rows.
    pub fn is_empty(&self) -> bool {
        self.address.is_empty() && self.content.is_empty()
    }
}

impl TargetDefinition {
    /// What `mapping` and `target` make rows by now.
    pub fn of(mapping: &Mapping, target: &Target) -> TargetDefinition {
        let named = |indexes: &[usize]| -> Vec<Named> {
            indexes.iter().filter_map(|index| mapping.schema.columns.get(*index)).map(named).collect()
        };
        let order = mapping.order.filter(|_| target.ordered);
        let by: Vec<usize> = order.iter().map(|order| order.column).collect();
        let mut columns = named(&target.columns);
        if target.form == CellForm::Columns {
            columns.sort(); // cells of their own have no order
        }
        let part = |name: &str, value: String| (name.to_owned(), value);
        let segment = target.segment.map_or_else(|| "none".to_owned(), |width| width.to_string());
        TargetDefinition {
            address: vec![
                ("key".to_owned(), named(&mapping.key)),
                ("item".to_owned(), named(&mapping.item)),
                ("order".to_owned(), named(&by)),
            ],
            place: vec![
                part("descending", order.is_some_and(|order| order.descending).to_string()),
                part("layout", format!("{:?}", target.layout).to_lowercase()),
                part("salt_buckets", target.salt_buckets.to_string()),
                part("segment", segment),
            ],
            table: mapping.schema.name.to_string(),
            cells: format!("{:?}, {:?}", target.form, target.values).to_lowercase(),
            columns,
        }
    }

    /// The names of the columns that become cells.
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// How `now` differs from this one, which `schema` is the table of.
    pub fn changes(&self, now: &TargetDefinition, schema: &TableSchema) -> Changes {
        let mut changes = Changes::default();
        for ((key, before), (_, now)) in self.address.iter().zip(&now.address) {
            let text = format!("{key} was {}, is {}", words(before), words(now));
            match before == now {
                true => {}
                false if renamed(before, now, schema) => changes.content.push(text),
                false => changes.address.push(text),
            }
        }
        for ((key, before), (_, now)) in self.place.iter().zip(&now.place) {
            if before != now {
                changes.address.push(format!("{key} was {before}, is {now}"));
            }
        }
        let texts =
            [("table", &self.table, &now.table), ("form and values of cells", &self.cells, &now.cells)];
        for (key, before, now) in texts.into_iter().filter(|(_, before, now)| before != now) {
            changes.content.push(format!("{key} was {before}, is {now}"));
        }
        changes.content.extend(column_changes(&self.columns, &now.columns));
        changes
    }
}

fn words(columns: &[Named]) -> String {
    let columns = columns.iter().map(|Named { name, kind }| format!("{name} ({kind})"));
    let columns: Vec<String> = columns.collect();
    if columns.is_empty() { "none".to_owned() } else { columns.join(", ") }
}

/// Whether columns only have other names: those of before are not in the table any more, so that no other column can have
/// been chosen in their place.
fn renamed(before: &[Named], now: &[Named], schema: &TableSchema) -> bool {
    let same = |(before, now): (&Named, &Named)| {
        before.kind == now.kind && (before.name == now.name || schema.column_index(&before.name).is_none())
    };
    before.len() == now.len() && before.iter().zip(now).all(same)
}

fn column_changes(before: &[Named], now: &[Named]) -> Vec<String> {
    let kind = |columns: &[Named], name: &str| {
        columns.iter().find(|column| column.name == name).map(|column| column.kind.clone())
    };
    let mut changes = Vec::new();
    for Named { name, kind: was } in before {
        match kind(now, name) {
            None => changes.push(format!("column {name} is gone")),
            Some(is) if is != *was => changes.push(format!("column {name} was {was}, is {is}")),
            Some(_) => {}
        }
    }
    let came = now.iter().filter(|column| kind(before, &column.name).is_none());
    changes.extend(came.map(|column| format!("column {} is new", column.name)));
    if changes.is_empty() && before != now {
        changes.push("the columns have another order".to_owned());
    }
    changes
}

fn named(column: &Column) -> Named {
    let kind = match &column.column_type {
        ColumnType::Integer { unsigned: true, .. } => "unsigned integer".to_owned(),
        ColumnType::Integer { .. } => "signed integer".to_owned(),
        ColumnType::Text { .. } => "text".to_owned(),
        ColumnType::Enum { .. } | ColumnType::Set { .. } => "labels".to_owned(),
        ColumnType::Decimal { scale, .. } => format!("decimal with {scale} digits"),
        ColumnType::Bit { bits } => format!("bits in {} bytes", bits.div_ceil(8)),
        ColumnType::Time { fraction } => format!("time({fraction})"),
        ColumnType::DateTime { fraction } => format!("datetime({fraction})"),
        ColumnType::Timestamp { fraction } => format!("timestamp({fraction})"),
        ColumnType::Binary { length } => format!("binary({length})"),
        other => format!("{other:?}").to_lowercase(),
    };
    Named { name: column.name.clone(), kind }
}

/// Reads a stored definition. That of an earlier build was a text, which names no columns: it is not known then.
///
/// # Errors
/// Those of the deserializer.
pub fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TargetDefinition>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Known(TargetDefinition),
        OfAnEarlierBuild(serde::de::IgnoredAny),
    }
    let stored = Option::<Stored>::deserialize(from)?;
    Ok(stored.and_then(|stored| match stored {
        Stored::Known(definition) => Some(definition),
        Stored::OfAnEarlierBuild(_) => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Layout, MappingId, OrderKey, TableId, TableName, TargetId, ValueEncoding};
    use std::sync::Arc;

    fn column(name: &str, column_type: ColumnType) -> Column {
        let (name, declared) = (name.to_owned(), String::new());
        Column { name, column_type, nullable: false, declared, virtual_generated: false }
    }

    /// key, item, made (the order), note, rank; the last two are cells.
    fn mapping() -> Mapping {
        let id = || ColumnType::Integer { bytes: 4, unsigned: true };
        let columns = vec![
            column("key", id()),
            column("item", id()),
            column("made", ColumnType::DateTime { fraction: 3 }),
            column("note", ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() }),
            column("rank", id()),
        ];
        let name = TableName { schema: "s".into(), table: "t".into() };
        let schema = TableSchema { name, columns, primary_key: vec![0, 1], unique_keys: vec![] };
        let target = Target {
            id: TargetId(0),
            table: "h".into(),
            family: "f".into(),
            layout: Layout::Tall,
            columns: vec![3, 4],
            form: CellForm::Columns,
            values: ValueEncoding::Utf8,
            salt_buckets: 16,
            ordered: true,
            segment: None,
            counted: false,
        };
        Mapping {
            id: MappingId(0),
            name: "m".into(),
            table: TableId(0),
            schema: Arc::new(schema),
            key: vec![0],
            item: vec![1],
            order: Some(OrderKey { column: 2, descending: true }),
            targets: vec![target],
        }
    }

    /// What differs once `change` was made to columns, mapping and target.
    fn changes(change: impl FnOnce(&mut Vec<Column>, &mut Mapping, &mut Target)) -> Changes {
        let before = mapping();
        let (mut now, mut target) = (before.clone(), before.targets[0].clone());
        let mut schema = (*now.schema).clone();
        change(&mut schema.columns, &mut now, &mut target);
        now.schema = Arc::new(schema);
        TargetDefinition::of(&before, &before.targets[0])
            .changes(&TargetDefinition::of(&now, &target), &now.schema)
    }

    #[test]
    fn wider_columns_and_columns_that_moved_are_the_same_definition() {
        let wider = |columns: &mut Vec<Column>, _: &mut Mapping, target: &mut Target| {
            columns[1].column_type = ColumnType::Integer { bytes: 8, unsigned: true };
            columns.swap(3, 4);
            target.columns = vec![3, 4];
        };
        assert_eq!(changes(wider), Changes::default());
        let packed = |columns: &mut Vec<Column>, _: &mut Mapping, target: &mut Target| {
            columns.swap(3, 4);
            (target.columns, target.form) = (vec![3, 4], CellForm::Msgpack);
        };
        let said = changes(packed).content;
        assert!(said.iter().any(|change| change.contains("columns, utf8, is msgpack, utf8")), "{said:?}");
    }

    #[test]
    fn columns_that_came_went_or_changed_are_content_and_named() {
        let edited = |columns: &mut Vec<Column>, _: &mut Mapping, target: &mut Target| {
            columns[3].name = "remark".into();
            columns[4].column_type = ColumnType::Double;
            target.values = ValueEncoding::Bytes;
        };
        let Changes { address, content } = changes(edited);
        assert!(address.is_empty());
        assert_eq!(
            content,
            [
                "form and values of cells was columns, utf8, is columns, bytes",
                "column note is gone",
                "column rank was unsigned integer, is double",
                "column remark is new"
            ]
        );
    }

    #[test]
    fn a_key_column_that_was_renamed_moves_nothing_and_another_one_moves_all() {
        let renamed = changes(|columns, _, _| columns[0].name = "list".into());
        assert_eq!(renamed.content, ["key was key (unsigned integer), is list (unsigned integer)"]);
        assert!(renamed.address.is_empty());
        let another = changes(|_, mapping, _| mapping.key = vec![4]);
        assert_eq!(another.address, ["key was key (unsigned integer), is rank (unsigned integer)"]);
    }

    #[test]
    fn whatever_moves_items_is_an_address() {
        let moved = |columns: &mut Vec<Column>, mapping: &mut Mapping, target: &mut Target| {
            columns[1].column_type = ColumnType::Integer { bytes: 4, unsigned: false };
            mapping.order = Some(OrderKey { column: 2, descending: false });
            (target.salt_buckets, target.layout, target.segment) = (1, Layout::Wide, Some(9));
        };
        let Changes { address, content } = changes(moved);
        assert!(content.is_empty());
        assert_eq!(
            address,
            [
                "item was item (unsigned integer), is item (signed integer)",
                "descending was true, is false",
                "layout was tall, is wide",
                "salt_buckets was 16, is 1",
                "segment was none, is 9"
            ]
        );
    }

    #[test]
    fn a_definition_is_read_back_and_the_text_of_an_earlier_build_is_not_known() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Record {
            #[serde(default, deserialize_with = "known")]
            definition: Option<TargetDefinition>,
        }
        let mapping = mapping();
        let definition = Some(TargetDefinition::of(&mapping, &mapping.targets[0]));
        let text = serde_json::to_string(&Record { definition: definition.clone() }).expect("JSON");
        assert_eq!(serde_json::from_str::<Record>(&text).expect("it is read back"), Record { definition });
        for old in [r#"{"definition":"Tall Columns Utf8 of s.t"}"#, r#"{"definition":null}"#, "{}"] {
            let read: Record = serde_json::from_str(old).expect("it is read");
            assert_eq!(read.definition, None);
        }
    }
}
