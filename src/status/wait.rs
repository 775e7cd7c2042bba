//! Who waits for what, and what is to be watched although nobody waits for it: data, and the only place that puts them
//! into words.

use crate::advice;
use serde::{Deserialize, Serialize};

/// Somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The start of a run, before any of its tasks.
    Start,
    Tail,
    /// Who renews the mark that copies use.
    Mark,
    Backfill,
    /// The walk that counts the rows of a counted target.
    Counts,
    Recopy,
    /// A `tailfill verify`, in a process of its own; the status of a run never has it.
    Verify,
    /// The run as a whole, which is to end (`--until caught-up`).
    Run,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One step of a start. `detail`: which.
    Step,
    /// A table that another session of MySQL has locked. `detail`: the table and the session.
    TableLock,
    /// MySQL does not answer. `detail`: its error.
    Source,
    /// MySQL's engine has not committed what its binlog shows already. `detail`: the transactions.
    SourceCommit,
    /// The definition of a table is to be known. `detail`: what for, as a noun.
    Definition,
    /// HBase does not take writes, or does not answer. `detail`: its error.
    Hbase,
    /// Lists whose leases another program holds.
    ListsElsewhere,
    /// Lists that another part of this run holds. `detail`: of which, where they are not counted.
    ListsHere,
    /// Lists whose write failed, or took longer than their leases, and is repeated.
    ListsUnwritten,
    /// Lists without a lease, because memcached does not answer and `lease.on_loss` is `wait`.
    Memcached,
    /// A mark that a copy may use.
    Mark,
    /// The tail is to pass a place of the binlog. `detail`: which.
    Tail,
    /// The checkpoint is to pass a position. `detail`: which.
    Checkpoint,
    /// Rows of counted targets are to be counted.
    Counts,
    /// What earlier writers sent may still land.
    LateWrites,
    /// Batches are written again, and older states may show.
    Replay,
    /// Leases of an earlier process of this state are to expire.
    EarlierLeases,
    /// Items that a re-copy compares and writes within one lease.
    Items,
    /// A person has paused it. `detail`: who, when and why.
    Resume,
    /// Its pace does not let it read more. `detail`: what holds it back, with figure and limit.
    Throttle,
}

impl Kind {
    pub const ALL: [Kind; 20] = [
        Kind::Step,
        Kind::TableLock,
        Kind::Source,
        Kind::SourceCommit,
        Kind::Definition,
        Kind::Hbase,
        Kind::ListsElsewhere,
        Kind::ListsHere,
        Kind::ListsUnwritten,
        Kind::Memcached,
        Kind::Mark,
        Kind::Tail,
        Kind::Checkpoint,
        Kind::Counts,
        Kind::LateWrites,
        Kind::Replay,
        Kind::EarlierLeases,
        Kind::Items,
        Kind::Resume,
        Kind::Throttle,
    ];

    /// As JSON and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Step => "step",
            Kind::TableLock => "table_lock",
            Kind::Source => "source",
            Kind::SourceCommit => "source_commit",
            Kind::Definition => "definition",
            Kind::Hbase => "hbase",
            Kind::ListsElsewhere => "lists_elsewhere",
            Kind::ListsHere => "lists_here",
            Kind::ListsUnwritten => "lists_unwritten",
            Kind::Memcached => "memcached",
            Kind::Mark => "mark",
            Kind::Tail => "tail",
            Kind::Checkpoint => "checkpoint",
            Kind::Counts => "counts",
            Kind::LateWrites => "late_writes",
            Kind::Replay => "replay",
            Kind::EarlierLeases => "earlier_leases",
            Kind::Items => "items",
            Kind::Resume => "resume",
            Kind::Throttle => "throttle",
        }
    }
}

/// What somebody waits for, as the one who waits knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Awaited {
    pub kind: Kind,
    /// The mapping or table that it is waited for; empty: for all.
    pub of: String,
    /// How many lists or items; 1 where they are not counted.
    pub count: u64,
    /// What [`Kind`] says.
    pub detail: String,
}

