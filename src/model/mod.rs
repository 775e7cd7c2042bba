//! Pure data that every room shares: tables, values, row changes, positions, ticks.
//!
//! Promises: no I/O, no clock, no async; everything here can be built in a test in one line.
//! Refuses to know: how any of it is read, written or stored.

mod change;
mod control;
mod date_text;
pub mod gtid;
pub mod history;
pub(crate) mod life_cycle;
mod mapping;
pub mod position;
mod query;
pub mod reached;
pub(crate) mod table;
pub(crate) mod target_definition;
mod tick;
pub mod value;

pub use change::{Row, RowChange, RowChangeRef};
pub use control::{Control, Lever, Wanted, Work};
pub use history::{Definition, Histories, History, Parking};
pub use life_cycle::LifeCycle;
pub(crate) use life_cycle::LifeEvent;
pub use mapping::{CellForm, Layout, Mapping, MappingId, OrderKey, TableId, Target, TargetId, ValueEncoding};
pub(crate) use position::Witness;
pub use position::{Point, Position};
pub use query::{Cursor, ListPart, QueryKind};
pub use reached::{Reached, TransactionId};
pub use table::{Column, ColumnType, TableName, TableSchema};
pub(crate) use target_definition::TargetDefinition;
pub use tick::Tick;
pub(crate) use value::ColumnValue;
pub use value::{DateTime, Time, Value};
