//! The levers of a run, pulled at random while it works: a table, so that a new lever is one line.

use super::bag::{Bag, between};
use super::binlog_ends::BinlogEnds;
use super::process::{Lives, older_position};
use super::tally::Tally;
use crate::support::scenario::Scenario;
use rand::Rng;
use rand::rngs::StdRng;
use std::ops::Range;

/// Some commands with pauses between them, and how the tally calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lever {
    pub name: &'static str,
    /// The arguments of each command; `GTIDS` and `PLACE` are an older position in either form, `KEY=` gets a value
    /// ([`value`]).
    commands: &'static [&'static [&'static str]],
}

/// The limits that levers set. None of them can end a run, and the last run of a round has none.
const LIMITS: [&str; 7] = [
    "backfill.rows_per_second",
    "backfill.workers",
    "backfill.chunk_rows",
    "throttle.tail_lag",
    "throttle.threads_running",
    "throttle.hbase_p99",
    "throttle.file",
];

pub const ALL: [Lever; 9] = [
    Lever { name: "levers: pause and resume", commands: &[&["pause", "--reason", "soak"], &["resume"]] },
    Lever { name: "levers: pause the tail", commands: &[&["pause", "tail"], &["resume", "tail"]] },
    Lever {
        name: "levers: pause the backfill",
        commands: &[&["pause", "backfill"], &["resume", "backfill"]],
    },
    Lever {
        name: "levers: resume from an older GTID set",
        commands: &[&["pause", "tail"], &["resume", "--from", "GTIDS"]],
    },
    Lever {
        name: "levers: resume from an older FILE:OFFSET",
        commands: &[&["pause"], &["resume", "--from", "PLACE"]],
    },
    Lever {
        name: "levers: set an older position",
        commands: &[&["pause", "tail"], &["position", "set", "GTIDS"], &["resume"]],
    },
    Lever {
        name: "levers: set and unset the pace of the copy",
        commands: &[
            &["throttle", "set", "backfill.rows_per_second=", "backfill.workers=", "backfill.chunk_rows="],
            &["throttle", "unset", "backfill.rows_per_second", "backfill.workers", "backfill.chunk_rows"],
        ],
    },
    Lever {
        name: "levers: set and unset limits of what the servers show",
        commands: &[
            &["throttle", "set", "throttle.tail_lag=", "throttle.threads_running=", "--reason", "soak"],
            &["throttle", "set", "throttle.tail_lag=", "throttle.hbase_p99="],
            &["throttle", "unset", "throttle.tail_lag", "throttle.threads_running", "throttle.hbase_p99"],
        ],
    },
    Lever {
        name: "levers: hold the copy by a file",
        commands: &[&["throttle", "set", "throttle.file="], &["throttle", "unset", "throttle.file"]],
    },
];

/// The levers of a round.
pub struct Levers {
    bag: Bag<Lever>,
    /// One that pauses ended in the middle.
    may_be_paused: bool,
    /// The same of limits.
    may_be_limited: bool,
}

impl Default for Levers {
    fn default() -> Levers {
        Levers { bag: Bag::of(ALL.to_vec()), may_be_paused: false, may_be_limited: false }
    }
}

impl Levers {
    /// Pulls one; at times it is left in the middle, as by an operator who is called away.
    pub async fn pull(
        &mut self,
        scenario: &Scenario,
        places: &BinlogEnds,
        (tally, lives): (&Tally, &mut Lives),
        dice: &mut StdRng,
    ) {
        let lever = self.bag.draw(dice);
        let is_left = dice.random_ratio(1, 5);
        let limits = lever.commands[0][0] == "throttle";
        let was_left = std::mem::replace(self.left(limits), true);
        for (number, command) in lever.commands.iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(between(dice, 50, 4_000)).await;
            }
            let Some(arguments) = with_values(scenario, places, command, dice).await else {
                return self.bag.put_back(lever);
            };
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ended = scenario.run(&arguments).await;
            lives.panicked(&ended);
            match ended.code {
                Some(0) => {}
                // its run has ended, starts or is not paused any more, or a server is away
                Some(1 | 3) => return self.bag.put_back(lever),
                code => lives.wrong.push(format!("{arguments:?} ended with {code:?}: {}", ended.err)),
            }
            if is_left && number + 1 < lever.commands.len() {
                return self.bag.put_back(lever);
            }
        }
        // this one is not; one before it may be
        *self.left(limits) = was_left;
        tally.add(lever.name);
    }

    fn left(&mut self, limits: bool) -> &mut bool {
        if limits { &mut self.may_be_limited } else { &mut self.may_be_paused }
    }

    /// What was left paused runs again; there is no run now.
    pub async fn resume_what_is_left(&mut self, scenario: &Scenario) {
        if std::mem::take(&mut self.may_be_paused) {
            scenario.run(&["resume", "--reason", "left paused"]).await.expect_code(0);
        }
    }

    /// What was left limited is as the configuration says; there is no run now.
    pub async fn unset_what_is_left(&mut self, scenario: &Scenario) {
        if std::mem::take(&mut self.may_be_limited) {
            let unset = [&["throttle", "unset"][..], &LIMITS].concat();
            scenario.run(&unset).await.expect_code(0);
        }
    }
}

async fn with_values(
    scenario: &Scenario,
    places: &BinlogEnds,
    command: &[&str],
    dice: &mut StdRng,
) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    for argument in command {
        arguments.push(match *argument {
            "GTIDS" => older_position(scenario, places, false, dice).await?,
            "PLACE" => older_position(scenario, places, true, dice).await?,
            key if key.ends_with('=') => format!("{key}{}", value(scenario, key, dice)),
            plain => plain.to_owned(),
        });
    }
    Some(arguments)
}

/// A value of the limit `KEY=`: some hold the copy, some do not.
fn value(scenario: &Scenario, key: &str, dice: &mut StdRng) -> String {
    let number = |dice: &mut StdRng, range: Range<u32>| dice.random_range(range).to_string();
    match key {
        "backfill.rows_per_second=" => number(dice, 0..2_000),
        "backfill.workers=" => number(dice, 1..9),
        "backfill.chunk_rows=" => number(dice, 1..300),
        "throttle.threads_running=" => number(dice, 1..20),
        "throttle.tail_lag=" => format!("{}ms", number(dice, 20..5_000)),
        "throttle.hbase_p99=" => format!("{}ms", number(dice, 5..500)),
        "throttle.file=" => {
            let (folder, there) = (scenario.dir(), dice.random_ratio(2, 3));
            folder.join(if there { "tailfill.toml" } else { "nothing" }).display().to_string()
        }
        other => panic!("{other} is no limit of the soak"),
    }
}