impl Awaited {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Awaited {
        Awaited { kind, of: String::new(), count: 1, detail: detail.into() }
    }

    /// Lists or items.
    pub fn many(kind: Kind, count: usize) -> Awaited {
        Awaited { kind, of: String::new(), count: count as u64, detail: String::new() }
    }

    /// Lists without a lease; `unanswered`: what memcached said instead of an answer.
    pub fn leases(count: usize, unanswered: Option<&str>) -> Awaited {
        match unanswered {
            None => Awaited::many(Kind::ListsElsewhere, count),
            Some(error) => Awaited { detail: error.to_owned(), ..Awaited::many(Kind::Memcached, count) },
        }
    }

    /// It is waited for on behalf of this mapping or table.
    pub fn of(self, of: &str) -> Awaited {
        Awaited { of: of.to_owned(), ..self }
    }

    /// What stands behind "waits for".
    pub fn phrase(&self) -> String {
        let Awaited { kind, count, detail, .. } = self;
        let many = |one: &str| if *count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
        match kind {
            Kind::Step | Kind::TableLock | Kind::Definition => detail.clone(),
            Kind::Source => format!("MySQL to answer: {detail}"),
            Kind::SourceCommit => format!("MySQL to commit {detail}, which its binlog already shows"),
            Kind::Hbase => format!("HBase, and repeats the call: {detail}"),
            Kind::ListsElsewhere => format!("{} that another program holds", many("list")),
            Kind::ListsHere if detail.is_empty() => {
                format!("{} that another part of this run holds", many("list"))
            }
            Kind::ListsHere => format!("{detail}, which another part of this run holds"),
            Kind::ListsUnwritten => {
                format!("{} whose write failed or took too long, and is repeated", many("list"))
            }
            Kind::Memcached => format!("memcached, to lease {}: {detail}", many("list")),
            Kind::Mark => "a safe mark".to_owned(),
            Kind::Tail => format!("the tail to pass {detail}"),
            Kind::Checkpoint => format!("the checkpoint to pass {detail}"),
            Kind::Counts => "the count of all rows of counted targets".to_owned(),
            Kind::LateWrites => "the late-write horizon: an earlier write may still land".to_owned(),
            Kind::Replay => "the end of the replay".to_owned(),
            Kind::EarlierLeases => "the leases of an earlier process to expire".to_owned(),
            Kind::Items => format!("{} to be compared and written within one lease", many("item")),
            Kind::Resume => format!("a person to resume it ({detail})"),
            Kind::Throttle => format!("its pace: {detail}"),
        }
    }

    /// What a person can do; empty: it ends by itself.
    fn help(&self) -> &'static str {
        match self.kind {
            Kind::Source => advice::source_away(),
            Kind::TableLock => advice::table_lock(),
            Kind::SourceCommit => advice::source_commits(),
            Kind::Hbase | Kind::ListsUnwritten => advice::hbase_away(),
            Kind::ListsElsewhere => advice::lists_elsewhere(),
            Kind::Memcached => advice::memcached_away(),
            Kind::Resume => advice::resume(),
            Kind::Throttle => advice::throttle(),
            _ => "",
        }
    }
}

/// Somebody who waits, for what, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub who: Who,
    /// The mapping or table that `who` works on; empty: all.
    pub of: String,
    pub kind: Kind,
    /// How many lists or items; 1 where they are not counted.
    pub count: u64,
    /// Milliseconds since 1970.
    pub since_ms: u64,
    /// What [`Kind`] says.
    pub detail: String,
    /// All of this as a sentence.
    pub words: String,
    /// What a person can do; empty: it ends by itself.
    pub help: String,
}

