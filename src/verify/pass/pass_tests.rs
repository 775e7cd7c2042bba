use super::super::fixtures::{World, edge, mapping, other_layouts};
use super::super::{Pacer, Tail, Verification, VerifyError, VerifyReport, full_pass};
use super::{FileError, Part, Pass, Saved};
use crate::compare::ReadPermit;
use crate::error::Exit;
use crate::model::{Mapping, Pilot, Position, Reached, Tick, Value};
use crate::protocol::cohort::Cohort;
use crate::sink::CountChange;
use crate::sink::layout::Codec;
use crate::store::records::CheckpointRecord;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;

/// Lets so many pieces be read, and then none. So whoever it stops has come to the boundary of a chunk or a page.
struct Steps {
    left: AtomicUsize,
    over: Notify,
}

#[async_trait]
impl Pacer for Steps {
    async fn permit(&self, most: usize) -> ReadPermit {
        if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() {
            self.over.notify_one();
            std::future::pending::<()>().await;
        }
        // pages end in the middle of buckets and of wide rows
        ReadPermit::free(most.min(6))
    }

    fn waits(&self) -> Option<String> {
        None
    }
}

/// What a process did with a pass.
enum Ended {
    With(Box<Result<VerifyReport, VerifyError>>),
    /// It was interrupted, and has left this.
    Left(Vec<u8>),
}

/// Works on a pass for so many pieces.
async fn part(with: &Verification, earlier: Option<&[u8]>, pieces: usize) -> Ended {
    let steps = Arc::new(Steps { left: AtomicUsize::new(pieces), over: Notify::new() });
    let with = Verification { pacer: Some(steps.clone()), ..with.clone() };
    let pass = Pass::new(Vec::new(), earlier.map(|bytes| Saved::decode(bytes).expect("it was saved")));
    let ended = tokio::select! { biased;
        () = steps.over.notified() => None,
        report = full_pass(&with, &pass) => Some(report),
    };
    match ended {
        Some(report) => {
            assert_eq!(pass.is_complete(), report.is_ok());
            Ended::With(Box::new(report))
        }
        None => Ended::Left(pass.saved().expect("it has begun")),
    }
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// A pass that is interrupted after so many pieces, and resumed by the second verification after `between`.
fn interrupted(
    pieces: usize,
    (first, second): (&Verification, &Verification),
    between: impl FnOnce(),
) -> (Result<VerifyReport, VerifyError>, bool) {
    blocking(async {
        match part(first, None, pieces).await {
            Ended::With(report) => (*report, false),
            Ended::Left(bytes) => {
                between();
                match part(second, Some(&bytes), usize::MAX).await {
                    Ended::With(report) => (*report, true),
                    Ended::Left(_) => panic!("nothing stopped it"),
                }
            }
        }
    })
}

fn whole(with: &Verification) -> VerifyReport {
    let (report, was_interrupted) = interrupted(usize::MAX, (with, with), || ());
    assert!(!was_interrupted);
    report.expect("a report")
}

fn not_resumed(ended: (Result<VerifyReport, VerifyError>, bool)) -> String {
    match ended {
        (Err(VerifyError::NotResumed { reason }), true) => reason,
        (other, was_interrupted) => panic!("{other:?}, interrupted: {was_interrupted}"),
    }
}

/// Three lists of 20 items, equal on both sides.
fn filled(world: World) -> World {
    for (followee, follower) in (0..3).flat_map(|list| (0..20).map(move |item| (list, item))) {
        let note = (follower % 3 != 0).then_some("note");
        world.change((followee, follower), Some(edge(followee, follower, follower as i64, note)));
    }
    world
}

/// Items come, go and change in every list.
fn write(world: &World) {
    for followee in 0..3 {
        world.change((followee, 3), None);
        world.change((followee, 7), Some(edge(followee, 7, 99, Some("moved"))));
        world.change((followee, 11), Some(edge(followee, 11, 11, Some("other"))));
        world.change((followee, 50 + followee), Some(edge(followee, 50 + followee, 1, Some("new"))));
    }
}

/// In the first list and in the last one something is missing, too much, and different: three in each target.
fn plant(world: &World) {
    for target in &world.mapping.targets {
        let write = |row: crate::model::Row, value: &'static str| {
            let write = Codec::of(&world.mapping, target).item_write(&row).expect("a write");
            let puts: Vec<(Bytes, Bytes)> =
                write.puts.iter().map(|(name, _)| (name.clone(), Bytes::from(value))).collect();
            world.write(target, write.address.row, puts, vec![]);
        };
        world.lose(target, &edge(0, 5, 5, Some("note")));
        write(edge(2, 77, 3, Some("note")), "x");
        write(edge(2, 14, 14, Some("note")), "y");
    }
}

