//! The invariants of the protocol, by id: cited where they are upheld and where they are tested.
//!
//! | id | what always holds | upheld in | tested in |
//! |---|---|---|---|
//! | I1 | ticks strictly rise, across batches, marks, restarts and owners; no two of them share one | `protocol::tick`, `protocol::journal` | `protocol::tick`, `tests/model`, `tests/simulation` |
//! | I2 | nothing is sent with a tick before the journal holds it durably; a replayed batch has the same content and tick, or a new tick | `protocol::journal::Receipt`, `pipeline::tail::seal` | `tests/model`, `tests/simulation`, `tests/live` |
//! | I3 | a chunk or repair writes with a mark that was safe before its SELECT began | `protocol::mark`, `pipeline::backfill`, `pipeline::recopy` | `tests/model`, `tests/simulation`, `tests/faults`, `tests/live` |
//! | I4 | no write is sent for a list after the deadline of the lease that covers it | `protocol::write`, `lock::held` | `lock`, `tests/simulation` |
//! | I5 | the checkpoint never passes a change that is not durably written to every target that is not parked | `pipeline::apply`, `pipeline::life` | `tests/model`, `tests/simulation`, `tests/faults` |
//! | I6 | ticks stay near the clock; reads and writes are handed over only behind it | `clock`, `protocol::tick`, `app::check`, `pipeline::run::skew` | `app::check`, `tests/faults/clock` |
//! | I7 | delete markers outlive any write that could still arrive | `sink::hbase`, `app::check` | `tests/model`, `tests/contract` |
//! | I8 | chunks cover the key space without gaps; progress never moves back; what joins a pilot is copied | `pipeline::copies::chunks`, `pipeline::run::widening` | `pipeline::copies::chunks`, `tests/faults/pilot`, `tests/simulation`, `tests/live` |
//! | I9 | what cannot be understood stops the tail with a message, and is never skipped | `source::binlog` | `source::binlog`, `tests/live` |
//! | I10 | reads move to HBase only through an explicit gate | nothing moves reads yet | |
//! | I11 | a stored count changes only together with the cells that it counts | `protocol::count`, `protocol::counted`, `pipeline::counts::counting` | `protocol::count`, `tests/model`, `tests/simulation`, `tests/faults`, `tests/live` |
