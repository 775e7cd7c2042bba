//! The table behind the simulation's rows: columns come, go and move, and what a row image means changes with them.

use super::super::schema::{EXTRA, NOTE, ORDER, number};
use super::wire::{Field, Wire, WireColumn};
use tailfill::model::{Column, ColumnType, Row, TableSchema, Value};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// The value at this place of a [`Row`].
    Mapped(usize),
    Other,
}

/// One column as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub name: String,
    pub holds: Holds,
    pub wire: Wire,
    pub nullable: bool,
}

/// A definition of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The server's number of the table, another one for each definition.
    id: u64,
    pub(super) parts: Vec<Part>,
    /// The number that the next column beside the mapped ones gets.
    next: u32,
}

const NAMES: [&str; 5] = ["followee", "follower", "created_at", "note", "extra"];
/// A VARCHAR(40), and a VARCHAR(80), which has its length in two bytes.
pub(super) const SHORT: Wire = Wire::Varchar { bytes: 160 };
pub(super) const LONG: Wire = Wire::Varchar { bytes: 320 };

/// As the table is created.
impl Default for Layout {
    fn default() -> Layout {
        let part = |place: usize| {
            let is_text = matches!(place, NOTE | EXTRA);
            let wire = if is_text { SHORT } else { Wire::Big { unsigned: place != ORDER } };
            Part { name: NAMES[place].into(), holds: Holds::Mapped(place), wire, nullable: is_text }
        };
        Layout { id: 100, parts: (0..NAMES.len()).map(part).collect(), next: 1 }
    }
}

impl Layout {
    /// What table maps call it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// To be changed by a statement.
    pub(super) fn altered(&self) -> Layout {
        Layout { id: self.id + 1, ..self.clone() }
    }

    /// A name that no column has had.
    pub(super) fn new_name(&mut self) -> String {
        self.next += 1;
        format!("other{}", self.next)
    }

    pub(super) fn place(&self, column: usize) -> usize {
        let holds = |part: &Part| part.holds == Holds::Mapped(column);
        self.parts.iter().position(holds).expect("mapped columns stay")
    }

    pub fn wire(&self) -> Vec<WireColumn> {
        let one =
            |part: &Part| WireColumn { name: part.name.clone(), wire: part.wire, nullable: part.nullable };
        self.parts.iter().map(one).collect()
    }

    /// A row's image under this definition.
    pub fn image(&self, row: &Row) -> Vec<Field> {
        let field = |part: &Part| match (part.holds, part.wire) {
            (Holds::Mapped(place), _) => field(&row[place]),
            // no value that a mapped column could have
            (Holds::Other, Wire::Big { .. }) => Field::Big(77),
            (Holds::Other, _) => Field::Text(format!("of {}", part.name).into_bytes()),
        };
        self.parts.iter().map(field).collect()
    }

    /// As information_schema shows it.
    pub fn schema(&self, registered: &TableSchema) -> TableSchema {
        let column = |part: &Part| Column {
            name: part.name.clone(),
            nullable: part.nullable,
            column_type: match part.wire {
                Wire::Big { unsigned } => ColumnType::Integer { bytes: 8, unsigned },
                _ => ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() },
            },
            declared: declared(part.wire),
            virtual_generated: false,
        };
        let columns: Vec<Column> = self.parts.iter().map(column).collect();
        let key = vec![self.place(0), self.place(1)];
        TableSchema { columns, primary_key: key.clone(), unique_keys: vec![key], ..registered.clone() }
    }
}

pub(super) fn declared(wire: Wire) -> String {
    match wire {
        Wire::Big { unsigned: true } => "bigint unsigned".to_owned(),
        Wire::Big { unsigned: false } => "bigint".to_owned(),
        Wire::Varchar { bytes } => format!("varchar({})", bytes / 4),
        Wire::Text => "text".to_owned(),
    }
}

fn field(value: &Value) -> Field {
    match value {
        Value::Null => Field::Null,
        Value::Int(number) => Field::Big(*number as u64),
        Value::Text(text) => Field::Text(text.as_bytes().to_vec()),
        unsigned => Field::Big(number(unsigned)),
    }
}
