//! What can be typed, and the sizes that follow from it.

use crate::case::Case;
use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// Measures tailfill on real servers: every figure several times, as a ratio within one run.
#[derive(Debug, Parser)]
#[command(name = "tailfill-bench", max_term_width = 110, after_long_help = FIELDS)]
pub struct Arguments {
    /// What to measure; everything when nothing is named. A case brings along those that it is compared with
    #[arg(value_enum)]
    pub cases: Vec<Case>,
    /// Write the results to this file, as one JSON document
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// How often each case runs [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: Option<u32>,
    /// Rows of the table [default: 600000; giant: 1200000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub rows: Option<u64>,
    /// Everything tiny and once: shows that each case works, and measures nothing worth quoting
    #[arg(long)]
    pub short: bool,
    /// Leave the database, the HBase tables and the work folder
    #[arg(long)]
    pub keep: bool,
    /// The other build of tailfill for the case beside
    #[arg(long, value_name = "PROGRAM")]
    pub beside: Option<PathBuf>,
    /// What the database, HBase tables and leases are named after; they are made anew
    #[arg(long, default_value = "bench", value_parser = plain)]
    pub prefix: String,
    /// Judge the arguments and end
    #[arg(long, hide = true)]
    pub parse_only: bool,
    /// The folder for configurations, states and logs: a new one, or one that an earlier run left
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub work: PathBuf,
}

const FIELDS: &str = "\
Servers are found by the ports TAILFILL_{MYSQL,MEMCACHED,THRIFT2,ZOOKEEPER}_PORT, as `scripts/services env` prints
them, and their processes by who listens there.

The JSON document: {\"header\": {...}, \"cases\": [...], \"marks\": [{mark, value, reached}]}. One object a case;
null: does not apply.
  case, rounds, rows            its name, how often it ran, rows of one round
  rows_per_second               {median, min, max} over the rounds, from the first row to the last
  fresh, steady                 the first and the second half of the rows: {rows_per_second, ratio}
  ratio, base, bound            median over the rounds of its rate by that of the case `base` in the same round; and
                                what that can be at most where all share the cores: CPU seconds per row of the base
                                (all processes together) by those of this case
  ratio_to_gateway              the same by the rate of the case gateway
  cpu_seconds_per_million_rows  by process {tailfill, mysql, gateway, hbase, memcached, total}; tailfill is the program,
                                or the library in this one
  peak_memory_mb                resident memory of tailfill at most (VmHWM), the highest of all rounds
  p50_ms, p99_ms                commit in MySQL to readable in HBase, seen by an application
  cores_of_others, noisy        what other processes used meanwhile; whether that was above 0.3 cores
  more                          figures of this case alone, named with their units

Exit codes: 0 measured (whatever the figures are), 1 failed, 2 usage, 130 interrupted.";

/// How large everything is.
#[derive(Clone, Debug)]
pub struct Scale {
    pub rows: u64,
    pub rounds: u32,
    /// How long cases without an end of their own last: `lag` and `idle`.
    pub steady: Duration,
    /// How long the application works before lag is measured.
    pub warm_up: Duration,
    /// Single-row transactions a second, where an application works beside.
    pub rate: u32,
    pub huge_rows: u64,
    /// Rows of the table that is nearly one list.
    pub giant_rows: u64,
    /// Single-row transactions a second on that list, beside the probes.
    pub giant_rate: u32,
    pub restarts: u32,
    /// How long a measurement inside this process is repeated at least.
    pub repeat: Duration,
    /// How long the servers may take to become quiet before a case: HBase flushes and compacts what the case before has
    /// written.
    pub quiet: Duration,
}

impl Arguments {
    pub fn scale(&self) -> Scale {
        let scale = match self.short {
            true => Scale {
                rows: 4_000,
                rounds: 1,
                steady: Duration::from_secs(2),
                warm_up: Duration::from_millis(200),
                rate: 200,
                huge_rows: 20_000,
                giant_rows: 12_000,
                giant_rate: 100,
                restarts: 1,
                repeat: Duration::from_millis(100),
                quiet: Duration::ZERO,
            },
            false => Scale {
                rows: 600_000,
                rounds: 3,
                steady: Duration::from_secs(20),
                warm_up: Duration::from_secs(2),
                rate: 1_000,
                huge_rows: 2_000_000,
                giant_rows: 1_200_000,
                giant_rate: 100,
                restarts: 5,
                repeat: Duration::from_secs(2),
                quiet: Duration::from_secs(20),
            },
        };
        Scale {
            rows: self.rows.unwrap_or(scale.rows),
            giant_rows: self.rows.unwrap_or(scale.giant_rows),
            rounds: self.rounds.unwrap_or(scale.rounds),
            ..scale
        }
    }
}

fn plain(text: &str) -> Result<String, String> {
    let plain = (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain { Ok(text.to_owned()) } else { Err("1 to 40 small letters, digits and underscores".into()) }
}
