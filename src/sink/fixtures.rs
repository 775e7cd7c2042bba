//! Mappings for the unit tests of this room.

use crate::model::{
    CellForm, Column, ColumnType, DateTime, Layout, Mapping, MappingId, OrderKey, TableId, TableName,
    TableSchema, Target, TargetId, ValueEncoding,
};
use std::sync::Arc;

pub fn text_type() -> ColumnType {
    ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_0900_ai_ci".into() }
}

pub fn column(name: &str, column_type: ColumnType) -> Column {
    Column {
        name: name.into(),
        column_type,
        nullable: true,
        declared: String::new(),
        virtual_generated: false,
    }
}

/// A mapping `m` of table `s.t`, its first column the list key and nothing else set.
pub fn mapping_of(columns: Vec<Column>) -> Mapping {
    let schema = TableSchema {
        name: TableName { schema: "s".into(), table: "t".into() },
        columns,
        primary_key: vec![],
        unique_keys: vec![],
    };
    Mapping {
        id: MappingId(0),
        name: "m".into(),
        table: TableId(0),
        schema: Arc::new(schema),
        key: vec![0],
        item: vec![],
        order: None,
        targets: vec![],
    }
}

/// The mapping of DESIGN section 5: followee_id, follower_id, created_at, note; target 0 ordered and
/// target 1 not.
pub fn followers() -> Mapping {
    let unsigned = ColumnType::Integer { bytes: 8, unsigned: true };
    let mut mapping = mapping_of(vec![
        column("followee_id", unsigned.clone()),
        column("follower_id", unsigned),
        column("created_at", ColumnType::DateTime { fraction: 3 }),
        column("note", text_type()),
    ]);
    mapping.item = vec![1];
    mapping.order = Some(OrderKey { column: 2, descending: true });
    mapping.targets = vec![target(0, "followers", true), target(1, "followers_has", false)];
    mapping
}

/// The same in every layout: targets 2 and 3 are wide (by segments of a second, and without order), 4 is tall with one
/// cell.
pub fn followers_everywhere() -> Mapping {
    let mut mapping = followers();
    let wide = |id, table, ordered| Target {
        layout: Layout::Wide,
        form: CellForm::Msgpack,
        segment: if ordered { Some(1_000_000) } else { None },
        ..target(id, table, ordered)
    };
    mapping.targets.extend([
        wide(2, "followers_wide", true),
        Target { form: CellForm::Json, ..wide(3, "followers_wide_has", false) },
        Target { form: CellForm::Msgpack, ..target(4, "followers_packed", true) },
    ]);
    mapping
}

pub fn target(id: u16, table: &str, ordered: bool) -> Target {
    Target {
        id: TargetId(id),
        table: table.into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![2, 3],
        values: ValueEncoding::Utf8,
        salt_buckets: 16,
        ordered,
        segment: None,
        counted: false,
    }
}

/// From `YYYY-MM-DD HH:MM:SS.fraction`.
pub fn date_time(text: &str) -> DateTime {
    let number = |from: usize, to: usize| text[from..to].parse::<u16>().expect("digits");
    let fraction = format!("{:0<6}", text.get(20..).unwrap_or(""));
    DateTime {
        year: number(0, 4),
        month: number(5, 7) as u8,
        day: number(8, 10) as u8,
        hour: number(11, 13) as u8,
        minute: number(14, 16) as u8,
        second: number(17, 19) as u8,
        micros: fraction.parse().expect("digits"),
    }
}
