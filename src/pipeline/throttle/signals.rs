//! What was read, judged: what holds the copy back, with its figure and its limit.

use super::pace::Verdict;
use crate::model::units::print_duration;
use crate::model::{LimitKey, Limits};
use std::time::Duration;

/// What was read of one signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A number of things.
    Number(f64),
    Time(Duration),
    /// Minutes since midnight, local time.
    Minute(u16),
    /// Whether the file is there.
    There(bool),
    /// There is nothing to judge now: no call was made lately, or a person has paused the tail.
    Nothing,
    /// Why it cannot be read.
    Unreadable(String),
}

/// A signal as judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub signal: LimitKey,
    pub verdict: Verdict,
    /// What was read, with its unit.
    pub figure: Option<String>,
    pub limit: String,
    /// Why it holds the copy back; empty where it does not.
    pub words: String,
}

/// The signals that are read for some limits.
pub fn wanted(limits: &Limits) -> Vec<LimitKey> {
    let all = [
        (LimitKey::Hours, limits.hours.is_some()),
        (LimitKey::TailLag, limits.tail_lag.is_some()),
        (LimitKey::ThreadsRunning, limits.threads_running.is_some()),
        (LimitKey::ReplicaLag, limits.replica_lag.is_some()),
        (LimitKey::Query, limits.query.is_some()),
        (LimitKey::HbaseP99, limits.hbase_p99.is_some()),
        (LimitKey::File, limits.file.is_some()),
    ];
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
}

/// Judges what was read of a signal. `unread_is_free` is what a test breaks.
pub fn judge(limits: &Limits, signal: LimitKey, reading: Reading, unread_is_free: bool) -> Judged {
    let limit = limits.text(if signal == LimitKey::Query { LimitKey::QueryMax } else { signal });
    let (name, figure) = (signal.name(), figure(&reading));
    let (verdict, words) = match &reading {
        Reading::Unreadable(_) if unread_is_free => (Verdict::Free, String::new()),
        Reading::Unreadable(reason) => {
            (Verdict::Shut, format!("{name} cannot be read, so nothing is copied: {reason}"))
        }
        Reading::There(true) => (Verdict::Shut, format!("{name}: the file {limit} is there")),
        Reading::Minute(minute) if limits.hours.is_some_and(|hours| !hours.contain(*minute)) => {
            let now = figure.as_deref().unwrap_or_default();
            (Verdict::Shut, format!("{name}: it is {now}, and history is copied at {limit}"))
        }
        reading if is_above(limits, signal, reading) => {
            let now = figure.as_deref().unwrap_or_default();
            (Verdict::Above, format!("{name} is {now}, above its limit of {limit}"))
        }
        _ => (Verdict::Free, String::new()),
    };
    Judged { signal, verdict, figure, limit, words }
}

fn is_above(limits: &Limits, signal: LimitKey, reading: &Reading) -> bool {
    match (signal, reading) {
        (LimitKey::ThreadsRunning, Reading::Number(number)) => {
            limits.threads_running.is_some_and(|limit| *number > f64::from(limit))
        }
        (LimitKey::Query, Reading::Number(number)) => limits.query_max.is_some_and(|limit| *number > limit),
        (LimitKey::TailLag, Reading::Time(time)) => limits.tail_lag.is_some_and(|limit| *time > limit),
        (LimitKey::ReplicaLag, Reading::Time(time)) => limits.replica_lag.is_some_and(|limit| *time > limit),
        (LimitKey::HbaseP99, Reading::Time(time)) => limits.hbase_p99.is_some_and(|limit| *time > limit),
        _ => false,
    }
}

/// A time for people, in whole milliseconds.
pub fn print_ms(time: Duration) -> String {
    print_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

fn figure(reading: &Reading) -> Option<String> {
    match reading {
        Reading::Number(number) => Some(number.to_string()),
        Reading::Time(time) => Some(print_ms(*time)),
        Reading::Minute(minute) => Some(crate::model::hours::time_of_day(*minute)),
        Reading::There(true) => Some("there".to_owned()),
        Reading::There(false) => Some("not there".to_owned()),
        Reading::Nothing | Reading::Unreadable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let mut limits = Limits::default();
        let set = [
            (LimitKey::Hours, "22:00-06:00"),
            (LimitKey::TailLag, "2s"),
            (LimitKey::ThreadsRunning, "30"),
            (LimitKey::ReplicaLag, "5s"),
            (LimitKey::Query, "SELECT 1"),
            (LimitKey::QueryMax, "0.5"),
            (LimitKey::HbaseP99, "250ms"),
            (LimitKey::File, "/run/hold"),
        ];
        set.iter().for_each(|(key, text)| limits.set(*key, text).expect(text));
        limits
    }

    #[test]
    fn each_signal_holds_above_its_limit_with_figure_and_limit_and_not_at_it() {
        let seconds = |seconds| Reading::Time(Duration::from_secs(seconds));
        let cases = [
            (
                LimitKey::Hours,
                Reading::Minute(360),
                Reading::Minute(359),
                Verdict::Shut,
                "it is 06:00, and history is copied at 22:00-06:00",
            ),
            (
                LimitKey::TailLag,
                seconds(3),
                seconds(2),
                Verdict::Above,
                "throttle.tail_lag is 3s, above its limit of 2s",
            ),
            (
                LimitKey::ThreadsRunning,
                Reading::Number(31.0),
                Reading::Number(30.0),
                Verdict::Above,
                "is 31, above its limit of 30",
            ),
            (LimitKey::ReplicaLag, seconds(6), seconds(5), Verdict::Above, "is 6s, above its limit of 5s"),
            (
                LimitKey::Query,
                Reading::Number(0.75),
                Reading::Number(0.5),
                Verdict::Above,
                "throttle.query is 0.75, above its limit of 0.5",
            ),
            (
                LimitKey::HbaseP99,
                Reading::Time(Duration::from_micros(251_900)),
                Reading::Nothing,
                Verdict::Above,
                "is 251ms, above its limit of 250ms",
            ),
            (
                LimitKey::File,
                Reading::There(true),
                Reading::There(false),
                Verdict::Shut,
                "the file /run/hold is there",
            ),
        ];
        let limits = limits();
        assert_eq!(wanted(&limits), cases.clone().map(|(signal, ..)| signal));
        assert!(wanted(&Limits::default()).is_empty());
        for (signal, above, at, verdict, words) in cases {
            let judged = judge(&limits, signal, above, false);
            assert_eq!(judged.verdict, verdict, "{judged:?}");
            assert!(judged.words.contains(words), "{judged:?}");
            assert_eq!(judge(&limits, signal, at, false).verdict, Verdict::Free, "{}", signal.name());
            let unreadable = judge(&limits, signal, Reading::Unreadable("it is away".into()), false);
            assert_eq!((unreadable.verdict, &unreadable.figure), (Verdict::Shut, &None));
            assert!(unreadable.words.ends_with("cannot be read, so nothing is copied: it is away"));
        }
    }
}
