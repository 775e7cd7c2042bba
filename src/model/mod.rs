//! Pure data that every room shares: tables, values, row changes, positions, ticks.
//!
//! Promises: no I/O, no clock, no async; everything here can be built in a test in one line.
//! Refuses to know: how any of it is read, written or stored.

pub mod change;
mod date_text;
pub mod gtid;
pub mod history;
pub mod life_cycle;
pub mod mapping;
pub mod position;
pub mod query;
pub mod reached;
pub mod table;
pub mod target_definition;
pub mod tick;
pub mod value;

pub use change::{Row, RowChange, RowChangeRef};
pub use history::{Definition, Histories, History, Parking};
pub use life_cycle::{LifeCycle, LifeEvent};
pub use mapping::{CellForm, Layout, Mapping, MappingId, OrderKey, TableId, Target, TargetId, ValueEncoding};
pub use position::{Point, Position, Witness};
pub use query::{Cursor, ListPart, QueryKind};
pub use reached::{Reached, TransactionId};
pub use table::{Column, ColumnType, TableName, TableSchema};
pub use target_definition::{Changes, TargetDefinition};
pub use tick::Tick;
pub use value::{ColumnValue, DateTime, Time, Value};
