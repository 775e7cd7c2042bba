//! The limits of a copy: their keys, what a value of each may be, and the values that hold.

use super::hours::Hours;
use super::units::{parse_duration, print_duration};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How a value is spelled that turns a limit off.
const OFF: &str = "off";
/// Rows of a chunk, and workers, where nobody says it otherwise.
const CHUNK_ROWS: u32 = 2_000;
const WORKERS: usize = 4;
/// How long a change of the tail may take beside the copy, where nobody says it otherwise.
const TAIL_WRITE: Duration = Duration::from_millis(10);

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $key:ident = $name:literal;)+) => {
        /// What can be limited, and by what.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum LimitKey {
            $($(#[doc = $doc])+ $key,)+
        }

        impl LimitKey {
            /// All, in the order in which they are shown.
            pub const ALL: &[LimitKey] = &[$(LimitKey::$key),+];

            /// As files, commands, JSON and metrics have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(LimitKey::$key => $name,)+
                }
            }
        }
    };
}

keys! {
    /// Copied rows a second at most; 0: no bound.
    RowsPerSecond = "backfill.rows_per_second";
    /// Parts that are copied at once.
    Workers = "backfill.workers";
    /// Rows of a chunk, about.
    ChunkRows = "backfill.chunk_rows";
    /// Local hours in which history is copied.
    Hours = "backfill.hours";
    /// The tail's lag.
    TailLag = "throttle.tail_lag";
    /// From the journal to HBase, half of the tail's changes.
    TailWrite = "throttle.tail_write";
    /// Statements that MySQL executes at this moment.
    ThreadsRunning = "throttle.threads_running";
    /// Seconds behind of every replica.
    ReplicaLag = "throttle.replica_lag";
    /// A SELECT of the operator that answers with one number.
    Query = "throttle.query";
    /// What that number may be at most.
    QueryMax = "throttle.query_max";
    /// The 99th percentile of our own writes to HBase of several rows.
    HbaseP99 = "throttle.hbase_p99";
    /// A file: while it is there, nothing is copied.
    File = "throttle.file";
}

impl LimitKey {
    /// The key of a name.
    pub fn of(name: &str) -> Option<LimitKey> {
        LimitKey::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Whether something is read for it that may hold the copy back.
    pub fn is_signal(self) -> bool {
        use LimitKey::{ChunkRows, QueryMax, RowsPerSecond, Workers};
        !matches!(self, RowsPerSecond | Workers | ChunkRows | QueryMax)
    }

    /// Whether a value is a number, without quotes in a file.
    pub fn is_number(self) -> bool {
        use LimitKey::{ChunkRows, QueryMax, RowsPerSecond, ThreadsRunning, Workers};
        matches!(self, RowsPerSecond | Workers | ChunkRows | ThreadsRunning | QueryMax)
    }
}

/// The limits that hold; `None`: this one does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Above 0.
    pub rows_per_second: Option<u32>,
    /// At least 1.
    pub workers: usize,
    /// At least 1.
    pub chunk_rows: u32,
    /// Local time.
    pub hours: Option<Hours>,
    /// The copy slows down above it.
    pub tail_lag: Option<Duration>,
    /// The copy works with fewer workers above it.
    pub tail_write: Option<Duration>,
    /// The copy slows down above it.
    pub threads_running: Option<u32>,
    /// The copy slows down above it.
    pub replica_lag: Option<Duration>,
    /// Begins with SELECT or WITH.
    pub query: Option<String>,
    /// The copy slows down above it.
    pub query_max: Option<f64>,
    /// The copy slows down above it.
    pub hbase_p99: Option<Duration>,
    /// Absolute, or as the file's folder makes it.
    pub file: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rows_per_second: None,
            workers: WORKERS,
            chunk_rows: CHUNK_ROWS,
            hours: None,
            tail_lag: None,
            tail_write: Some(TAIL_WRITE),
            threads_running: None,
            replica_lag: None,
            query: None,
            query_max: None,
            hbase_p99: None,
            file: None,
        }
    }
}

