//! Verification and look-ups: what MySQL says, what HBase says, and whether that is the same.
//!
//! Promises: writes nothing; memory does not grow with the tables; a difference is reported only after it
//! was confirmed by reading again in an order that rules out changes under way (DESIGN section 3,
//! "Verification under writes"); where that cannot be ruled out it says so and judges nothing.
//! Refuses to know: how a difference came about, and how it is mended.

mod account;
mod business;
#[cfg(test)]
mod business_sql_tests;
#[cfg(test)]
mod business_tests;
mod closer;
mod columns;
mod confirm;
mod continuous;
mod counts;
mod digest;
mod error;
#[cfg(test)]
pub(crate) mod fixtures;
mod full;
#[cfg(test)]
mod full_tests;
#[cfg(test)]
mod layout_tests;
mod list;
#[cfg(test)]
mod list_tests;
mod meter;
#[cfg(test)]
mod numbers_tests;
mod pass;
mod repeats;
mod report;
mod sample;
mod show;
mod sums;
mod tail;
mod tally;
mod turn;
#[cfg(test)]
mod turn_tests;
mod under_way;
mod verdict;
mod verification;
mod view;
#[cfg(test)]
mod watched;

pub use business::{BusinessAsk, Query, business};
pub use continuous::{Continuous, RunView, keep_comparing, recent_room};
pub use error::VerifyError;
pub use full::{full, full_pass};
pub use list::{Question, Side, answer_question};
pub use meter::{Meter, Stage};
pub use pass::{FileError, Part, Pass, Saved};
pub use report::{ListsFound, VerifyReport};
pub use sample::SampleAsk;
pub use show::{answers_json, answers_text, key_text, work_text};
pub use tail::{Held, Tail, TailPositions, TailView};
pub use verification::{Pacer, Settings, Verification};