impl Wait {
    pub fn new(who: Who, awaited: Awaited, since_ms: u64) -> Wait {
        let name = match who {
            Who::Start => "the start",
            Who::Tail => "the tail",
            Who::Mark => "the renewal of the mark",
            Who::Backfill => "the backfill",
            Who::Counts => "the count of rows",
            Who::Recopy => "the re-copy",
            Who::Verify => "verify",
            Who::Run => "the end of the run",
        };
        let of = if awaited.of.is_empty() { String::new() } else { format!(" of {}", awaited.of) };
        let words = format!("{name}{of} waits for {}", awaited.phrase());
        let help = awaited.help().to_owned();
        let Awaited { kind, of, count, detail } = awaited;
        Wait { who, of, kind, count, since_ms, detail, words, help }
    }
}

/// Something to be watched although nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// HBase's clock and ours are more than a minute apart. `detail`: how far.
    HbaseClock,
    /// Memcached does not give leases, and this process locks alone (`lease.on_loss = "degrade"`). `detail`: why.
    LeasesDegraded,
    /// Leases were gone before this run gave them back. `detail`: how many.
    LeasesLost,
    /// No run is up, and the next one begins with a replay.
    ReplayAhead,
    /// The source will soon purge changes that are not in HBase yet. `detail`: in how long.
    PurgeAhead,
    /// The continuous verification has found rows that differ. `detail`: how many.
    Findings,
}

impl Concern {
    pub const ALL: [Concern; 6] = [
        Concern::HbaseClock,
        Concern::LeasesDegraded,
        Concern::LeasesLost,
        Concern::ReplayAhead,
        Concern::PurgeAhead,
        Concern::Findings,
    ];

    /// As JSON and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Concern::HbaseClock => "hbase_clock",
            Concern::LeasesDegraded => "leases_degraded",
            Concern::LeasesLost => "leases_lost",
            Concern::ReplayAhead => "replay_ahead",
            Concern::PurgeAhead => "purge_ahead",
            Concern::Findings => "findings",
        }
    }
}

/// A concern, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub kind: Concern,
    /// Milliseconds since 1970; 0: not known.
    pub since_ms: u64,
    /// What [`Concern`] says.
    pub detail: String,
    pub words: String,
    /// What a person can do; empty: nothing.
    pub help: String,
}

impl Warning {
    pub fn new(kind: Concern, detail: String, since_ms: u64) -> Warning {
        let (words, help) = match kind {
            Concern::HbaseClock => (detail.clone(), "synchronise the clocks of both machines (NTP)"),
            Concern::LeasesDegraded => {
                (format!("leases are degraded to this process: {detail}"), advice::leases_degraded())
            }
            Concern::LeasesLost => (
                format!(
                    "{detail}: memcached evicts items, was flushed or restarted, or writes take too long"
                ),
                advice::leases_lost(),
            ),
            Concern::PurgeAhead => (detail.clone(), advice::purge_ahead()),
            Concern::Findings => (
                format!("HBase differs from MySQL in {detail} that the continuous verification has found"),
                advice::findings(),
            ),
            Concern::ReplayAhead => ("the next run begins with a replay, with new ticks".to_owned(), ""),
        };
        Warning { kind, since_ms, detail, words, help: help.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_names_who_waits_for_what() {
        let words = |who, awaited| Wait::new(who, awaited, 7).words;
        let cases = [
            (
                Who::Tail,
                Awaited::many(Kind::ListsElsewhere, 1),
                "the tail waits for 1 list that another program holds",
            ),
            (
                Who::Tail,
                Awaited::many(Kind::ListsHere, 3),
                "the tail waits for 3 lists that another part of this run holds",
            ),
            (
                Who::Recopy,
                Awaited::new(Kind::Replay, "").of("followers"),
                "the re-copy of followers waits for the end of the replay",
            ),
            (
                Who::Backfill,
                Awaited::new(Kind::SourceCommit, "uuid:7"),
                "the backfill waits for MySQL to commit uuid:7, which its binlog already shows",
            ),
        ];
        for (who, awaited, expected) in cases {
            assert_eq!(words(who, awaited), expected);
        }
    }

    #[test]
    fn names_are_those_of_the_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("json"), kind.name());
        }
        for kind in Concern::ALL {
            assert_eq!(serde_json::to_value(kind).expect("json"), kind.name());
        }
    }
}
