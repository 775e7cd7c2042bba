//! A compaction that is cut off at any point, or refused by the disk at any point, leaves every record.

use super::super::{Commit, Space, apply, begin_durable, builder, ours, table, write_schema};
use super::*;
use ::redb::{ReadableDatabase, ReadableTable, StorageBackend};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

/// A disk in memory that remembers what was done to it. Clones are the same disk.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    bytes: Vec<u8>,
    steps: Vec<Step>,
    /// The number of the step from which on it refuses all of them.
    fails_at: Option<usize>,
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Sync,
}

impl Step {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Step::Write(at, data) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
            Step::SetLen(len) => bytes.resize(*len, 0),
            Step::Sync => {}
        }
    }

    /// What a power failure leaves of a step that no sync has followed.
    fn apply_in_part(&self, bytes: &mut Vec<u8>, dice: &mut StdRng) {
        match (self, dice.random_range(0..3)) {
            (_, 0) => {}
            (Step::Write(at, data), 1) => {
                let sectors = dice.random_range(0..=data.len() / 512);
                Step::Write(*at, data[..sectors * 512].to_vec()).apply(bytes);
            }
            _ => self.apply(bytes),
        }
    }
}

impl Disk {
    fn of(bytes: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(Platter { bytes, ..Platter::default() })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("no test panics while it has it")
    }

    fn bytes(&self) -> Vec<u8> {
        self.platter().bytes.clone()
    }

    fn open(&self) -> Result<Database, StoreError> {
        ours(builder().create_with_backend(self.clone()), "disk")
    }

