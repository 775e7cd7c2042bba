//! Many seeds, and what is printed of one that fails.

use super::books::SeenOfCounts;
use super::runs::{SeedReport, play};
use super::tally::Tally;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tailfill::failpoints::Failpoints;

/// Seeds of an ordinary test run. `TAILFILL_SEEDS` changes it: a number, or `FIRST..END`.
const SEEDS: u64 = 1_000;

/// The seeds to play: `TAILFILL_SEED` alone, or a range.
fn seeds() -> Vec<u64> {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    if let Ok(seed) = std::env::var("TAILFILL_SEED") {
        return vec![number(&seed)];
    }
    let range = std::env::var("TAILFILL_SEEDS").unwrap_or_else(|_| SEEDS.to_string());
    let (first, end) = range.split_once("..").unwrap_or(("0", &range));
    (number(first)..number(end)).collect()
}

#[test]
fn the_sink_ends_equal_to_the_engine_whatever_happens() {
    let seeds = seeds();
    let begin = std::time::Instant::now();
    let (mut virtual_seconds, mut counts) = (0.0, SeenOfCounts::default());
    let (mut bad, mut tally) = (Vec::new(), Tally::default());
    for report in play_all(&seeds) {
        virtual_seconds += report.virtual_seconds;
        counts += report.seen_of_counts;
        tally.add_all(&report.tally);
        if std::env::var_os("TAILFILL_STORY").is_some() {
            println!("{}", play(report.seed, Failpoints::default(), true).story);
        }
        if !report.is_good() {
            bad.push(report);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{} seeds, {virtual_seconds:.0} virtual seconds in {seconds:.1} s", seeds.len());
    println!("counts: {counts:?}\n{tally}");
    if seeds.len() >= 100 && bad.is_empty() {
        let enough = seeds.len() as u64 / 20;
        assert!(counts.taken_up > enough, "counting is hardly interrupted: {counts:?}");
        assert!(counts.by_changes > enough && counts.refused > enough, "{counts:?}");
    }
    let Some(first) = bad.first() else {
        // what comes once in some hundred seeds may not come in fewer
        assert!((seeds.len() as u64) < SEEDS || tally.never().is_empty(), "never: {:?}", tally.never());
        return;
    };
    println!("{}", story(first, Failpoints::default()));
    for report in &bad {
        println!("{}", report.headline());
    }
    panic!("{} of {} seeds fail; the story of the first stands above", bad.len(), seeds.len());
}

/// Plays the seeds on all cores; a seed is one thread's. Where a mechanism is off, one seed that notices is enough.
fn play_all(seeds: &[u64]) -> Vec<SeedReport> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one_is_enough = std::env::var("TAILFILL_FAILPOINTS").is_ok_and(|names| !names.is_empty());
    let noticed = AtomicBool::new(false);
    let of_thread = |thread: usize| {
        let mut reports = Vec::new();
        for seed in seeds.iter().skip(thread).step_by(threads) {
            if one_is_enough && noticed.load(Relaxed) {
                break;
            }
            let report = play(*seed, Failpoints::default(), false);
            noticed.fetch_or(!report.is_good(), Relaxed);
            reports.push(report);
        }
        reports
    };
    let mut reports: Vec<SeedReport> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no seed panics")).collect()
    });
    reports.sort_by_key(|report| report.seed);
    reports
}

#[test]
fn a_seed_replays_exactly() {
    for seed in seeds().into_iter().take(20) {
        let (first, second) =
            (play(seed, Failpoints::default(), false), play(seed, Failpoints::default(), false));
        assert_eq!(first.hash, second.hash, "seed {seed} took another course");
        assert_eq!(first.virtual_seconds.to_bits(), second.virtual_seconds.to_bits());
    }
}

/// Plays a failed seed again, for its story.
pub fn story(failed: &SeedReport, failpoints: Failpoints) -> String {
    let seed = failed.seed;
    let again = play(seed, failpoints, true);
    let mut text = again.story;
    if again.hash != failed.hash {
        text += "(it took another course when it was played again)\n";
    }
    for violation in &again.violations {
        let _ = writeln!(text, "broken: {violation}");
    }
    for difference in &again.differences {
        let _ = writeln!(text, "{difference}");
    }
    let _ = writeln!(text, "replay it with scripts/simulate {seed}");
    text
}
