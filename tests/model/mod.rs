//! Models that are run: small worlds in which everything happens in every order.
//!
//! An explorer of our own goes through every state that can be reached, breadth first, and stops at the first wrong one with
//! a shortest way to it. What the program decides (ticks, whether a mark is safe, what a batch and a copy write, what
//! becomes of a counted row) is asked of the program. Each mechanism can be turned off, and then there is a story.
//!
//! Not modelled: the bounds of chunks (I8), XA, the addresses that an ALTER may change, what is not understood (I9), gates (I10), the wall clock
//! (I6: it stands still here), and a server that lost transactions, where a run halts. How a re-copy compares, when TRUNCATE
//! scans and how `verify` judges is written here after the design, not asked of the program; what they write is.

mod counts;
mod definitions;
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
