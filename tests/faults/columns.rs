//! A target keeps the columns that it was begun with, until a re-copy under others is done.

use super::bench::{Bench, EXPIRY, copy, delete, insert, row, update};
use super::recopy::{Noted, all, recopied};
use std::sync::Arc;
use std::time::Duration;
use tailfill::model::{LifeCycle, Mapping, Target};
use tailfill::pipeline::jobs::{Ask, JobState};
use tailfill::pipeline::{Finished, Parts, Recopies, RunOptions, run_with};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Plan, ProtocolError};
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The place of `extra` among the columns, and of `created_at`.
const EXTRA: usize = 4;
const ORDER: usize = 2;

/// The mapping of before: its ordered target without `extra`, the other one without `created_at`.
fn before(bench: &Bench) -> Mapping {
    let mapping = bench.world.mapping.clone();
    let without = |target: &Target, column: usize| Target {
        columns: target.columns.iter().copied().filter(|other| *other != column).collect(),
        ..target.clone()
    };
    let targets = vec![without(&mapping.targets[0], EXTRA), mapping.targets[1].clone()];
    Mapping { targets, ..mapping }
}

fn parts(bench: &Bench, mapping: Mapping) -> Parts {
    Parts { plan: Arc::new(Plan::new(vec![mapping], Cohort::All)), ..bench.parts() }
}

async fn lives(bench: &Bench) -> Vec<LifeCycle> {
    let stored = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail");
    stored.iter().map(|(_, life)| records::decode::<LifeRecord>(life).expect("whole").state).collect()
}

/// Copied without a column, which each second row has a value in.
async fn copied() -> Bench {
    let bench = Bench::unopened();
    for list in 0..6 {
        for item in 0..4 {
            let mut row = row(list, item, "old");
            if item % 2 == 0 {
                row[EXTRA] = row[3].clone();
            }
            bench.commit(vec![insert(&row)]);
        }
    }
    bench.copies_with(parts(&bench, before(&bench))).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_columns_changed_is_parked_alone_until_it_is_copied_again() {
    let bench = copied().await;
    bench.commit(vec![delete(&row(1, 1, "old")), insert(&row(7, 1, "new"))]);
    let error = copy(bench.parts()).await.expect_err("one target is parked");
    assert!(
        matches!(&error, ProtocolError::Parked { targets, .. } if targets == "follows -> latest"),
        "{error}"
    );
    let parked = lives(&bench).await;
    assert!(
        parked.iter().any(|life| matches!(
            life,
            LifeCycle::Parked { reason }
                if reason == "its columns changed: column extra is new; run `tailfill recopy follows --yes`: it compares \
                              all items and writes those that differ"
        )),
        "{parked:?}"
    );
    let (report, _) = recopied(&bench, all(&bench)).await;
    assert_eq!(report.state, JobState::Done, "{report:?}");
    bench.assert_equal().await;
    assert!(!lives(&bench).await.iter().any(|life| matches!(life, LifeCycle::Parked { .. })));
    bench.commit(vec![update(&row(7, 1, "new"), &row(7, 1, "newer"))]);
    bench.copies().await;
    bench.assert_equal().await;
}

/// The other way round: cells of a column that went are deleted.
#[tokio::test(start_paused = true)]
async fn cells_of_a_column_that_is_left_out_are_deleted_by_the_recopy() {
    let bench = Bench::unopened();
    let wider = bench.world.mapping.clone();
    let mut narrower = wider.clone();
    narrower.targets[0].columns.retain(|column| *column != ORDER);
    bench.commit((0..5).map(|item| insert(&row(1, item, "old"))).collect());
    bench.copies_with(parts(&bench, wider)).await;
    let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
    let options =
        RunOptions { tail: true, backfill: false, from: None, until_caught_up: true, accept_gap: false };
    let run = run_with(parts(&bench, narrower.clone()), options, recopies.clone(), CancellationToken::new());
    assert_eq!(run.await.expect("nothing is in the way"), Finished::CaughtUp);
    let target = &narrower.targets[0];
    let range = tailfill::sink::ScanRange { limit: 99, ..Default::default() };
    let rows = tailfill::sink::ReadRows::scan(&bench.world.sink, target.id, &range).await.expect("it reads");
    assert_eq!(rows.len(), 5);
    let names = rows.iter().flat_map(|row| &row.cells).map(|cell| cell.qualifier.clone());
    assert!(names.clone().all(|name| name == "note"), "{:?}", names.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_recopy_under_other_columns_that_is_killed_leaves_the_target_parked() {
    for tenth in 0..8 {
        let bench = copied().await;
        let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
        let options =
            RunOptions { tail: true, backfill: false, from: None, until_caught_up: true, accept_gap: false };
        let run = run_with(bench.parts(), options, recopies, CancellationToken::new());
        let killed = Duration::from_secs(45) + EXPIRY + Duration::from_millis(1 + 20 * tenth);
        let run = timeout(killed, run).await;
        bench.commit(vec![delete(&row(0, 1, "old"))]);
        if run.is_err() {
            let error = copy(bench.parts()).await.expect_err("it is parked");
            assert!(matches!(error, ProtocolError::Parked { .. }), "after {killed:?}: {error}");
        }
        let (report, _) = recopied(&bench, Ask { ..all(&bench) }).await;
        assert_eq!(report.state, JobState::Done, "{report:?}");
        bench.assert_equal().await;
        assert!(tenth > 0 || run.is_err(), "it is killed before it is done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_items_would_lie_elsewhere_is_refused_by_run_and_recopy() {
    let bench = copied().await;
    let mut elsewhere = before(&bench);
    elsewhere.targets[0].salt_buckets = 9;
    let said = |error: ProtocolError| {
        let ProtocolError::Refused { reason, advice } = error else { panic!("{error}") };
        assert!(reason.ends_with("since its copy began: salt_buckets was 4, is 9"), "{reason}");
        assert!(advice.contains("another HBase table"), "{advice}");
    };
    said(copy(parts(&bench, elsewhere.clone())).await.expect_err("it is refused"));
    bench.copies_with(parts(&bench, before(&bench))).await;
}
