//! Targets that are parked, join and leave, one by one.

use super::bench::{Bench, contents, delete, in_first_target, insert, row, ticks, update};
use super::gateway::Fate::{Fatal, Pass};
use crate::simulation::checker::compare;
use std::sync::Arc;
use tailfill::error::{Disposition, Exit};
use tailfill::model::{LifeCycle, Mapping, TargetId};
use tailfill::pipeline::Parts;
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Plan, ProtocolError};
use tailfill::sink::{ReadRows, ScanRange};
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};

const LATEST: TargetId = TargetId(0);
const MEMBER: TargetId = TargetId(1);

/// The life cycles of all targets, by the order of their names.
async fn lives(bench: &Bench) -> Vec<LifeCycle> {
    let stored = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail");
    let life = |(_, value): &(Vec<u8>, Vec<u8>)| records::decode::<LifeRecord>(value).expect("whole").state;
    stored.iter().map(life).collect()
}

fn is_parked(life: &LifeCycle) -> bool {
    matches!(life, LifeCycle::Parked { .. })
}

/// The differences in one table.
async fn differences(bench: &Bench, table: &str) -> Vec<String> {
    let all = compare(&bench.world).await;
    all.iter().map(ToString::to_string).filter(|text| text.contains(&format!("in {table}:"))).collect()
}

/// Parts of a run with some of the targets.
fn with_targets(bench: &Bench, ids: &[TargetId]) -> Parts {
    let all = bench.world.mapping.clone();
    let targets = all.targets.iter().filter(|target| ids.contains(&target.id)).cloned().collect();
    let plan = Plan::new(vec![Mapping { targets, ..all }], Cohort::All);
    Parts { plan: Arc::new(plan), ..bench.parts() }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_refused_is_parked_and_the_other_gets_everything() {
    let bench = Bench::opened().await;
    let kept = row(1, 1, "kept");
    bench.commit(vec![insert(&kept)]);
    bench.catches_up().await;
    bench.gateway.close([MEMBER]);
    for item in 2..9 {
        bench.commit(vec![insert(&row(1, item, "new"))]);
    }
    let last = bench.commit(vec![delete(&kept)]);
    let error = bench.fails().await;
    let ProtocolError::Parked { targets, .. } = &error else { panic!("{error:?}") };
    assert!(targets.contains("member") && !targets.contains("latest"), "{targets}");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Failed));
    assert_eq!(bench.checkpointed().await, crate::simulation::database::up_to(last), "the others went on");
    assert_eq!(lives(&bench).await.iter().map(is_parked).collect::<Vec<_>>(), [false, true]);
    assert_eq!(differences(&bench, "latest").await, Vec::<String>::new());
    assert!(
        !differences(&bench, "member").await.is_empty(),
        "it missed changes, and is not written to any more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_parked_target_stays_parked_after_a_restart_though_it_could_be_written_to() {
    let bench = Bench::opened().await;
    bench.gateway.close([MEMBER]);
    bench.commit(vec![insert(&row(1, 1, "a"))]);
    bench.fails().await;
    bench.gateway.close([]);
    bench.gateway.take_sent();
    bench.commit(vec![insert(&row(1, 2, "b"))]);
    assert!(matches!(bench.fails().await, ProtocolError::Parked { .. }));
    let sent = bench.gateway.take_sent();
    assert!(!sent.is_empty() && sent.iter().all(|call| call.target == LATEST));
    assert_eq!(differences(&bench, "latest").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_parks_nothing() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "a"))]);
    bench.gateway.next_writes([Fatal]);
    bench.catches_up().await;
    bench.assert_equal().await;
    assert!(!lives(&bench).await.iter().any(is_parked));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_left_out_for_a_run_is_parked_for_good() {
    let bench = Bench::opened().await;
    let gone = row(1, 1, "gone");
    bench.commit(vec![insert(&gone)]);
    bench.catches_up().await;
    bench.commit(vec![delete(&gone)]);
    bench.catches_up_with(with_targets(&bench, &[LATEST])).await;
    bench.gateway.take_sent();
    // back in the configuration: it holds an item that is deleted, and nobody may take it for complete
    bench.commit(vec![insert(&row(1, 2, "b"))]);
    assert!(matches!(bench.fails().await, ProtocolError::Parked { .. }));
    assert!(bench.gateway.take_sent().iter().all(|call| call.target == LATEST));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_joins_lets_the_others_be_replayed_with_their_ticks() {
    let bench = Bench::unopened();
    bench.catches_up_with(with_targets(&bench, &[LATEST])).await;
    let (old, new) = (row(1, 1, "old"), row(1, 1, "new"));
    bench.commit(vec![insert(&old)]);
    bench.commit(vec![update(&old, &new)]);
    bench.gateway.all_writes(Fatal);
    let error = bench.fails_with(with_targets(&bench, &[LATEST])).await;
    assert!(matches!(error, ProtocolError::Sink(_)), "{error:?}");
    let journaled = bench.journaled().await;
    assert_eq!(journaled.len(), 1);
    bench.gateway.take_sent();
    bench.gateway.all_writes(Pass);
    bench.catches_up().await;
    let contents = contents(&bench.gateway.take_sent());
    let of_first = ticks(&in_first_target(contents.clone()));
    assert_eq!(of_first[..1], journaled, "cut again, with the tick of before");
    assert_eq!(ticks(&contents), of_first, "and the target that joined gets the same batches");
    bench.assert_equal().await;
    assert!(!lives(&bench).await.iter().any(is_parked));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_joins_must_be_empty() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "a"))]);
    bench.catches_up().await;
    // a copy of the state that never knew the second target
    let key = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail")[1].0.clone();
    let forget = tailfill::store::Commit { delete: vec![(Space::LifeCycle, key)], ..Default::default() };
    bench.world.store.commit(forget).await.expect("commits do not fail");
    let error = bench.fails().await;
    assert!(
        matches!(&error, ProtocolError::Refused { reason, .. } if reason.contains("member holds rows")),
        "{error:?}"
    );
    let everything = ScanRange { limit: 9, ..ScanRange::default() };
    assert_eq!(bench.world.sink.scan_keys(MEMBER, &everything).await.expect("it reads").len(), 1);
}

/// A cell that HBase does not take.
fn too_large(item: u64) -> tailfill::model::Row {
    row(1, item, &"x".repeat(11 << 20))
}

#[tokio::test(start_paused = true)]
async fn a_row_that_hbase_cannot_take_parks_the_last_target_too_and_the_tail_goes_on() {
    let bench = Bench::opened().await;
    bench.commit(vec![insert(&row(1, 1, "a"))]);
    bench.catches_up().await;
    bench.commit(vec![insert(&too_large(2))]);
    bench.commit(vec![insert(&row(1, 3, "b"))]);
    let last = bench.commit(vec![delete(&too_large(2))]);
    let error = bench.fails().await;
    assert!(matches!(&error, ProtocolError::Parked { .. }), "{error:?}");
    assert_eq!(bench.checkpointed().await, crate::simulation::database::up_to(last));
    let lives = lives(&bench).await;
    let LifeCycle::Parked { reason } = &lives[0] else { panic!("{lives:?}") };
    for said in ["a cell of it has 11534336 bytes", "all such rows: SELECT", "recopy", "the binlog at"] {
        assert!(reason.contains(said), "{said:?} is not in {reason}");
    }
}
