//! Whether what a run takes stays the same from the first rounds of a soak to the last ones.

use super::round::Round;

/// Rounds after which the same tables come again.
const CYCLE: usize = 4;
/// How many times as much the last cycle may take: the kernel's caches and the dice are in it, a leak doubles it soon.
const MEMORY_RATIO_MAX: f64 = 1.3;
const LOG_RATIO_MAX: f64 = 2.0;

/// What one round took.
#[derive(Clone, Copy)]
struct Taken {
    /// The most resident memory of a process.
    memory: u64,
    /// What all commands printed.
    log: u64,
    seconds: u64,
}

/// What the last rounds took more than the first ones; needs two cycles of tables.
pub fn grown(rounds: &[Round]) -> Vec<String> {
    let taken: Vec<Taken> = rounds
        .iter()
        .map(|round| Taken {
            memory: round.lives.memory_high_bytes,
            log: round.footprint.log,
            seconds: round.seconds,
        })
        .collect();
    compared(&taken)
}

fn compared(taken: &[Taken]) -> Vec<String> {
    if taken.len() < 2 * CYCLE {
        return Vec::new();
    }
    let (first, last) = (&taken[..CYCLE], &taken[taken.len() - CYCLE..]);
    let memory = |rounds: &[Taken]| rounds.iter().map(|round| round.memory).sum::<u64>() as f64;
    let log = |rounds: &[Taken]| {
        let sum = |of: fn(&Taken) -> u64| rounds.iter().map(of).sum::<u64>() as f64;
        sum(|round| round.log) / sum(|round| round.seconds).max(1.0)
    };
    let said = |name: &str, ratio: f64, max: f64| {
        (ratio > max).then(|| {
            format!("{name} of the last {CYCLE} rounds is {ratio:.2} times that of the first {CYCLE}")
        })
    };
    let ratio = |of: &dyn Fn(&[Taken]) -> f64| of(last) / of(first).max(1.0);
    said("memory", ratio(&memory), MEMORY_RATIO_MAX)
        .into_iter()
        .chain(said("log volume a second", ratio(&log), LOG_RATIO_MAX))
        .collect()
}

#[test]
fn memory_or_log_volume_that_grows_is_said() {
    let flat = Taken { memory: 60 << 20, log: 260_000, seconds: 300 };
    assert_eq!(compared(&[flat; 12]), Vec::<String>::new());
    // a shorter round prints less
    let half = Taken { log: 130_000, seconds: 150, ..flat };
    assert_eq!(compared(&[[flat; 8].as_slice(), &[half; 4]].concat()), Vec::<String>::new());

    let large = Taken { memory: 90 << 20, ..flat };
    let grown = compared(&[[flat; 8].as_slice(), &[large; 4]].concat());
    assert_eq!(grown, ["memory of the last 4 rounds is 1.50 times that of the first 4"]);
    let loud = Taken { log: 800_000, ..flat };
    let grown = compared(&[[flat; 4].as_slice(), &[loud; 4]].concat());
    assert_eq!(grown, ["log volume a second of the last 4 rounds is 3.08 times that of the first 4"]);
    // one cycle shows nothing
    assert_eq!(compared(&[flat, large, large, loud]), Vec::<String>::new());
}
