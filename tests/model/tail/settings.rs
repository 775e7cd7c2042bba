//! What is explored: for each mechanism a small world in which it matters, and larger ones with all of them on.

pub use super::state::Setting;
use crate::model::mechanism::Mechanism;
use crate::model::source::{Change, Script, at, delete, in_list, insert, null, row, update};

const X: u8 = 0;
const Y: u8 = 1;

/// One chunk of one list, one item: the base of most.
fn one(name: &'static str, rows: &[u8], transactions: &[&[Change]]) -> Setting {
    let rows: Vec<_> = rows.iter().map(|item| row(*item, 1)).collect();
    Setting {
        script: Script::of(name, &rows, transactions),
        chunks: vec![1],
        batch: 2,
        marks: 1,
        ..Setting::default()
    }
}

fn a_delete() -> Setting {
    one("a row is deleted", &[X], &[&[delete(row(X, 1))]])
}

fn deleted_and_back() -> Setting {
    one("a row is deleted and comes again", &[X], &[&[delete(row(X, 1))], &[insert(row(X, 2))]])
}

/// What was copied is changed, and the tail restarts.
fn restarting(name: &'static str, rows: &[u8], transactions: &[&[Change]]) -> Setting {
    Setting { chunks: vec![], marks: 0, restarts: 1, ..one(name, rows, transactions) }
}

fn delete_and_insert() -> Setting {
    restarting("a row is deleted and comes again", &[X], &[&[delete(row(X, 1))], &[insert(row(X, 2))]])
}

fn insert_and_delete() -> Setting {
    restarting("a row comes and goes", &[], &[&[insert(row(X, 1))], &[delete(row(X, 1))]])
}

fn moves() -> Setting {
    let (one_, two, three) = (row(X, 1), at(row(X, 1), 2), at(row(X, 1), 3));
    one("a row's order changes twice", &[X], &[&[update(one_, two)], &[update(two, three)]])
}

/// The small world of a mechanism, which is on in it.
pub fn of(mechanism: Mechanism) -> Option<Setting> {
    use Mechanism::*;
    Some(match mechanism {
        SafeMark | MarkBeforeSelect | Fence => a_delete(),
        StartFromExecuted => Setting { starts_late: true, ..a_delete() },
        StartWithoutHole => Setting {
            starts_late: true,
            set_lags: true,
            ..one(
                "a row changes twice",
                &[X],
                &[&[update(row(X, 1), row(X, 2))], &[update(row(X, 2), row(X, 3))]],
            )
        },
        HalfSealedInProof => Setting {
            batch: 1,
            ..one("two rows are deleted together", &[X, Y], &[&[delete(row(X, 1)), delete(row(Y, 1))]])
        },
        ProofByContainment => Setting {
            unordered: true,
            ..one("two rows are deleted", &[X, Y], &[&[delete(row(X, 1))], &[delete(row(Y, 1))]])
        },
        MarkAfterJoining => Setting { joins: Some(0), ..a_delete() },
        CoalescingByAddress | IntermediateAddresses => moves(),
        DeletesOfOwnInserts => {
            one("a row comes and goes", &[], &[&[insert(row(X, 1))], &[delete(row(X, 1))]])
        }
        NullMarkers => one("a note becomes NULL", &[X], &[&[update(row(X, 1), null(row(X, 1)))]]),
        NoMarkerBesidePut => one("a row is replaced", &[X], &[&[delete(row(X, 1)), insert(row(X, 2))]]),
        JournalFirst => delete_and_insert(),
        IdenticalReplay => Setting { batch: 1, reader: true, ..insert_and_delete() },
        OwnerFence => Setting { zombies: true, ..delete_and_insert() },
        CheckpointAfterWrite => restarting("a row is deleted", &[X], &[&[delete(row(X, 1))]]),
        CheckpointMovesBack => Setting { batch: 1, restarts: 2, replays: true, ..insert_and_delete() },
        ResumeBehindRead => Setting { pauses: 1, ..a_delete() },
        SkippedIsCopied => skipping(a_delete()),
        RecopyBehindTail => skipping(deleted_and_back()),
        DoneAfterWrite => Setting { restarts: 1, ..one("a row is there", &[X], &[&[insert(row(Y, 1))]]) },
        MarkersOutlive => Setting { compactions: 1, ..a_delete() },
        _ => return None,
    })
}

/// A person may skip transactions of the list, which is copied again then.
fn skipping(setting: Setting) -> Setting {
    Setting { skips: true, joins: Some(0), pauses: 1, marks: 2, ..setting }
}

/// Losses, restarts and zombies around a copy that is tried again.
fn stormy(setting: Setting) -> Setting {
    Setting { restarts: 1, losses: 1, zombies: true, again: 1, ..setting }
}

fn comes_and_goes_at_once() -> Setting {
    let x = row(X, 1);
    one("a row comes and goes in one transaction", &[], &[&[insert(x), delete(x)], &[insert(row(X, 2))]])
}

