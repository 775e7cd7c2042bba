//! Models that are run: small worlds in which everything happens in every order.
//!
//! An explorer of our own goes through every state that can be reached, breadth first, and stops at the first wrong one with
//! a shortest way to it. What the program decides (ticks, whether a mark is safe, what a batch and a copy write, what
//! becomes of a counted row) is asked of the program. Each mechanism can be turned off, and then there is a story.

mod counts;
mod docs;
mod explorer;
mod hbase;
mod mechanism;
mod production;
mod recopy;
mod sayings;
mod source;
mod stories;
mod tail;
mod truncate;
mod verdict;
