//! Pure data that every room shares: tables, values, row changes, positions, ticks.
//!
//! Promises: no I/O, no clock, no async; everything here can be built in a test in one line.
//! Refuses to know: how any of it is read, written or stored.

pub mod bucket;
pub mod causes;
mod change;
mod control;
mod date_text;
pub mod gtid;
pub mod history;
pub(crate) mod hours;
pub(crate) mod life_cycle;
pub mod limits;
mod limits_set;
mod mapping;
pub mod pilot;
pub mod position;
mod query;
pub mod reached;
mod share;
pub(crate) mod spelling;
pub(crate) mod table;
pub(crate) mod target_definition;
mod tick;
pub(crate) mod units;
pub mod value;

pub use change::{Row, RowChange, RowChangeRef};
pub use control::{Control, Lever, Wanted, Work};
pub use date_text::micros_of_rfc3339;
pub use history::{Definition, Histories, History, Parking};
pub use hours::Hours;
pub use life_cycle::LifeCycle;
pub(crate) use life_cycle::LifeEvent;
pub use limits::{LimitKey, Limits};
pub use limits_set::{FileLimits, LimitSet, LimitsAsk};
pub use mapping::{CellForm, Layout, Mapping, MappingId, OrderKey, TableId, Target, TargetId, ValueEncoding};
pub use pilot::{Pilot, PilotLists};
pub(crate) use position::Witness;
pub use position::{Point, Position};
pub use query::{Cursor, ListPart, QueryKind};
pub use reached::{Reached, TransactionId};
pub use share::Share;
pub use table::{Column, ColumnType, TableName, TableSchema};
pub(crate) use target_definition::TargetDefinition;
pub use tick::Tick;
pub(crate) use value::ColumnValue;
pub use value::{DateTime, Time, Value};
