//! Re-copy: what was missed is mended, whatever is committed, lost or late meanwhile, and wherever it is killed.

use super::bench::{Bench, EXPIRY, copy, delete, insert, row, update};
use super::gateway::Fate::{FailAfter, FailBefore, Late, Pass};
use crate::simulation::checker;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailfill::clock::Clock;
use tailfill::lock::{LeaseOptions, Leases, ListId};
use tailfill::model::{Layout, LifeCycle, Mapping, Row, Target, TargetId, Tick, Value};
use tailfill::pipeline::jobs::{Ask, JobState, RecopyReport, Touch, TouchKind, Touched};
use tailfill::pipeline::{Finished, Recopies, RunOptions, run_with};
use tailfill::protocol::ProtocolError;
use tailfill::sink::layout::Codec;
use tailfill::sink::{
    CountChange, CountedWrite, PackedRows, ReadCounts, RowWrite, ScanRange, WriteRows, layout,
};
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// No job of these tests takes longer, in virtual time.
const LONGEST: Duration = Duration::from_secs(600);
/// The gateway's operation time-out.
const LATE: Duration = Duration::from_secs(45);

/// Keeps what is touched in memory.
#[derive(Default)]
pub struct Noted(Mutex<Vec<(String, Touch)>>);

impl Touched for Noted {
    fn name(&self, _: &Mapping, key: &[Value], item: &[Value]) -> String {
        format!("{key:?} {item:?}")
    }

    fn note(&self, _: &str, target: &str, touches: &[Touch]) -> std::io::Result<()> {
        let mut noted = self.0.lock().expect("nothing panics while it is held");
        noted.extend(touches.iter().map(|touch| (target.to_owned(), touch.clone())));
        Ok(())
    }
}

impl Noted {
    pub fn take(&self) -> Vec<(String, Touch)> {
        std::mem::take(&mut *self.0.lock().expect("nothing panics while it is held"))
    }
}

pub fn all(bench: &Bench) -> Ask {
    Ask { mapping: bench.world.mapping.name.clone(), lists: None, dry_run: false }
}

fn lists(bench: &Bench, keys: &[u64]) -> Ask {
    Ask { lists: Some(keys.iter().map(|key| vec![Value::UInt(*key)]).collect()), ..all(bench) }
}

fn options() -> RunOptions {
    RunOptions { tail: true, backfill: false, from: None, until_caught_up: true, accept_gap: false }
}

pub async fn runs(bench: &Bench, recopies: &Recopies) -> Result<Finished, ProtocolError> {
    run_with(bench.parts(), options(), recopies.clone(), CancellationToken::new()).await
}

/// A run for this job alone.
pub async fn recopied(bench: &Bench, ask: Ask) -> (RecopyReport, Vec<(String, Touch)>) {
    let noted = Arc::new(Noted::default());
    let recopies = Recopies::only(noted.clone(), [ask]);
    let ended = timeout(LONGEST, runs(bench, &recopies)).await.expect("nothing is in the way");
    assert_eq!(ended.expect("nothing that needs a person"), Finished::CaughtUp);
    let report = recopies.reports().remove(0);
    (report, noted.take())
}

async fn is_mended(bench: &Bench, ask: Ask) -> (RecopyReport, Vec<(String, Touch)>) {
    let (report, noted) = recopied(bench, ask).await;
    assert_eq!(report.state, JobState::Done, "{report:?}");
    bench.assert_equal().await;
    (report, noted)
}

/// Puts an item into every target, past the protocol.
pub async fn plant(bench: &Bench, row: &Row, tick: Tick) {
    for target in &bench.world.mapping.targets {
        plant_in(bench, target, row, tick).await;
    }
}

async fn plant_in(bench: &Bench, target: &Target, row: &Row, tick: Tick) {
    let write = put(&bench.world.mapping, target, row, tick);
    bench.world.sink.write(target.id, &PackedRows::of([&write]).writes()).await.expect("it writes");
}

fn put(mapping: &Mapping, target: &Target, row: &Row, tick: Tick) -> RowWrite {
    let item = Codec::of(mapping, target).item_write(row).expect("it has an address");
    let row = item.address.row;
    RowWrite { row, tick, delete_family: false, puts: item.puts, delete_columns: item.nulls }
}

