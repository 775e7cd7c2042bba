//! What the durable commits of a run cost: journal entries of batches, the checkpoint, the end of a chunk.
//! Time, and the CPU time of this process (user and system) per commit.
//!
//! The state lies in the folder for temporary files (`TMPDIR`): name one on the disk that is asked about.

use criterion::Criterion;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tailfill::model::{Point, Position, Reached, Tick, Value};
use tailfill::protocol::{Entry, Journal, Pending};
use tailfill::store::records::{self, CheckpointRecord, ChunkRecord, CopyKey};
use tailfill::store::redb::RedbStore;
use tailfill::store::{Commit, Space, Store};
use tokio::runtime::Runtime;

const SERVER: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/// Transactions of one row in a batch.
const BATCH_ROWS: u64 = 2_000;

/// Batches that share one commit.
const TOGETHER: [u64; 3] = [1, 8, 30];

fn main() {
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(4)).sample_size(20).configure_from_args();
    let runtime = Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let store = runtime.block_on(RedbStore::open(dir.path())).expect("a new state");
    let mut bench = Bench { runtime, store: Arc::new(store), last_tick: 0 };
    bench.appends(&mut criterion);
    bench.checkpoints(&mut criterion);
    bench.chunks(&mut criterion);
    criterion.final_summary();
}

struct Bench {
    runtime: Runtime,
    store: Arc<RedbStore>,
    last_tick: u64,
}

impl Bench {
    fn appends(&mut self, criterion: &mut Criterion) {
        let journal = Journal::new(self.store.clone(), "bench");
        for together in TOGETHER {
            let mut last_tick = self.last_tick;
            let (journal, written) = (&journal, &mut last_tick);
            commits(criterion, &self.runtime, &format!("append of {together}"), async |times| {
                for _ in 0..times {
                    let pending: Vec<Pending> = (1..=together).map(|n| batch(*written + n)).collect();
                    journal.append(&pending, &mut None).await.expect("the disk is well");
                    *written += together;
                }
                // as a checkpoint does, so that the journal has the size that it has in a run
                journal.advance(&checkpoint(*written)).await.expect("the disk is well");
            });
            self.last_tick = last_tick;
        }
    }

    fn checkpoints(&mut self, criterion: &mut Criterion) {
        let journal = Journal::new(self.store.clone(), "bench");
        let record = checkpoint(self.last_tick);
        commits(criterion, &self.runtime, "checkpoint", async |times| {
            for _ in 0..times {
                journal.advance(&record).await.expect("the disk is well");
            }
        });
    }

    fn chunks(&mut self, criterion: &mut Criterion) {
        let copy = CopyKey {
            source: "bench".to_owned(),
            mapping: "followers".to_owned(),
            cohort: "all".to_owned(),
            target: "followers/f".to_owned(),
        };
        let key = |n: u64| Some(vec![Value::UInt(n), Value::UInt(n)]);
        let mut number = 0;
        commits(criterion, &self.runtime, "end of a chunk", async |times| {
            for _ in 0..times {
                number += 1;
                let record =
                    ChunkRecord { after: key(number), up_to: key(number + 1), done: true, rows: BATCH_ROWS };
                let value = records::encode(&record).expect("it is JSON");
                let put = vec![(Space::Chunk, copy.chunk(number), value)];
                let commit = Commit { put, ..Commit::default() };
                self.store.commit(commit).await.expect("the disk is well");
            }
        });
    }
}

fn batch(tick: u64) -> Pending {
    let point = |n: u64| Point { transaction: format!("{SERVER}:{n}").parse().expect("a GTID"), row: 0 };
    let (first, last) = (tick * BATCH_ROWS, (tick + 1) * BATCH_ROWS - 1);
    let transactions = format!("{SERVER}:{first}-{last}").parse().expect("a set");
    let entry = Entry::Batch {
        from: point(first),
        to: point(last),
        transactions,
        original_micros: 1_800_000_000_000_000,
    };
    Pending { tick: Tick(tick), entry: Some(entry) }
}

fn checkpoint(tick: u64) -> CheckpointRecord {
    let position = Position {
        server_uuid: SERVER.to_owned(),
        reached: format!("{SERVER}:1-{}", (tick + 1) * BATCH_ROWS).parse().expect("a set"),
        file: "binlog.000042".to_owned(),
        offset: tick * 1_000,
    };
    CheckpointRecord { position, tick_high: Tick(tick), replaying_until: Reached::default(), witness: None }
}

/// Measures `work`, which makes as many commits as it is told.
fn commits(criterion: &mut Criterion, runtime: &Runtime, name: &str, mut work: impl AsyncFnMut(u64)) {
    let (mut commits, mut cpu) = (0, Duration::ZERO);
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let (from, cpu_from) = (Instant::now(), cpu_time());
            runtime.block_on(work(times));
            let elapsed = from.elapsed();
            cpu += cpu_time() - cpu_from;
            commits += times;
            elapsed
        });
    });
    if commits > 0 {
        println!(
            "    own CPU: {:.1} µs per commit over {commits}\n",
            cpu.as_secs_f64() * 1e6 / commits as f64
        );
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