fn worlds() -> [fn() -> World; 2] {
    [World::new, || World::of(other_layouts())]
}

fn verification(world: &World) -> Verification {
    let mut with = world.verification(true);
    with.counts_due = world.mapping.targets.iter().map(|target| target.id).collect();
    with
}

#[test]
fn equal_sides_stay_equal_wherever_the_pass_is_interrupted_and_whatever_is_written_then() {
    for new in worlds() {
        for pieces in 0.. {
            let world = filled(new());
            let with = verification(&world);
            let (report, was_interrupted) = interrupted(pieces, (&with, &with), || write(&world));
            let report = report.expect("a report");
            assert_eq!((report.exit(), report.equal), (Exit::Done, true), "after {pieces}: {report}");
            if !was_interrupted {
                assert!(pieces > 30, "it was interrupted {pieces} times");
                assert!(report.began_ms.is_none() && report.notes.is_empty(), "{report}");
                break;
            }
            let note = &report.notes[0];
            assert!(report.began_ms.is_some() && note.contains("was interrupted once"), "{report}");
            assert_eq!(report.mysql_rows_counted % 60, 0, "what was counted first: {report}");
        }
    }
}

/// Every boundary of the first reading, and some of the second one.
fn boundaries(new: fn() -> World) -> impl Iterator<Item = usize> {
    let world = filled(new());
    let with = verification(&world);
    // where nothing differs there is no second reading
    let first = (0..).find(|pieces| matches!(blocking(part(&with, None, *pieces)), Ended::With(_)));
    let first = first.expect("it ends");
    (0..first).chain([first, first + 5, first + 10, usize::MAX])
}

#[test]
fn differences_on_both_sides_of_the_interruption_are_found_wherever_it_is() {
    for new in worlds() {
        for pieces in boundaries(new) {
            let world = filled(new());
            plant(&world);
            let with = verification(&world);
            let (report, _) = interrupted(pieces, (&with, &with), || write(&world));
            let report = report.expect("a report");
            let found = [report.missing, report.extra, report.different];
            let targets = world.mapping.targets.len() as u64;
            assert_eq!(
                (found, report.unexplained, report.judged),
                ([targets; 3], 0, true),
                "after {pieces}: {report}"
            );
        }
    }
}

#[test]
fn a_pass_that_is_interrupted_after_each_piece_ends_as_one_that_is_not() {
    for (new, planted) in worlds().into_iter().flat_map(|new| [(new, false), (new, true)]) {
        let world = filled(new());
        if planted {
            plant(&world);
        }
        let with = verification(&world);
        let expected = whole(&with);
        let report = blocking(async {
            let mut left: Option<Vec<u8>> = None;
            for pieces in std::iter::repeat_n(1, 80).chain([usize::MAX]) {
                world.elsewhere();
                world.tail();
                match part(&with, left.as_deref(), pieces).await {
                    Ended::With(report) => return report.expect("a report"),
                    Ended::Left(bytes) => left = Some(bytes),
                }
            }
            panic!("it does not end");
        });
        let by_target = |report: &VerifyReport| report.targets.clone();
        assert_eq!(by_target(&report), by_target(&expected), "{report}\n{expected}");
        assert!(report.notes[0].contains(" times"), "{report}");
    }
}

