use super::*;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const SECOND: u64 = 1_000_000;

/// The transactions 1 to `last`.
fn up_to(last: u64) -> Reached {
    match last {
        0 => Reached::default(),
        last => format!("{UUID}:1-{last}").parse().expect("a set"),
    }
}

/// What happened, with its second, and what the lag is at a second.
enum Event {
    /// The source had committed so many transactions.
    Look(u64, u64),
    /// `written` passed a transaction that was committed in that second.
    Passed(u64),
}

use Event::{Look as Looked, Passed};

/// What it is, what happened, the second of now, transactions written, and the lag.
type Case = (&'static str, &'static [Event], u64, u64, Option<f64>);

/// Lag in seconds at `now`, where `written` transactions are in HBase, and nothing else was read.
fn behind(events: &[Event], now: u64, written: u64) -> Option<f64> {
    behind_of(events, now, written, written)
}

fn behind_of(events: &[Event], now: u64, written: u64, received: u64) -> Option<f64> {
    let mut lag = Lag::default();
    for event in events {
        match event {
            Looked(at, has) => lag.source_answered(at * SECOND, up_to(*has), Some(77)),
            Passed(at) => lag.passed(&[at * SECOND]),
        }
    }
    lag.behind(now * SECOND, &up_to(written), &up_to(received)).micros.map(|micros| micros as f64 / 1e6)
}

#[test]
fn the_lag_is_the_time_since_hbase_had_everything() {
    let cases: [Case; 9] = [
        ("nobody has looked and nothing is written", &[], 100, 0, None),
        ("an idle source", &[Looked(99, 5), Looked(100, 5)], 101, 5, Some(0.0)),
        ("a first look finds more than is written", &[Looked(100, 5)], 100, 3, None),
        (
            "the tail's connection is cut: looks go on",
            &[Looked(100, 5), Looked(101, 8), Looked(130, 900)],
            130,
            5,
            Some(30.0),
        ),
        ("the source does not answer any more", &[Looked(100, 5)], 130, 5, Some(30.0)),
        (
            "HBase is away: what was written last was committed at 100",
            &[Passed(100), Looked(101, 6), Looked(160, 90)],
            160,
            5,
            Some(60.0),
        ),
        (
            "HBase is back: a look of the meantime is passed",
            &[Looked(100, 5), Looked(110, 10), Looked(120, 20)],
            121,
            10,
            Some(11.0),
        ),
        ("the newer of both counts", &[Looked(100, 5), Passed(118), Looked(120, 20)], 121, 10, Some(3.0)),
        ("caught up again", &[Looked(100, 5), Looked(110, 10), Looked(120, 20)], 121, 20, Some(0.0)),
    ];
    for (case, events, now, written, expected) in cases {
        assert_eq!(behind(events, now, written), expected, "{case}");
    }
}

#[test]
fn what_was_read_since_the_newest_look_counts() {
    let events = [Passed(99), Looked(100, 5), Passed(101)];
    assert_eq!(behind_of(&events, 102, 7, 9), Some(1.0), "the newest written one is of 101");
    assert_eq!(behind_of(&events, 102, 9, 9), Some(0.0));
}

#[test]
fn bytes_are_known_while_the_source_answers_and_nothing_is_left_where_it_has_nothing_more() {
    let mut lag = Lag::default();
    lag.source_answered(100 * SECOND, up_to(5), Some(300));
    assert_eq!(lag.behind(101 * SECOND, &up_to(4), &up_to(4)).bytes, Some(300));
    assert_eq!(lag.behind(110 * SECOND, &up_to(4), &up_to(4)).bytes, None, "nobody knows what came since");
    lag.source_answered(111 * SECOND, up_to(5), Some(157)); // rotated: the head of a new file
    assert_eq!(lag.behind(111 * SECOND, &up_to(5), &up_to(5)).bytes, Some(0));
}

#[test]
fn looks_are_bounded_and_the_oldest_one_stays() {
    let mut lag = Lag::default();
    lag.source_answered(1, up_to(1), None);
    for second in 1..=100_000 {
        lag.source_answered(second * SECOND, up_to(second + 1), None);
    }
    assert!(lag.looks.len() <= LOOKS_MAX, "{}", lag.looks.len());
    assert_eq!(lag.looks.front().map(|look| look.at_micros), Some(1));
    let behind = lag.behind(100_000 * SECOND, &up_to(50_000), &up_to(50_000)).micros.expect("a lag") / SECOND;
    assert!((50_000..=100_000).contains(&behind), "never less than it is: {behind}");
}

#[test]
fn quantiles_forget_what_lies_behind_their_window() {
    let mut lag = Lag::default();
    let at = |minute: u64| (1_000 + minute * 60) * SECOND;
    lag.written(at(0), &[at(0) - 30 * SECOND; 100]);
    lag.written(at(5), &[at(5) - SECOND / 1_000; 100]);
    let near = |got: f64, wanted: f64| (got / wanted - 1.0).abs() < 0.02;
    assert!(near(lag.over_the_run().p99_ms, 30_000.0));
    assert!(near(lag.last_ten_minutes(at(5)).p99_ms, 30_000.0));
    assert!(near(lag.last_minute(at(5)).p99_ms, 1.0), "{:?}", lag.last_minute(at(5)));
    assert!(near(lag.last_ten_minutes(at(12)).p99_ms, 1.0));
    assert_eq!(lag.last_minute(at(12)), Quantiles::default());
}
