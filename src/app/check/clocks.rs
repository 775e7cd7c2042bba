//! Three clocks: ours, MySQL's, HBase's. Ticks are made from ours, and must stay near HBase's (I6, I7).

use super::finding::{Finding, Group, Rule};
use crate::clock::{Clock, Reading, SteadyClock};
use crate::failpoints::Failpoints;
use crate::model::TargetId;
use crate::sink::Tables;
use crate::source::MysqlSource;

/// How far a clock may be from ours.
const SKEW_MAX_MICROS: i64 = 1_000_000;
/// A reading less certain than this is taken again.
const UNCERTAIN_MICROS: u64 = 100_000;

fn rule(server: &str) -> Rule {
    Rule::new(Group::Clocks, server, "within 1 s of this machine's")
}

/// Whether `server`'s clock is near ours.
pub fn judge(server: &str, reading: Reading) -> Finding {
    let (skew, uncertainty) = reading.skew();
    let direction = if skew < 0 { "behind" } else { "ahead" };
    let actual =
        format!("{:.1} ms {direction}, +-{:.1} ms", milliseconds(skew.abs()), milliseconds(uncertainty));
    let far = skew.saturating_abs();
    if far.saturating_sub(uncertainty) > SKEW_MAX_MICROS && !Failpoints::default().clocks_not_compared() {
        let advice = "synchronise the clocks of both machines (NTP), then check again";
        return rule(server).refusal(actual, advice);
    }
    if far.saturating_add(uncertainty) > SKEW_MAX_MICROS {
        let advice = "the answer took too long; check again when the server is less busy";
        return rule(server).warning(actual, advice);
    }
    rule(server).ok(actual)
}

fn milliseconds(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

pub async fn mysql(source: &MysqlSource, clock: &SteadyClock) -> Finding {
    let before = clock.now_micros();
    match source.clock().await {
        Ok(answer) => {
            // The answer's own round trip is the shorter one: a connection may have been opened before.
            let after = clock.now_micros();
            let trip = u64::try_from(answer.round_trip.as_micros()).unwrap_or(u64::MAX);
            let before = before.max(after.saturating_sub(trip));
            judge("mysql", Reading { before, theirs: answer.micros, after })
        }
        Err(error) => rule("mysql").unknown(error),
    }
}

/// HBase's stamp, seen in the table of `target`.
pub async fn hbase(sink: &dyn Tables, target: TargetId, clock: &SteadyClock) -> Finding {
    let mut best: Option<Reading> = None;
    // The first call may have to find the region.
    for _ in 0..3 {
        let before = clock.now_micros();
        let stamp_ms = match sink.server_clock_ms(target).await {
            Ok(stamp_ms) => stamp_ms,
            Err(error) => return rule("hbase").unknown(error),
        };
        let reading = Reading { before, theirs: stamp_ms.saturating_mul(1_000), after: clock.now_micros() };
        if best.is_none_or(|best| reading.uncertainty() < best.uncertainty()) {
            best = Some(reading);
        }
        if reading.uncertainty() <= UNCERTAIN_MICROS {
            break;
        }
    }
    best.map_or_else(no_table, |reading| judge("hbase", reading))
}

/// HBase's clock is read through a table.
pub fn no_table() -> Finding {
    rule("hbase").note("not known before a table exists", "a run compares it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::check::finding::Level;

    const NOW: u64 = 1_700_000_000_000_000;

    fn level(ahead_micros: i64, round_trip_micros: u64) -> Level {
        let middle = NOW + round_trip_micros / 2;
        let theirs = middle.saturating_add_signed(ahead_micros);
        judge("mysql", Reading { before: NOW, theirs, after: NOW + round_trip_micros }).level
    }

    #[test]
    fn a_clock_beyond_a_second_is_refused_in_both_directions() {
        for sign in [1, -1] {
            assert_eq!(level(sign * 900_000, 1_000), Level::Ok);
            assert_eq!(level(sign * 1_200_000, 1_000), Level::Refusal);
            assert_eq!(level(sign * 3_600_000_000, 1_000), Level::Refusal);
        }
    }

    #[test]
    fn a_slow_answer_proves_nothing_and_refuses_nothing() {
        assert_eq!(level(0, 400_000), Level::Ok);
        assert_eq!(level(900_000, 400_000), Level::Warning);
        assert_eq!(level(1_100_000, 400_000), Level::Warning);
        assert_eq!(level(1_300_000, 400_000), Level::Refusal);
    }

    #[test]
    fn nonsense_of_a_server_is_a_refusal_and_no_panic() {
        for theirs in [0, u64::MAX] {
            let reading = Reading { before: NOW, theirs, after: NOW + 10 };
            assert_eq!(judge("hbase", reading).level, Level::Refusal);
        }
        let text = judge("hbase", Reading { before: NOW, theirs: NOW - 2_000_000, after: NOW }).actual;
        assert_eq!(text, "2000.0 ms behind, +-0.0 ms");
    }
}