#[test]
fn what_was_found_in_a_mapping_that_was_done_is_kept() {
    for at in (0..).step_by(4) {
        let world = filled(World::new());
        plant(&world);
        let mut with = verification(&world);
        let one =
            |at: usize| Mapping { targets: vec![world.mapping.targets[at].clone()], ..world.mapping.clone() };
        with.mappings = vec![one(0), one(1)];
        let expected = whole(&with);
        let (report, was_interrupted) = interrupted(at, (&with, &with), || ());
        let report = report.expect("a report");
        assert_eq!(report.targets, expected.targets, "after {at}");
        assert!(report.targets[0].lists.keys().is_some_and(|lists| lists.len() == 2), "for a re-copy");
        if !was_interrupted {
            return;
        }
    }
}

#[test]
fn the_lists_of_a_pilot_are_counted_as_without_an_interruption() {
    for at in (0..).step_by(4) {
        let world = filled(World::new());
        let mut with = verification(&world);
        let mut pilot = Pilot::default();
        (0..3).for_each(|list| pilot.add("followers", vec![Value::UInt(list)]));
        with.cohort = Cohort::of(pilot, &with.mappings).expect("keys with a form");
        let expected = whole(&with);
        let (report, was_interrupted) = interrupted(at, (&with, &with), || ());
        let report = report.expect("a report");
        assert_eq!(report.targets, expected.targets, "after {at}");
        assert_eq!(report.targets[0].lists_compared, Some(3));
        if !was_interrupted {
            return;
        }
    }
}

#[test]
fn a_wrong_count_is_found_wherever_the_pass_is_interrupted() {
    for at in boundaries(|| World::of(other_layouts())).step_by(3) {
        let world = filled(World::of(other_layouts()));
        for target in world.mapping.targets.iter().filter(|target| target.counted) {
            let address =
                Codec::of(&world.mapping, target).address(&edge(1, 0, 0, None)).expect("an address");
            world.recount(target, &address.row, CountChange::Set(77));
        }
        let with = verification(&world);
        let (report, _) = interrupted(at, (&with, &with), || write(&world));
        let report = report.expect("a report");
        assert_eq!((report.miscounted, report.judged), (2, true), "after {at}: {report}");
    }
}

/// A re-copy makes HBase right without a change in the binlog. So what was read before it does not fit what is there now.
#[test]
fn a_recopy_during_the_interruption_is_never_called_equal_where_its_lists_were_read_before() {
    let (mut before, mut behind) = (0, 0);
    for pieces in boundaries(World::new) {
        let world = filled(World::new());
        let row = edge(2, 5, 5, Some("note"));
        world.mapping.targets.iter().for_each(|target| world.lose(target, &row));
        let with = verification(&world);
        let (report, was_interrupted) = interrupted(pieces, (&with, &with), || world.store(&row));
        if !was_interrupted {
            continue;
        }
        let report = report.expect("a report");
        assert_eq!([report.missing, report.extra, report.different], [0; 3], "after {pieces}: {report}");
        match report.equal {
            true => before += 1,
            false => {
                assert!(!report.judged && report.unexplained > 0, "after {pieces}: {report}");
                behind += 1;
            }
        }
    }
    assert!(before > 0 && behind > 0, "{before} and {behind}");
}

