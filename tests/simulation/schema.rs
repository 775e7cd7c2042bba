//! The one table of the simulation and its targets.

use super::profile::Wide;
use bytes::Bytes;
use std::sync::Arc;
use tailfill::model::{
    CellForm, Column, ColumnType, Layout, Mapping, MappingId, OrderKey, Row, TableId, TableName, TableSchema,
    Target, TargetId, Value, ValueEncoding,
};
use tailfill::sink::layout::{Address, Codec};
use tailfill::sink::{CountedWrite, RowWrite, wide};

pub const MAPPING: &str = "follows";
pub const ORDER: usize = 2;
pub const NOTE: usize = 3;
pub const EXTRA: usize = 4;

/// The primary key: list and item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    pub list: u64,
    pub item: u64,
}

impl Item {
    pub fn of(row: &Row) -> Item {
        Item { list: number(&row[0]), item: number(&row[1]) }
    }

    pub fn key(self) -> Vec<Value> {
        vec![Value::UInt(self.list), Value::UInt(self.item)]
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.list, self.item)
    }
}

pub fn number(value: &Value) -> u64 {
    match value {
        Value::UInt(number) => *number,
        other => panic!("keys are unsigned, not {other:?}"),
    }
}

/// A row as the story shows it: `1/3 (order 5, note n7, extra NULL)`.
pub fn show(row: &Row) -> String {
    let text = |value: &Value| match value {
        Value::Text(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        _ => "NULL".to_owned(),
    };
    let (order, note, extra) = (text(&row[ORDER]), text(&row[NOTE]), text(&row[EXTRA]));
    format!("{} (order {order}, note {note}, extra {extra})", Item::of(row))
}

/// `follows(followee, follower, created_at, note, extra)`, PRIMARY KEY (followee, follower), into an ordered
/// target and one for membership. `bare`: the latter holds nullable columns only, so that items without
/// any cell come up. `wide`: another one before them, whose cells hold the note.
pub fn mapping(bare: bool, wide: Option<Wide>) -> Mapping {
    let unsigned = ColumnType::Integer { bytes: 8, unsigned: true };
    let text = ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    let columns = [
        ("followee", unsigned.clone()),
        ("follower", unsigned),
        ("created_at", ColumnType::Integer { bytes: 8, unsigned: false }),
        ("note", text.clone()),
        ("extra", text),
    ];
    let column = |(name, column_type): (&str, ColumnType)| Column {
        name: name.into(),
        column_type,
        nullable: name == "note" || name == "extra",
        declared: String::new(),
        virtual_generated: false,
    };
    let schema = TableSchema {
        name: TableName { schema: "social".into(), table: "follows".into() },
        columns: columns.map(column).into(),
        primary_key: vec![0, 1],
        unique_keys: vec![vec![0, 1]],
    };
    let member = if bare { vec![NOTE, EXTRA] } else { vec![ORDER, NOTE, EXTRA] };
    // the wide one first, because it is copied first and has the more to do after that
    let wide = wide.map(|wide| Target {
        layout: Layout::Wide,
        form: CellForm::Alone,
        segment: wide.segment,
        counted: wide.counted,
        ..target("wide", true, vec![NOTE])
    });
    let tall = [target("latest", true, vec![ORDER, NOTE, EXTRA]), target("member", false, member)];
    let targets = (0..).zip(wide.into_iter().chain(tall));
    let targets = targets.map(|(id, target)| Target { id: TargetId(id), ..target }).collect();
    Mapping {
        id: MappingId(0),
        name: MAPPING.into(),
        table: TableId(0),
        schema: Arc::new(schema),
        key: vec![0],
        item: vec![1],
        order: Some(OrderKey { column: ORDER, descending: true }),
        targets,
    }
}

fn target(table: &str, ordered: bool, columns: Vec<usize>) -> Target {
    Target {
        id: TargetId(0),
        table: table.into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns,
        values: ValueEncoding::Utf8,
        salt_buckets: 4,
        ordered,
        segment: None,
        counted: false,
    }
}

/// The mapping with a target whose items have one cell, behind the others.
pub fn with_packed(mut mapping: Mapping, form: CellForm) -> Mapping {
    let columns = if form == CellForm::Alone { vec![NOTE] } else { vec![ORDER, NOTE, EXTRA] };
    let id = TargetId(mapping.targets.len() as u16);
    mapping.targets.push(Target { id, form, ..target("packed", true, columns) });
    mapping
}

/// The item at an address, and its list key's bytes.
pub fn item_at(mapping: &Mapping, target: TargetId, address: &Address) -> (Item, Vec<u8>) {
    let target = &mapping.targets[usize::from(target.0)];
    let parts = Codec::of(mapping, target).split(address).expect("only our own addresses are written");
    let item = Item { list: number(&parts.key[0]), item: number(&parts.item[0]) };
    (item, parts.list_key.to_vec())
}

/// The list of a wide row, and its key's bytes.
pub fn list_of_row(mapping: &Mapping, target: TargetId, row: &[u8]) -> (u64, Vec<u8>) {
    let target = &mapping.targets[usize::from(target.0)];
    let parts = wide::split_row_key(mapping, target, row).expect("only our own rows are written");
    (number(&parts.list.key[0]), parts.list.list_key.to_vec())
}

/// The list that a row of any target is of.
pub fn list_in(mapping: &Mapping, target: TargetId, row: &Bytes) -> u64 {
    match mapping.targets[usize::from(target.0)].layout {
        Layout::Tall => item_at(mapping, target, &Address { row: row.clone(), cell: None }).0.list,
        Layout::Wide => list_of_row(mapping, target, row).0,
    }
}

/// Where a write of one item goes.
pub fn address_of(mapping: &Mapping, target: TargetId, write: &RowWrite) -> Address {
    let cell = match mapping.targets[usize::from(target.0)].layout {
        Layout::Tall => None,
        Layout::Wide => {
            let mut names = write.puts.iter().map(|(name, _)| name).chain(&write.delete_columns);
            let name: Bytes = names.next().expect("a wide item has a cell").clone();
            assert!(names.next().is_none(), "a wide item has one cell");
            Some(name)
        }
    };
    Address { row: write.row.clone(), cell }
}

/// The items of a counted write, each as a write of its own.
pub fn items_of_counted(write: &CountedWrite) -> Vec<RowWrite> {
    let one = |puts, delete_columns| RowWrite {
        row: write.row.clone(),
        tick: write.tick,
        delete_family: false,
        puts,
        delete_columns,
    };
    let puts = write.puts.iter().map(|put| one(vec![put.clone()], vec![]));
    puts.chain(write.delete_columns.iter().map(|name| one(vec![], vec![name.clone()]))).collect()
}