impl Limits {
    /// Takes a value over.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn set(&mut self, key: LimitKey, text: &str) -> Result<(), String> {
        const DAY: Duration = Duration::from_secs(86_400);
        let milliseconds = Duration::from_millis(1)..=DAY;
        match key {
            LimitKey::RowsPerSecond => {
                self.rows_per_second = Some(number(text, 0..=1_000_000_000)?).filter(|rows| *rows > 0);
            }
            LimitKey::Workers => self.workers = number(text, 1..=256)?,
            LimitKey::ChunkRows => self.chunk_rows = number(text, 1..=100_000)?,
            LimitKey::Hours => self.hours = unless_off(text, Hours::from_str)?,
            LimitKey::TailLag => self.tail_lag = unless_off(text, |text| duration(text, &milliseconds))?,
            LimitKey::TailWrite => self.tail_write = unless_off(text, |text| duration(text, &milliseconds))?,
            LimitKey::ThreadsRunning => {
                self.threads_running = unless_off(text, |text| number(text, 1..=100_000))?;
            }
            LimitKey::ReplicaLag => {
                self.replica_lag = unless_off(text, |text| duration(text, &(Duration::from_secs(1)..=DAY)))?;
            }
            LimitKey::Query => self.query = unless_off(text, select)?,
            LimitKey::QueryMax => self.query_max = unless_off(text, finite)?,
            LimitKey::HbaseP99 => self.hbase_p99 = unless_off(text, |text| duration(text, &milliseconds))?,
            LimitKey::File => self.file = unless_off(text, path)?,
        }
        Ok(())
    }

    /// The value as [`Limits::set`] takes it.
    pub fn text(&self, key: LimitKey) -> String {
        match key {
            LimitKey::RowsPerSecond => self.rows_per_second.unwrap_or(0).to_string(),
            LimitKey::Workers => self.workers.to_string(),
            LimitKey::ChunkRows => self.chunk_rows.to_string(),
            LimitKey::Hours => or_off(self.hours),
            LimitKey::TailLag => or_off(self.tail_lag.map(print_duration)),
            LimitKey::TailWrite => or_off(self.tail_write.map(print_duration)),
            LimitKey::ThreadsRunning => or_off(self.threads_running),
            LimitKey::ReplicaLag => or_off(self.replica_lag.map(print_duration)),
            LimitKey::Query => or_off(self.query.as_deref()),
            LimitKey::QueryMax => or_off(self.query_max),
            LimitKey::HbaseP99 => or_off(self.hbase_p99.map(print_duration)),
            LimitKey::File => or_off(self.file.as_ref().map(|path| path.display())),
        }
    }

    /// What of it does not fit together, by the key to blame.
    pub fn faults(&self, replicas: usize) -> Vec<(LimitKey, String)> {
        let mut faults = Vec::new();
        if self.query.is_some() != self.query_max.is_some() {
            let (blamed, missing) = match self.query.is_some() {
                true => (LimitKey::Query, LimitKey::QueryMax),
                false => (LimitKey::QueryMax, LimitKey::Query),
            };
            faults.push((blamed, format!("needs {} beside it", missing.name())));
        }
        if self.replica_lag.is_some() && replicas == 0 {
            let rule =
                "needs a [[throttle.replica]] in the configuration: tailfill reads the lag from the replicas";
            faults.push((LimitKey::ReplicaLag, rule.to_owned()));
        }
        faults
    }

    /// Whether something is read from time to time to know how fast a copy may be; `tail_write` says how many workers it may
    /// have.
    pub fn has_signals(&self) -> bool {
        self.hours.is_some()
            || self.tail_lag.is_some()
            || self.threads_running.is_some()
            || self.replica_lag.is_some()
            || self.query.is_some()
            || self.hbase_p99.is_some()
            || self.file.is_some()
    }
}

fn or_off(value: Option<impl Display>) -> String {
    value.map_or_else(|| OFF.to_owned(), |value| value.to_string())
}

fn unless_off<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == OFF {
        return Ok(None);
    }
    read(text).map(Some).map_err(|rule| format!("{rule}, or {OFF}"))
}

fn number<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let found = plain.then(|| text.parse().ok()).flatten().filter(|found| range.contains(found));
    found.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|found: &f64| found.is_finite()).ok_or_else(|| "must be a number".to_owned())
}

fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let found = parse_duration(text)?;
    if range.contains(&found) {
        return Ok(found);
    }
    let [shortest, longest] = [range.start(), range.end()].map(|bound| print_duration(*bound));
    Err(format!("must be from \"{shortest}\" to \"{longest}\""))
}

/// A statement that only reads. MySQL holds it to that: it runs in a transaction that is read-only.
fn select(text: &str) -> Result<String, String> {
    let text = text.trim();
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if ["select", "with"].iter().any(|first| word.eq_ignore_ascii_case(first)) && !text.contains(';') {
        return Ok(text.to_owned());
    }
    Err("must be one SELECT, without a semicolon".to_owned())
}

fn path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("must be an absolute path".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value of each key, and one that it does not take.
    const CASES: [(LimitKey, &str, &str); 12] = [
        (LimitKey::RowsPerSecond, "20000", "-1"),
        (LimitKey::Workers, "8", "0"),
        (LimitKey::ChunkRows, "500", "100001"),
        (LimitKey::Hours, "22:00-06:00", "22-6"),
        (LimitKey::TailLag, "2s", "2"),
        (LimitKey::TailWrite, "25ms", "25"),
        (LimitKey::ThreadsRunning, "30", "off30"),
        (LimitKey::ReplicaLag, "5s", "500ms"),
        (LimitKey::Query, "SELECT COUNT(*) FROM t", "DELETE FROM t"),
        (LimitKey::QueryMax, "0.5", "NaN"),
        (LimitKey::HbaseP99, "250ms", "0ms"),
        (LimitKey::File, "/run/hold", "hold"),
    ];

    #[test]
    fn every_key_reads_back_what_it_prints_and_refuses_what_it_does_not_take() {
        assert_eq!(CASES.map(|(key, ..)| key).as_slice(), LimitKey::ALL);
        for (key, good, bad) in CASES {
            let mut limits = Limits::default();
            let default = limits.text(key);
            limits.set(key, good).expect(good);
            assert_eq!(limits.text(key), good);
            assert!(limits.set(key, bad).unwrap_err().starts_with("must be"), "{bad}");
            assert_eq!(limits.text(key), good, "a refused value changes nothing");
            limits.set(key, &default).expect("the default");
            assert_eq!(limits, Limits::default(), "{}", key.name());
            assert_eq!(LimitKey::of(key.name()), Some(key));
        }
    }

    #[test]
    fn limits_that_need_each_other_are_named() {
        let mut limits = Limits { query: Some("SELECT 1".into()), ..Limits::default() };
        assert_eq!(limits.faults(0), [(LimitKey::Query, "needs throttle.query_max beside it".to_owned())]);
        limits.query_max = Some(1.0);
        assert_eq!(limits.faults(0), []);
        limits.replica_lag = Some(Duration::from_secs(5));
        assert_eq!(limits.faults(0)[0].0, LimitKey::ReplicaLag);
        assert_eq!(limits.faults(1), []);
    }
}