#[test]
fn a_pass_of_something_else_is_not_resumed() {
    let world = filled(World::new());
    let with = verification(&world);
    let other = |change: &dyn Fn(&mut Verification)| {
        let mut other = with.clone();
        change(&mut other);
        not_resumed(interrupted(3, (&with, &other), || ()))
    };
    let of_target = |change: fn(&mut crate::model::Target)| {
        other(&|with: &mut Verification| change(&mut with.mappings[0].targets[1]))
    };
    let target = "the target has, family f, of mapping followers is not the same now";
    assert!(of_target(|target| target.columns = vec![2]).contains(target));
    assert!(of_target(|target| target.salt_buckets = 8).contains(target));
    assert!(of_target(|target| target.counted = true).contains(target));
    let reason = of_target(|target| target.table = "elsewhere".into());
    assert!(
        reason.contains("the target has, family f") || reason.contains("the target elsewhere"),
        "{reason}"
    );
    let reason = other(&|with| {
        let mut schema = (*with.mappings[0].schema).clone();
        schema.columns[3].declared = "longtext".into();
        with.mappings[0].schema = Arc::new(schema);
    });
    assert!(reason.contains("the definition of table s.follows"), "{reason}");
    let reason = other(&|with| {
        let mut pilot = Pilot::default();
        pilot.add("followers", vec![Value::UInt(1)]);
        with.cohort = Cohort::of(pilot, &with.mappings).expect("a key with a form");
    });
    assert!(reason.contains("which lists are compared"), "{reason}");
    let reason = other(&|with| with.mappings.push(Mapping { name: "more".into(), ..mapping() }));
    assert!(reason.contains("of mapping more"), "{reason}");
    let reason = other(&|with| with.tail = Tail::Stopped { checkpoint: None });
    assert_eq!(reason, "it began beside a run, and no run tails now");
}

#[test]
fn a_pass_without_a_run_is_not_resumed_once_a_run_has_written() {
    let world = filled(World::new());
    let at = |reached: Reached| {
        let position = Position { server_uuid: String::new(), reached, file: String::new(), offset: 0 };
        let (tick_high, replaying_until) = (Tick(0), Reached::default());
        let mut with = verification(&world);
        let checkpoint = Some(CheckpointRecord { position, tick_high, replaying_until, witness: None });
        with.tail = Tail::Stopped { checkpoint };
        with
    };
    let first = at(world.executed_now());
    let (report, _) = interrupted(3, (&first, &first), || ());
    assert!(report.expect("a report").equal);
    world.elsewhere();
    let second = at(world.executed_now());
    assert!(
        not_resumed(interrupted(3, (&first, &second), || ())).contains("a run has written to HBase since")
    );
    let reason = not_resumed(interrupted(3, (&first, &verification(&world)), || ()));
    assert_eq!(reason, "it began without a run, and a run tails now");
}

#[test]
fn a_pass_is_not_resumed_without_the_binlog_since_it_began_or_behind_a_statement() {
    let world = filled(World::new());
    let with = verification(&world);
    world.purge();
    assert!(whole(&with).equal, "nothing that it needs is gone");
    let again = || interrupted(3, (&with, &with), || write(&world));
    assert!(again().0.expect("a report").equal);
    let purged = || {
        write(&world);
        world.purge();
    };
    let reason = not_resumed(interrupted(3, (&with, &with), purged));
    assert!(reason.starts_with("MySQL does not have the binlog any more since it began"), "{reason}");
    let reason = not_resumed(interrupted(3, (&with, &with), || world.lose_newest()));
    assert!(reason.starts_with("MySQL has lost 1 transaction ("), "{reason}");
    let reason = not_resumed(interrupted(3, (&with, &with), || world.alter()));
    assert!(reason.starts_with("table s.follows was changed since: "), "{reason}");
    assert!(again().0.expect("a report").equal, "the statement lies before it");
}

#[test]
fn a_tail_that_ends_leaves_a_pass_that_goes_on_beside_the_next_run() {
    let world = filled(World::new());
    plant(&world);
    let with = verification(&world);
    let report = blocking(async {
        let pass = Pass::new(Vec::new(), None);
        world.before(super::super::fixtures::Call::Items, World::end_tail);
        let report = full_pass(&with, &pass).await.expect("a report");
        assert!(!report.judged && !pass.is_complete(), "{report}");
        let bytes = pass.saved().expect("it has begun");
        let with = verification(&world); // a run is up again
        match part(&with, Some(&bytes), usize::MAX).await {
            Ended::With(report) => report.expect("a report"),
            Ended::Left(_) => panic!("nothing stopped it"),
        }
    });
    assert_eq!([report.missing, report.extra, report.different], [2; 3], "{report}");
}