    fn take(&self, step: Step) -> Result<(), Error> {
        let mut platter = self.platter();
        if platter.fails_at.is_some_and(|at| platter.steps.len() >= at) {
            return Err(ErrorKind::StorageFull.into());
        }
        step.apply(&mut platter.bytes);
        platter.steps.push(step);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.platter().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let platter = self.platter();
        let at = offset as usize;
        let found = platter.bytes.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.take(Step::SetLen(len as usize))
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.take(Step::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.take(Step::Write(offset as usize, data.to_vec()))
    }
}

type Records = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

fn records(database: &Database) -> Records {
    let read = database.begin_read().expect("it reads");
    let mut all = Records::new();
    for space in Space::ALL {
        let Ok(records) = read.open_table(table(space)) else { continue };
        for record in records.iter().expect("it reads") {
            let (key, value) = record.expect("it reads");
            all.insert((space, key.value().to_vec()), value.value().to_vec());
        }
    }
    all
}

fn commit(database: &Database, commit: &Commit) {
    let transaction = begin_durable(database).expect("it begins");
    apply(&transaction, commit).expect("it writes");
    transaction.commit().expect("it commits");
}

/// A closed state of which little is in use: its journal was long, with records of all spaces in between.
fn wasteful() -> (Vec<u8>, Records) {
    let disk = Disk::default();
    let database = builder().create_with_backend(disk.clone()).expect("it is made");
    write_schema(&database).expect("it writes");
    let key = |number: u64| number.to_be_bytes().to_vec();
    for number in 0..40_u64 {
        let entries = (0..64).map(|entry| (Space::Journal, key(number * 64 + entry), vec![7; 400]));
        let others = Space::ALL.into_iter().filter(|space| *space != Space::Journal);
        let others = others.map(|space| (space, key(number), vec![number as u8; 90]));
        commit(&database, &Commit { put: entries.chain(others).collect(), ..Commit::default() });
    }
    let delete_range = vec![(Space::Journal, key(0), key(40 * 64 - 5))];
    commit(&database, &Commit { delete_range, ..Commit::default() });
    let all = records(&database);
    assert_eq!(all.len(), 7 * 40 + 4);
    drop(database);
    (disk.bytes(), all)
}

/// The steps of a whole compaction.
fn steps(wasteful: &[u8]) -> Vec<Step> {
    let disk = Disk::of(wasteful.to_vec());
    let mut database = disk.open().expect("it opens");
    disk.platter().steps.clear();
    assert!(compact(&mut database, wasteful.len() as u64).expect("it compacts"));
    let steps = std::mem::take(&mut disk.platter().steps);
    let after = disk.bytes().len();
    assert!(after < wasteful.len() / 4, "{} -> {after}", wasteful.len());
    steps
}

/// About so many numbers from 0 to `end`, both included.
fn points(end: usize) -> impl Iterator<Item = usize> {
    (0..=end).step_by((end / 80).max(1)).chain([end])
}

fn has_all(disk: &Disk, all: &Records, what: &str) {
    let mut database = disk.open().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(records(&database) == *all, "{what}");
    let length = disk.bytes().len();
    compact(&mut database, length as u64).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(records(&database) == *all, "{what}, and compacted again");
}

#[test]
fn a_kill_or_a_power_failure_at_any_point_of_a_compaction_leaves_every_record() {
    let (start, all) = wasteful();
    let steps = steps(&start);
    let synced = |end: usize| steps[..end].iter().rposition(|step| matches!(step, Step::Sync)).unwrap_or(0);
    let syncs = steps.iter().filter(|step| matches!(step, Step::Sync)).count();
    println!("{} bytes, {} steps, {syncs} of them syncs", start.len(), steps.len());
    for end in points(steps.len()) {
        let mut killed = start.clone();
        steps[..end].iter().for_each(|step| step.apply(&mut killed));
        has_all(&Disk::of(killed), &all, &format!("killed after {end} steps"));
        for seed in 0..2 {
            let mut dice = StdRng::seed_from_u64(seed);
            let mut unplugged = start.clone();
            let (kept, maybe) = steps[..end].split_at(synced(end));
            kept.iter().for_each(|step| step.apply(&mut unplugged));
            maybe.iter().for_each(|step| step.apply_in_part(&mut unplugged, &mut dice));
            has_all(&Disk::of(unplugged), &all, &format!("unplugged after {end} steps, seed {seed}"));
        }
    }
}

#[test]
fn a_compaction_makes_the_file_no_longer_meanwhile_so_a_full_disk_does_not_stop_it() {
    let (start, _) = wasteful();
    let end = |step: &Step| match step {
        Step::Write(at, data) => at + data.len(),
        Step::SetLen(len) => *len,
        Step::Sync => 0,
    };
    let longest = steps(&start).iter().map(end).max();
    assert!(longest <= Some(start.len()), "{longest:?} of {}", start.len());
}

#[test]
fn a_disk_that_refuses_any_step_of_a_compaction_stops_no_start() {
    let (start, all) = wasteful();
    for fails_at in points(steps(&start).len() - 1) {
        let disk = Disk::of(start.clone());
        let database = disk.open().expect("it opens");
        {
            let mut platter = disk.platter();
            platter.steps.clear();
            platter.fails_at = Some(fails_at);
        }
        let reopened = || {
            disk.platter().fails_at = None;
            disk.open()
        };
        let (database, compacted) =
            compact_if_wasteful(database, || Some(BYTES_MIN), reopened).expect("it is opened again");
        assert_eq!(compacted, None, "refused at {fails_at}");
        assert!(records(&database) == all, "refused at {fails_at}");
        commit(&database, &Commit { put: vec![(Space::Meta, vec![1], vec![2])], ..Commit::default() });
        assert_eq!(records(&database).len(), all.len() + 1, "refused at {fails_at}");
    }
}

#[test]
fn a_short_file_and_one_that_is_in_use_stay_as_they_are() {
    let (start, all) = wasteful();
    let disk = Disk::of(start.clone());
    let open = || -> Result<Database, StoreError> { panic!("it is open") };
    let database = disk.open().expect("it opens");
    disk.platter().steps.clear();
    let short = compact_if_wasteful(database, || Some(BYTES_MIN - 1), open).expect("it is open");
    assert_eq!((short.1, disk.platter().steps.len()), (None, 0));
    let mut database = short.0;
    let used = used_bytes(&database).expect("it is read");
    assert!(!compact(&mut database, 2 * used - 1).expect("it is read"));
    assert_eq!(disk.bytes().len(), start.len());
    assert!(records(&database) == all);
}