/// Takes an item out of every target, past the protocol.
async fn take_out(bench: &Bench, row: &Row) {
    let tick = now(bench).await;
    for target in &bench.world.mapping.targets {
        let RowWrite { row, puts, .. } = put(&bench.world.mapping, target, row, tick);
        let wide = target.layout == Layout::Wide;
        let delete_columns = puts.into_iter().map(|(name, _)| name).filter(|_| wide).collect();
        let write = RowWrite { row, tick, delete_family: !wide, puts: vec![], delete_columns };
        bench.world.sink.write(target.id, &PackedRows::of([&write]).writes()).await.expect("it writes");
    }
}

/// A tick above all that were handed out, and below all that will be.
async fn now(bench: &Bench) -> Tick {
    sleep(Duration::from_millis(5)).await;
    let now = bench.world.clock.now_ms();
    sleep(Duration::from_millis(5)).await;
    Tick(now)
}

/// Some lists, copied.
pub async fn copied(counted: bool) -> Bench {
    let bench = if counted { Bench::with_counts() } else { Bench::unopened() };
    for list in 0..6 {
        bench.commit((0..5).map(|item| insert(&row(list, item, "old"))).collect());
    }
    bench.copies().await;
    bench.assert_equal().await;
    bench
}

/// One of each kind: an extra item in a list, one in a list that MySQL has not, a missing and a different one.
pub async fn corrupt(bench: &Bench) {
    plant(bench, &row(1, 77, "its delete was missed"), Tick(50)).await;
    plant(bench, &row(99, 1, "the whole list is gone"), Tick(50)).await;
    let mut elsewhere = row(3, 2, "moved");
    elsewhere[2] = Value::Int(1_000);
    plant(bench, &elsewhere, Tick(50)).await;
    take_out(bench, &row(2, 3, "old")).await;
    plant(bench, &row(4, 4, "an update was missed"), now(bench).await).await;
}