#[test]
fn the_time_that_all_processes_worked_counts() {
    let world = filled(World::new());
    let with = verification(&world);
    let report = blocking(async {
        let Ended::Left(bytes) = part(&with, None, 5).await else { panic!("it was interrupted") };
        let mut saved = Saved::decode(&bytes).expect("it was saved");
        saved.worked_ms = 7_000;
        full_pass(&with, &Pass::new(Vec::new(), Some(saved))).await.expect("a report")
    });
    assert!((7.0..8.0).contains(&report.seconds), "{report}");
}

fn left(world: &World, pieces: usize) -> Vec<u8> {
    let with = verification(world);
    match blocking(part(&with, None, pieces)) {
        Ended::Left(bytes) => bytes,
        Ended::With(_) => panic!("it was interrupted"),
    }
}

#[test]
fn bytes_that_were_cut_off_or_changed_anywhere_are_an_error() {
    let world = World::of(other_layouts());
    (0..4).for_each(|item| world.change((1, item), Some(edge(1, item, item as i64, Some("note")))));
    let whole = left(&world, 12);
    assert!(Saved::decode(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(Saved::decode(&whole[..end]).is_err(), "cut off after {end} bytes");
    }
    let mut bytes = whole.clone();
    for at in 0..whole.len() {
        bytes[at] ^= 1 << (at % 8);
        assert!(Saved::decode(&bytes).is_err(), "byte {at} was changed");
        bytes[at] = whole[at];
    }
    bytes.push(0);
    assert!(Saved::decode(&bytes).is_err(), "longer");
    assert_eq!(Saved::decode(b"an image, say").err(), Some(FileError::Foreign));
    let mut other = whole.clone();
    other[11] = 9;
    assert_eq!(Saved::decode(&other).err(), Some(FileError::Version(9)));
}

/// What has a right checksum and does not fit is no panic either.
#[test]
fn a_pass_whose_parts_do_not_fit_is_an_error() {
    let world = filled(World::new());
    let with = verification(&world);
    let bytes = left(&world, 12);
    let resumed = |change: &dyn Fn(&mut Saved)| {
        let mut saved = Saved::decode(&bytes).expect("it was saved");
        change(&mut saved);
        let bytes = saved.encode().expect("it can be written");
        let pass = Pass::new(Vec::new(), Some(Saved::decode(&bytes).expect("it was written")));
        blocking(full_pass(&with, &pass))
    };
    assert!(resumed(&|_| ()).expect("a report").equal);
    for changed in [
        resumed(&|saved| saved.done.push(Vec::new())),
        resumed(&|saved| saved.walks.as_mut().expect("it reads").forget_a_target()),
        resumed(&|saved| saved.walks.as_mut().expect("it reads").forget_a_bucket()),
    ] {
        let Err(VerifyError::NotResumed { reason }) = changed else { panic!("{changed:?}") };
        assert_eq!(reason, "its parts do not fit together");
    }
}

#[test]
fn parts_that_only_the_command_knows_belong_to_the_job() {
    let world = filled(World::new());
    let with = verification(&world);
    let table = |id: &str| vec![Part::new("the HBase table followers".into(), id)];
    let reason = blocking(async {
        let steps = Arc::new(Steps { left: AtomicUsize::new(3), over: Notify::new() });
        let first = Verification { pacer: Some(steps.clone()), ..with.clone() };
        let pass = Pass::new(table("one"), None);
        let ended = tokio::time::timeout(Duration::from_secs(1), full_pass(&first, &pass)).await;
        assert!(ended.is_err(), "it was interrupted");
        let saved = || Saved::decode(&pass.saved().expect("it has begun")).expect("it was saved");
        let same = full_pass(&with, &Pass::new(table("one"), Some(saved()))).await;
        assert!(same.expect("a report").equal);
        full_pass(&with, &Pass::new(table("two"), Some(saved()))).await.expect_err("another table")
    });
    assert!(reason.to_string().contains("the HBase table followers is not the same now"), "{reason}");
}
