//! The continuous verification: a run compares rows by itself, for as long as it tails.
//!
//! Three feeds, in rounds of some seconds, together within a bound of rows a second:
//! - **findings**: differences that stand are compared again, so that one goes once its row is equal;
//! - **recent changes**: a uniform sample of the addresses that the tail has written in a round
//!   ([`RunView::take_recent`]), compared some seconds later;
//! - **a walk** over everything ([`walk`]): every row of MySQL is looked up in HBase and every item of HBase in MySQL, once
//!   a walk. It draws nothing, so it prefers no row; its price is time.
//!
//! What differs is a difference by the same rule as in `verify --full` beside a run ([`Confirmer`](super::confirm)), and only
//! if meanwhile the tail did not begin again elsewhere and the target was comparable all the time ([`check`]).
//!
//! Promises: writes nothing to HBase; never ends the run; a difference that was found is durable before it is shown;
//! memory is bounded. Refuses to know: where a run has its positions, and how a sample of its writes comes about.

mod check;
mod course;
mod findings;
mod parts;
#[cfg(test)]
mod tests;
mod walk;

pub use parts::{Continuous, RunView, recent_room};

use course::Course;
use std::convert::Infallible;

/// Compares until the future is dropped; servers that stay away are waited for. What was found by then is durable.
pub async fn keep_comparing(by: &Continuous) -> Infallible {
    let mut course = Course::begin(by).await;
    loop {
        course.round().await;
    }
}