/// Larger worlds: one row, copied and changed.
pub fn copied_and_changed() -> Vec<Setting> {
    let x = row(X, 1);
    vec![
        stormy(deleted_and_back()),
        Setting { restarts: 0, ..stormy(comes_and_goes_at_once()) },
        Setting { losses: 0, ..stormy(comes_and_goes_at_once()) },
        stormy(one("a note becomes NULL", &[X], &[&[update(x, null(x))]])),
        Setting {
            losses: 0,
            ..stormy(one(
                "a note becomes NULL and comes back",
                &[X],
                &[&[update(x, null(x))], &[update(null(x), row(X, 2))]],
            ))
        },
        stormy(one("a row is replaced by one without a note", &[X], &[&[delete(x), insert(null(x))]])),
    ]
}

/// Rows that move to another place, and transactions that are sealed in parts.
pub fn moved_and_parted() -> Vec<Setting> {
    let x = row(X, 1);
    vec![
        Setting { restarts: 1, again: 1, zombies: true, ..moves() },
        Setting {
            chunks: vec![1, 2],
            again: 1,
            ..one(
                "a row goes to another list and back",
                &[X],
                &[&[update(x, in_list(x, 1))], &[update(in_list(x, 1), row(X, 2))]],
            )
        },
        Setting {
            chunks: vec![1, 2],
            restarts: 1,
            zombies: true,
            ..one("a row goes to another list", &[X], &[&[update(x, in_list(x, 1))]])
        },
        Setting {
            restarts: 1,
            batch: 1,
            zombies: true,
            ..one(
                "a transaction sealed in parts",
                &[X, Y],
                &[&[delete(x), delete(row(Y, 1))], &[insert(row(X, 2))]],
            )
        },
    ]
}

/// Starts, commits in any order, lists that join, replays, other servers, compactions.
pub fn started_and_restarted() -> Vec<Setting> {
    let x = row(X, 1);
    vec![
        Setting {
            unordered: true,
            batch: 1,
            marks: 2,
            ..one(
                "two rows, committed in any order",
                &[X, Y],
                &[&[delete(x)], &[delete(row(Y, 1))], &[insert(row(X, 2))]],
            )
        },
        Setting {
            unordered: true,
            starts_late: true,
            set_lags: true,
            ..one(
                "two rows, while the tail starts",
                &[X, Y],
                &[&[delete(x), update(row(Y, 1), row(Y, 2))], &[insert(row(X, 2))]],
            )
        },
        Setting {
            marks: 2,
            again: 1,
            joins: Some(0),
            ..one("a list joins", &[X], &[&[delete(x)], &[insert(row(X, 2))], &[delete(row(X, 2))]])
        },
        Setting { restarts: 2, losses: 1, batch: 2, reader: true, zombies: true, ..delete_and_insert() },
        Setting { restarts: 2, losses: 1, replays: true, ..delete_and_insert() },
        Setting { restarts: 2, losses: 1, batch: 1, reader: true, ..insert_and_delete() },
        // a paused tail beside a copy, moves to older positions, and a crash around them
        Setting { pauses: 2, again: 1, losses: 1, marks: 2, ..a_delete() },
        Setting { pauses: 1, restarts: 1, losses: 1, ..delete_and_insert() },
        Setting { pauses: 2, restarts: 1, batch: 1, ..insert_and_delete() },
        Setting { pauses: 1, restarts: 1, again: 1, marks: 2, ..a_delete() },
        // transactions that are skipped, one or all, before, in and after the copy
        Setting { losses: 1, again: 1, zombies: true, ..skipping(a_delete()) },
        Setting { restarts: 1, ..skipping(a_delete()) },
        Setting {
            failover: true,
            restarts: 2,
            script: two_rows().in_other_order(&[1, 0, 2]),
            ..restarting("", &[], &[])
        },
        Setting { compactions: 1, again: 1, restarts: 1, zombies: true, marks: 1, ..a_delete() },
        Setting { compactions: 1, restarts: 1, losses: 1, zombies: true, ..delete_and_insert() },
    ]
}

fn two_rows() -> Script {
    let (x, y) = (row(X, 1), row(Y, 1));
    Script::of("another server takes over", &[x, y], &[&[delete(x)], &[delete(y)], &[insert(row(X, 2))]])
}

/// More of it, for when there is time.
pub fn long() -> Vec<Setting> {
    let x = row(X, 1);
    let back = one(
        "a note becomes NULL and comes back",
        &[X],
        &[&[update(x, null(x))], &[update(null(x), row(X, 2))]],
    );
    let parted = one(
        "a transaction sealed in parts",
        &[X, Y],
        &[&[delete(x), delete(row(Y, 1))], &[insert(row(X, 2))]],
    );
    vec![
        stormy(comes_and_goes_at_once()),
        stormy(back),
        Setting { batch: 1, losses: 0, ..stormy(parted) },
        Setting { marks: 2, ..stormy(a_delete()) },
        Setting { restarts: 2, marks: 2, ..stormy(a_delete()) },
        Setting { losses: 2, ..stormy(a_delete()) },
        Setting { losses: 1, restarts: 1, zombies: true, ..moves() },
        Setting { restarts: 1, ..skipping(deleted_and_back()) },
        Setting { pauses: 2, batch: 1, ..skipping(moves()) },
    ]
}
