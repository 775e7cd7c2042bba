//! The real pipeline under a seeded scheduler: one thread, virtual time, doubles for all servers.
//!
//! A seed decides everything: what the application does, how far the engine's commits lag the binlog, which
//! calls fail, lose their reply or land late, when leases vanish, when the process crashes, is
//! frozen and wakes up as a zombie, or starts again with other settings. At the end a run without
//! faults must catch up, and the sink must hold exactly the engine's rows; on the way the books
//! (`books`) check the invariants of DESIGN section 3 on every write and every commit.
//!
//! In some worlds HBase is damaged (`damage`) and lists are re-copied (`repairs`), targets are refused, left out and taken
//! back, HBase is compacted, and another server takes the source's place (`servers`), possibly without the last
//! transactions: then every run must halt, if one of them was journaled. What was thrown is counted (`tally`).
//!
//! In some worlds an operator pauses, moves and resumes the runs (`operator`), also those that are killed before they are resumed.
//!
//! In some worlds the source is a binlog in bytes, read by the production decoder, and the table's definition changes
//! (`definitions`): then no row may be read by another definition than it was written under.
//!
//! Not modelled: purged binlogs, XA, several tables or mappings, Memcache's one-second clock, an old server that lives
//! on beside the one that took over, and a process that is frozen as a whole (its calls land
//! late, its SELECTs outlast its leases, and it lives on as a zombie instead).
//!
//! `TAILFILL_SEEDS=n` (or `a..b`) changes the seeds that are played (a thousand, and ten thousand by `scripts/test --long`),
//! `scripts/simulate SEED` replays one. A failing seed is run again with its story, which must come out the same.

pub mod app;
pub mod books;
pub mod broken;
mod busy;
pub mod checker;
pub mod damage;
pub mod database;
pub mod definitions;
pub mod dice;
pub mod leases;
pub mod operator;
pub mod process;
pub mod profile;
pub mod recut;
pub mod repairs;
pub mod runs;
pub mod schema;
pub mod seeds;
pub mod servers;
pub mod sink;
pub mod source;
pub mod store;
pub mod tally;
pub mod trace;
pub mod world;
