//! What a pair of lease and release costs, through [`Leases`] on a real memcached: time, and the CPU time of
//! this process (user and system; the server's is not in it).
//!
//! Needs the memcached of `scripts/services` (`TAILFILL_MEMCACHED_PORT`, else port 21211); says so and does
//! nothing without it. Lists are fresh ones each time, as those of a window are.

use criterion::{BenchmarkId, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tailfill::clock::SystemEntropy;
use tailfill::lock::{LeaseOptions, Leases, ListId, MemcacheLeases};

/// Lists leased together.
const BATCHES: [usize; 3] = [64, 1_000, 4_000];

fn main() {
    let port = std::env::var("TAILFILL_MEMCACHED_PORT").unwrap_or_else(|_| "21211".to_owned());
    let address = format!("127.0.0.1:{port}");
    if let Err(error) = TcpStream::connect(&address) {
        eprintln!("skipped: no memcached at {address} ({error}); `scripts/services up` starts one");
        return;
    }
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(4)).sample_size(20).configure_from_args();
    pairs(&mut criterion, &address);
    criterion.final_summary();
}

fn pairs(criterion: &mut Criterion, address: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let server = MemcacheLeases::new(vec![address.to_owned()], Duration::from_secs(2));
    let name = format!("lz{:016x}", rand::random::<u64>());
    let owner = format!("{:016x}", rand::random::<u64>());
    let leases = Leases::new(
        Some(Arc::new(server)),
        vec![name],
        LeaseOptions::default(),
        Arc::new(SystemEntropy),
        owner,
    );
    let mut group = criterion.benchmark_group("lease and release");
    for batch in BATCHES {
        let (mut pairs, mut cpu) = (0, Duration::ZERO);
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter_custom(|times| {
                let windows: Vec<Vec<ListId>> = (0..times).map(|_| lists(batch)).collect();
                let (leases, from, cpu_from) = (leases.clone(), Instant::now(), cpu_time());
                // in a task of the runtime, as a window is
                runtime.block_on(async {
                    let work = runtime.spawn(async move {
                        for lists in &windows {
                            lease_and_release(&leases, lists).await;
                        }
                    });
                    work.await.expect("memcached is up");
                });
                let elapsed = from.elapsed();
                cpu += cpu_time() - cpu_from;
                pairs += times * batch as u64;
                elapsed
            });
        });
        if pairs > 0 {
            println!(
                "    own CPU: {:.2} µs per pair over {pairs} pairs\n",
                cpu.as_secs_f64() * 1e6 / pairs as f64
            );
        }
    }
    group.finish();
    assert_eq!(leases.counts().degraded_total, 0, "memcached was away, and the figures are of nothing");
}

fn lists(count: usize) -> Vec<ListId> {
    let first = rand::random::<u64>();
    (0..count as u64).map(|n| ListId::new(0, &first.wrapping_add(n).to_be_bytes())).collect()
}

/// As the tail does it: a claim for each list, whatever is free is taken, and all is given back.
async fn lease_and_release(leases: &Leases, lists: &[ListId]) {
    let claims: Vec<_> = lists.iter().map(|_| leases.claim()).collect();
    let wanted: Vec<_> = lists.iter().zip(&claims).map(|(list, claim)| (*list, claim.ticket())).collect();
    let grant = leases.acquire_any(&wanted).await;
    let held = grant.held.expect("nobody else knows these lists");
    assert_eq!(held.lists().len(), lists.len());
    held.release().await;
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