pub async fn differences(bench: &Bench) -> usize {
    checker::compare(&bench.world).await.len() + checker::compare_counts(&bench.world).await.len()
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_difference_is_mended_and_each_item_is_noted() {
    let bench = copied(false).await;
    corrupt(&bench).await;
    let (report, noted) = is_mended(&bench, all(&bench)).await;
    for target in &report.targets {
        assert_eq!((target.newer, target.foreign), (0, 0), "{target:?}");
    }
    let of = |table: &str| {
        let target = report.targets.iter().find(|target| target.table == table).expect("it is there");
        (target.written, target.deleted)
    };
    // where addresses hold no order, the item that moved is below the one that is right
    assert_eq!((of("latest"), of("member")), ((2, 3), (2, 2)));
    let count = |what: TouchKind| noted.iter().filter(|(_, touch)| touch.what == what).count();
    assert_eq!((count(TouchKind::Written), count(TouchKind::Deleted)), (4, 5));
    assert!(noted.iter().all(|(_, touch)| touch.tick.is_some() && !touch.name.contains("missed")));
    let (again, noted) = is_mended(&bench, all(&bench)).await;
    assert!(again.targets.iter().all(|target| target.touched() == 0) && noted.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_lists_that_are_asked_for_are_touched() {
    let bench = copied(false).await;
    corrupt(&bench).await;
    let before = differences(&bench).await;
    let (report, _) = recopied(&bench, lists(&bench, &[1, 2])).await;
    assert_eq!(report.state, JobState::Done);
    assert_eq!(differences(&bench).await, before - 4, "an extra and a missing item in each of two targets");
    is_mended(&bench, lists(&bench, &[3, 4, 99])).await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_the_same_and_touches_nothing() {
    let bench = copied(true).await;
    corrupt(&bench).await;
    let before = differences(&bench).await;
    let (dry, noted) = recopied(&bench, Ask { dry_run: true, ..all(&bench) }).await;
    assert_eq!((dry.state.clone(), noted), (JobState::Done, vec![]));
    assert_eq!(differences(&bench).await, before);
    let (wet, _) = is_mended(&bench, all(&bench)).await;
    let touched = |report: &RecopyReport| -> Vec<(u64, u64, Vec<String>)> {
        let names =
            |examples: &[String]| examples.iter().map(|text| text.replacen("to be ", "", 1)).collect();
        let of =
            |t: &tailfill::pipeline::jobs::RecopyTargetReport| (t.written, t.deleted, names(&t.examples));
        report.targets.iter().map(of).collect()
    };
    // counts that are wrong by a planted item are right once it is gone, so that they are not counted twice
    assert_eq!(touched(&dry)[1..], touched(&wet)[1..]);
    let said =
        |report: &RecopyReport| report.targets.iter().flat_map(|t| t.examples.clone()).collect::<Vec<_>>();
    assert!(said(&dry).iter().all(|example| example.starts_with("to be ")), "{dry:?}");
    assert!(!said(&wet).iter().any(|example| example.starts_with("to be ")), "{wet:?}");
}

#[tokio::test(start_paused = true)]
async fn items_that_take_longer_together_than_a_lease_lasts_are_settled_a_few_at_a_time() {
    for counted in [false, true] {
        let bench = copied(counted).await;
        for item in 100..160 {
            plant(&bench, &row(item % 6, item, "its delete was missed"), Tick(50)).await;
        }
        // sixty of them take half a minute, and a lease lasts ten seconds
        bench.gateway.items_take(Duration::from_millis(500));
        is_mended(&bench, all(&bench)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_while_both_sides_are_read_keeps_nothing_of_what_it_was_before() {
    let bench = copied(false).await;
    for item in 100..200 {
        plant(&bench, &row(item % 6, item, "its delete was missed"), Tick(50)).await;
    }
    bench.gateway.key_scans_take(Duration::from_secs(2));
    let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
    let changes = async {
        // from before the horizon is over until both sides are read
        sleep(Duration::from_secs(50)).await;
        for item in 100..200 {
            let mut back = row(item % 6, item, "");
            back[3] = Value::Null;
            bench.commit(vec![insert(&back)]);
            sleep(Duration::from_millis(300)).await;
        }
    };
    let (ended, ()) = tokio::join!(timeout(LONGEST, runs(&bench, &recopies)), changes);
    assert_eq!(ended.expect("it ends").expect("nothing that needs a person"), Finished::CaughtUp);
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn counted_rows_are_mended_with_their_counts() {
    let bench = copied(true).await;
    corrupt(&bench).await;
    let (report, _) = is_mended(&bench, all(&bench)).await;
    assert!(report.targets[0].recounted > 0, "the planted items are in no count: {report:?}");
    // a count that is wrong though every item is right
    let wide = TargetId(0);
    let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
    let found = bench.world.sink.scan_counts(wide, &everything).await.expect("it reads").remove(2);
    let write = CountedWrite {
        row: found.row,
        expected: found.tick,
        tick: now(&bench).await,
        puts: vec![],
        delete_columns: vec![],
        count: CountChange::Set(4_711),
    };
    assert!(bench.world.sink.write_counted(wide, &write).await.expect("it writes"));
    assert_eq!(differences(&bench).await, 1);
    let (report, noted) = is_mended(&bench, all(&bench)).await;
    assert_eq!((report.targets[0].recounted, report.targets[0].touched(), noted.len()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_during_a_recopy_is_neither_lost_nor_undone() {
    let bench = copied(true).await;
    corrupt(&bench).await;
    bench.gateway.scans_take(Duration::from_millis(400));
    let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench), all(&bench)]);
    let changes = async {
        // from before the horizon is over until after the end
        for round in 0..400_u64 {
            let (list, item) = (round % 6, 100 + round % 4);
            let new = row(list, item, "new");
            bench.commit(vec![insert(&new)]);
            sleep(Duration::from_millis(90)).await;
            let newer = row(list, item, "newer");
            bench.commit(vec![update(&new, &newer)]);
            sleep(Duration::from_millis(60)).await;
            bench.commit(vec![delete(&newer)]);
            // those that were corrupted move too
            match round {
                200 => _ = bench.commit(vec![delete(&row(2, 3, "old")), delete(&row(4, 4, "old"))]),
                300 => _ = bench.commit(vec![insert(&row(1, 77, "again"))]),
                _ => {}
            }
        }
    };
    let (ended, ()) = tokio::join!(timeout(LONGEST, runs(&bench, &recopies)), changes);
    assert_eq!(ended.expect("it ends").expect("nothing that needs a person"), Finished::CaughtUp);
    assert!(recopies.reports().iter().all(|report| report.state == JobState::Done));
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn writes_of_a_recopy_that_fail_are_late_or_lose_their_replies_do_no_harm() {
    let bench = copied(true).await;
    corrupt(&bench).await;
    let late = Duration::from_secs(90);
    bench.gateway.next_writes([FailBefore, FailAfter, Late(late), FailBefore, Late(late), FailAfter]);
    bench.gateway.next_counted([FailBefore, FailAfter, Late(late), FailAfter], Pass);
    is_mended(&bench, all(&bench)).await;
    // one of the items that were written is deleted, one that was deleted comes back, before the late ones land
    bench.commit(vec![delete(&row(2, 3, "old")), insert(&row(1, 77, "again"))]);
    bench.catches_up().await;
    bench.assert_equal().await;
    sleep(late * 2).await;
    assert_eq!(bench.gateway.landed_late(), 3);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_recopy_that_is_killed_anywhere_and_repeated_is_right() {
    for tenth in 0..40 {
        let bench = copied(true).await;
        corrupt(&bench).await;
        bench.gateway.scans_take(Duration::from_millis(300));
        let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
        let killed = LATE + EXPIRY + Duration::from_millis(100 * tenth);
        let run = timeout(killed, runs(&bench, &recopies)).await;
        bench.commit(vec![delete(&row(5, 0, "old")), insert(&row(2, 50, "meanwhile"))]);
        is_mended(&bench, all(&bench)).await;
        assert!(tenth > 0 || run.is_err(), "it is killed before it is done");
    }
}

/// A write of before that lands `after` the start of the re-copy of its mapping, whose delete was missed.
pub async fn with_a_late_write(bench: &Bench, after: Duration) {
    let (sink, mapping) = (bench.world.sink.clone(), bench.world.mapping.clone());
    tokio::spawn(async move {
        sleep(after).await;
        for target in &mapping.targets {
            let write = put(&mapping, target, &row(1, 88, "from before"), Tick(60));
            sink.write(target.id, &PackedRows::of([&write]).writes()).await.expect("it writes");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_write_of_before_that_lands_late_is_waited_for_and_deleted() {
    let bench = copied(false).await;
    with_a_late_write(&bench, LATE + EXPIRY - Duration::from_secs(1)).await;
    let begin = Instant::now();
    let (report, _) = is_mended(&bench, all(&bench)).await;
    assert!(begin.elapsed() >= LATE + EXPIRY);
    assert_eq!(report.targets.iter().map(|target| target.deleted).collect::<Vec<_>>(), [1, 1]);
    // and once more: it lies below its delete
    with_a_late_write(&bench, Duration::ZERO).await;
    sleep(Duration::from_secs(1)).await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn beside_a_run_that_has_its_state_for_long_nothing_is_waited_for() {
    let bench = copied(false).await;
    let (recopies, stop) = (Recopies::taken(Arc::new(Noted::default())), CancellationToken::new());
    let options = RunOptions { until_caught_up: false, backfill: true, ..options() };
    let run = tokio::spawn(run_with(bench.parts(), options, recopies.clone(), stop.clone()));
    sleep(LATE + EXPIRY + Duration::from_secs(1)).await;
    corrupt(&bench).await;
    let begin = Instant::now();
    let number = recopies.enqueue(all(&bench)).expect("it takes jobs");
    recopies.all_over().await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(recopies.report(number).expect("it is known").state, JobState::Done);
    stop.cancel();
    assert_eq!(run.await.expect("it does not panic").expect("a clean stop"), Finished::Stopped);
    bench.catches_up().await;
    bench.assert_equal().await;
    assert!(recopies.enqueue(all(&bench)).is_err(), "it is over");
}

#[tokio::test(start_paused = true)]
async fn what_others_stamp_above_every_mark_is_said_and_left_alone() {
    let bench = copied(false).await;
    let future = Tick(bench.world.clock.now_ms() + 3_600_000);
    plant(&bench, &row(1, 77, "from the future"), future).await;
    let (report, noted) = recopied(&bench, all(&bench)).await;
    assert_eq!(report.state, JobState::Done);
    assert!(report.targets.iter().all(|target| (target.newer, target.touched()) == (1, 0)), "{report:?}");
    assert_eq!(noted, vec![]);
    // nor is a row that is none of the mapping
    let target = &bench.world.mapping.targets[0];
    let write = RowWrite {
        row: Bytes::from_static(b"\xffnone of ours"),
        ..put(&bench.world.mapping, target, &row(0, 0, "x"), Tick(9))
    };
    bench.world.sink.write(target.id, &PackedRows::of([&write]).writes()).await.expect("it writes");
    let (report, _) = recopied(&bench, all(&bench)).await;
    assert_eq!(report.targets.iter().map(|target| target.foreign).collect::<Vec<_>>(), [1, 0]);
}

async fn lives(bench: &Bench) -> Vec<LifeCycle> {
    let stored = bench.world.store.list(Space::LifeCycle, &[]).await.expect("reads do not fail");
    stored.iter().map(|(_, life)| records::decode::<LifeRecord>(life).expect("whole").state).collect()
}

/// The last target is parked, and has missed a delete, an insert and an update since.
async fn parked() -> Bench {
    let bench = copied(true).await;
    let last = bench.world.mapping.targets.last().expect("it has targets").id;
    bench.gateway.close([last]);
    bench.commit(vec![insert(&row(0, 9, "missed"))]);
    for item in 0..9 {
        bench.commit(vec![insert(&row(7, item, "missed"))]);
    }
    bench.commit(vec![delete(&row(1, 1, "old")), update(&row(2, 2, "old"), &row(2, 2, "missed"))]);
    assert!(matches!(bench.fails().await, ProtocolError::Parked { .. }));
    bench.gateway.close([]);
    bench
}

#[tokio::test(start_paused = true)]
async fn a_parked_target_is_copied_again_and_tailed_from_then_on() {
    let bench = parked().await;
    let error = recopied(&bench, Ask { lists: Some(vec![]), ..all(&bench) }).await.0;
    assert_eq!(error.targets.len(), 2, "lists of a parked target are left out: {error:?}");
    let (report, _) = is_mended(&bench, all(&bench)).await;
    let unparked: Vec<bool> = report.targets.iter().map(|target| target.unparked).collect();
    assert_eq!(unparked, [false, false, true]);
    assert!(!lives(&bench).await.iter().any(|life| matches!(life, LifeCycle::Parked { .. })));
    bench.commit(vec![delete(&row(0, 9, "missed")), insert(&row(1, 1, "again"))]);
    bench.copies().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_target_whose_recopy_is_killed_is_parked_still_and_mended_by_the_next() {
    for tenth in 0..12 {
        let bench = parked().await;
        let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
        let killed = LATE + EXPIRY + Duration::from_millis(1 + 20 * tenth);
        let run = timeout(killed, runs(&bench, &recopies)).await;
        bench.commit(vec![delete(&row(0, 0, "old")), insert(&row(0, 12, "meanwhile"))]);
        if run.is_err() {
            assert!(
                matches!(copy(bench.parts()).await, Err(ProtocolError::Parked { .. })),
                "after {killed:?}"
            );
        }
        bench.commit(vec![delete(&row(3, 3, "old"))]);
        is_mended(&bench, all(&bench)).await;
        assert!(tenth > 0 || run.is_err(), "it is killed before it is done");
    }
}

/// The tail has read it, has sealed nothing of it, and the engine commits it late: a SELECT does not show it, and what was
/// taken in before the target came back lacks the target.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_read_before_a_target_came_back_is_not_missed_by_it() {
    let mut bench = parked().await;
    let open = Duration::from_secs(200);
    bench.settings.batch_wait = open;
    bench.settings.batch_rows = 2_000;
    let (recopies, stop) = (Recopies::taken(Arc::new(Noted::default())), CancellationToken::new());
    let options = RunOptions { until_caught_up: false, ..options() };
    let run = tokio::spawn(run_with(bench.parts(), options, recopies.clone(), stop.clone()));
    sleep(Duration::from_secs(1)).await;
    let change = vec![delete(&row(5, 0, "old")), insert(&row(5, 60, "new"))];
    let number = bench.world.database.publish(change, bench.world.clock.now_micros());
    sleep(Duration::from_secs(1)).await;
    recopies.enqueue(all(&bench)).expect("it takes jobs");
    let committed = async {
        sleep(LATE + EXPIRY + Duration::from_secs(20)).await;
        bench.world.database.commit(number, true);
    };
    tokio::join!(recopies.all_over(), committed);
    assert!(
        recopies.reports().iter().all(|report| report.state == JobState::Done),
        "{:?}",
        recopies.reports()
    );
    sleep(open).await; // by now it is sealed and written
    stop.cancel();
    run.await.expect("it does not panic").expect("a clean stop");
    bench.catches_up().await;
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_refused_while_it_is_copied_again_stays_parked_and_ends_nothing() {
    let bench = parked().await;
    let last = bench.world.mapping.targets.last().expect("it has targets").id;
    bench.gateway.close([last]);
    let (report, _) = recopied(&bench, all(&bench)).await;
    assert!(matches!(report.state, JobState::Failed(_)), "{report:?}");
    assert!(lives(&bench).await.iter().any(|life| matches!(life, LifeCycle::Parked { .. })));
    bench.gateway.close([]);
    bench.commit(vec![delete(&row(3, 3, "old"))]);
    is_mended(&bench, all(&bench)).await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_parked_while_others_go_on_can_come_back_while_they_go_on() {
    let bench = copied(false).await;
    let last = bench.world.mapping.targets.last().expect("it has targets").id;
    let (recopies, stop) = (Recopies::taken(Arc::new(Noted::default())), CancellationToken::new());
    let options = RunOptions { until_caught_up: false, ..options() };
    let run = tokio::spawn(run_with(bench.parts(), options, recopies.clone(), stop.clone()));
    bench.gateway.close([last]);
    for item in 0..9 {
        bench.commit(vec![insert(&row(7, item, "missed"))]);
        sleep(Duration::from_millis(300)).await;
    }
    bench.gateway.close([]);
    bench.commit(vec![delete(&row(1, 1, "old"))]);
    sleep(Duration::from_secs(1)).await;
    assert!(lives(&bench).await.iter().any(|life| matches!(life, LifeCycle::Parked { .. })));
    let begin = Instant::now();
    recopies.enqueue(all(&bench)).expect("it takes jobs");
    let changes = async {
        for item in 0..70 {
            bench.commit(vec![insert(&row(2, 50 + item, "meanwhile"))]);
            sleep(Duration::from_millis(500)).await;
            bench.commit(vec![delete(&row(2, 50 + item, "meanwhile"))]);
            sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::join!(recopies.all_over(), changes);
    assert!(begin.elapsed() > LATE, "what was sent before it was parked may land late");
    stop.cancel();
    run.await.expect("it does not panic").expect("a clean stop");
    bench.catches_up().await;
    bench.assert_equal().await;
}

/// While a lease is held elsewhere the job's ticket must not keep the tail off the list: the job's next turn waits for it.
#[tokio::test(start_paused = true)]
async fn lists_that_another_program_holds_delay_a_recopy_and_stop_nobody() {
    let bench = copied(true).await;
    corrupt(&bench).await;
    let held_for = Duration::from_secs(25);
    let lasting = LeaseOptions { expiry: held_for, ..LeaseOptions::default() };
    let (server, entropy) = (Arc::new(bench.world.leases.clone()), bench.world.dice.entropy());
    let names = vec![bench.world.mapping.name.clone()];
    let another = Leases::new(Some(server), names, lasting, entropy, "another program".into());
    let key = layout::list_key_of(&bench.world.mapping, &[Value::UInt(1)]).expect("a key");
    let list = ListId::new(bench.world.mapping.id.0, &key);
    let (recopies, stop) = (Recopies::taken(Arc::new(Noted::default())), CancellationToken::new());
    let options = RunOptions { until_caught_up: false, ..options() };
    let run = tokio::spawn(run_with(bench.parts(), options, recopies.clone(), stop.clone()));
    sleep(LATE + EXPIRY + Duration::from_secs(1)).await;
    let held = another.acquire_all(&[list], another.claim().ticket()).await.expect("nobody has it");
    recopies.enqueue(all(&bench)).expect("it takes jobs");
    let begin = Instant::now();
    let changes = async {
        for item in 0..40 {
            bench.commit(vec![
                insert(&row(1, 50 + item, "meanwhile")),
                insert(&row(2, 50 + item, "meanwhile")),
            ]);
            sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(LONGEST, async { tokio::join!(recopies.all_over(), changes) })
        .await
        .expect("nobody waits for ever");
    assert!(begin.elapsed() >= Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(held);
    stop.cancel();
    run.await.expect("it does not panic").expect("a clean stop");
    bench.catches_up().await;
    bench.assert_equal().await;
}
