//! Comparing: the walks over both sides, the look-ups of each side's items on the other one, and what is equal.
//!
//! Promises: a walk shows each row of a table (or of one list) and each item of a target once, a bounded piece at a time;
//! an item is looked up where the other side says that it belongs; a read that fails in passing is repeated for as long
//! as its reader waits ([`Reading`]); an absence can be proven without a look-up by a text ([`items_are_gone`]).
//! Refuses to know: when a difference counts, what becomes of it, ticks, leases, how long a reader waits.

mod absence;
mod ahead;
pub mod difference;
pub mod items;
mod passes;
mod permit;
mod place;
mod reading;
mod sides;
mod source;
mod tally;
mod target;

pub use absence::items_are_gone;
pub use difference::{CellDifference, Difference, How, difference};
pub use items::{Found, ItemKey, item_key};
pub use passes::{SourceItem, TargetItem};
pub use permit::{ReadPermit, Settle};
pub use place::{SourcePlace, TallyPlace};
pub use reading::{Once, Reading, retry};
pub use sides::Sides;
pub use source::{ListsWalk, SourceReader, TableWalk};
pub use tally::{Passed, RowTally, TallyWalk};
pub use target::{Bring, PAGE_ITEMS_MAX, Page, TargetWalk, buckets};
