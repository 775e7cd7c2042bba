//! The life of the tailfill process: started from the checkpoint or from older positions, killed or asked to end.

use super::bag::{Bag, between, dice};
use super::binlog_ends::BinlogEnds;
use super::levers::Levers;
use super::tally::Tally;
use crate::support::scenario::Scenario;
use crate::support::tailfill::{Ended, Tailfill};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a drain may take while the network is bad.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Checkpoint,
    OlderGtids,
    OlderPlace,
}

/// Starts and ends of the process.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    pub starts: u64,
    pub kills: u64,
    pub terms: u64,
    /// Ends that nobody asked for, by what was said: a server that was away when it started ends it with 1, by design.
    pub by_itself: BTreeMap<String, u64>,
    /// Ends that are never right: other codes than 1, panics.
    pub wrong: Vec<String>,
    /// The most resident memory that one of them had.
    pub memory_high_bytes: u64,
}

impl Lives {
    pub fn add(&mut self, other: Lives) {
        self.starts += other.starts;
        self.kills += other.kills;
        self.terms += other.terms;
        for (reason, count) in other.by_itself {
            *self.by_itself.entry(reason).or_default() += count;
        }
        self.wrong.extend(other.wrong);
        self.memory_high_bytes = self.memory_high_bytes.max(other.memory_high_bytes);
    }

    /// Looks at the memory of one that is alive.
    pub fn look_at(&mut self, run: &Tailfill) {
        self.memory_high_bytes = self.memory_high_bytes.max(run.memory_high().unwrap_or_default());
    }

    /// An end that nobody asked for.
    pub fn ended_by_itself(&mut self, ended: &Ended) {
        self.panicked(ended);
        let reason = format!("code {:?}: {}", ended.code, last_error(&ended.err));
        if ended.code != Some(1) {
            self.wrong.push(reason.clone());
        }
        *self.by_itself.entry(reason).or_default() += 1;
    }

    pub fn panicked(&mut self, ended: &Ended) {
        self.wrong.extend(ended.err.lines().filter(|line| line.contains("panicked at")).map(str::to_owned));
    }
}

/// The failure as it was printed, without addresses and what follows them, so that equal ones are counted together.
fn last_error(err: &str) -> String {
    let line = err.lines().rev().find(|line| line.starts_with("error: ")).or(err.lines().last());
    let words = line.unwrap_or_default().split_whitespace();
    let named = words.map(|word| if word.contains("127.0.0.1:") { "ADDRESS" } else { word });
    named.collect::<Vec<_>>().join(" ").chars().take(160).collect()
}

/// Lets the process live and die until `end`, and ends the last one.
pub async fn live_and_die(
    scenario: &Scenario,
    places: &BinlogEnds,
    tally: &Tally,
    (seed, round): (u64, u64),
    end: Instant,
) -> Lives {
    let mut dice = dice(seed, round, "process");
    let mut starts = Bag::of(vec![From::Checkpoint, From::Checkpoint, From::OlderGtids, From::OlderPlace]);
    let mut lengths = Bag::of(vec![(100, 1_500), (1_500, 7_000), (8_000, 20_000), (15_000, 40_000)]);
    let (mut lives, mut levers) = (Lives::default(), Levers::default());
    while Instant::now() < end {
        levers.resume_what_is_left(scenario).await;
        if dice.random() {
            levers.unset_what_is_left(scenario).await;
        }
        let wanted = starts.draw(&mut dice);
        let mut from = wanted;
        let position = match wanted {
            From::Checkpoint => None,
            _ => older_position(scenario, places, from == From::OlderPlace, &mut dice).await,
        };
        if position.is_none() {
            from = From::Checkpoint;
        }
        let arguments: Vec<&str> =
            position.iter().fold(vec!["run"], |with, position| [with, vec!["--from", position]].concat());
        let mut run = scenario.start(&arguments);
        lives.starts += 1;
        let (least, most) = lengths.draw(&mut dice);
        let life = between(&mut dice, least, most);
        let ends_at = end.min(Instant::now() + life);
        let mut begun = false;
        let mut pause = dice.random_ratio(1, 3).then(|| Instant::now() + life.mul_f64(dice.random()));
        let mut pull = Some(Instant::now() + between(&mut dice, 500, 5_000));
        // a replay that has not begun yet may live longer
        let goes_on = |begun: bool| {
            let now = Instant::now();
            now < ends_at || (from != From::Checkpoint && !begun && now < end)
        };
        while !run.has_ended() && goes_on(begun) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            lives.look_at(&run);
            begun = begun || has_begun(&run, from);
            if begun && pause.take_if(|at| *at < Instant::now()).is_some() && !run.has_ended() {
                // some are longer than a lease lives
                run.signal("STOP");
                tokio::time::sleep(between(&mut dice, 500, 8_000)).await;
                run.signal("CONT");
                tally.add("tailfill: paused and continued");
            }
            if begun && pull.take_if(|at| *at < Instant::now()).is_some() && !run.has_ended() {
                levers.pull(scenario, places, (tally, &mut lives), &mut dice).await;
                pull = Some(Instant::now() + between(&mut dice, 500, 5_000));
            }
        }
        begun = begun || has_begun(&run, from);
        if begun {
            tally.add(match from {
                From::Checkpoint => "tailfill: started from the checkpoint",
                From::OlderGtids => "tailfill: started from an older GTID set",
                From::OlderPlace => "tailfill: started from an older FILE:OFFSET",
            });
        }
        if !begun || from != wanted {
            starts.retry(wanted);
        }
        if !end_it(run, &mut dice, tally, &mut lives).await {
            tokio::time::sleep(between(&mut dice, 500, 2_500)).await;
        }
    }
    levers.resume_what_is_left(scenario).await;
    levers.unset_what_is_left(scenario).await;
    lives
}

/// Whether it was for us to end it.
async fn end_it(mut run: Tailfill, dice: &mut StdRng, tally: &Tally, lives: &mut Lives) -> bool {
    if run.has_ended() {
        lives.ended_by_itself(&run.ended().await);
        return false;
    }
    if dice.random_ratio(3, 5) {
        let ended = run.kill();
        lives.panicked(&ended);
        lives.kills += 1;
        tally.add("tailfill: kill -9");
    } else {
        run.signal("TERM");
        let ended = run.ended_within(DRAIN_LIMIT).await;
        // a process that was only just started does not listen for it yet
        let had_not_begun = ended.code.is_none() && ended.err.is_empty();
        if ended.code != Some(130) && !had_not_begun {
            lives.ended_by_itself(&ended);
            return false;
        }
        lives.panicked(&ended);
        lives.terms += 1;
        tally.add("tailfill: SIGTERM");
    }
    true
}

/// Whether it says that it has begun from there; the first start of all says neither.
fn has_begun(run: &Tailfill, from: From) -> bool {
    let said = match from {
        From::Checkpoint => "continuing from the checkpoint",
        From::OlderGtids | From::OlderPlace => "replaying with new ticks from an older position",
    };
    run.err_so_far().contains(said)
}

pub async fn older_position(
    scenario: &Scenario,
    places: &BinlogEnds,
    file_offset: bool,
    dice: &mut StdRng,
) -> Option<String> {
    let status = scenario.status().await?;
    let checkpoint = status["positions"]["checkpointed"]["gtids"].as_str()?.to_owned();
    places.older_than(scenario.settings.mysql_port, &checkpoint, file_offset, dice).await
}
