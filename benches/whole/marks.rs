//! What the figures are held against. Printed, never asserted: machines differ.

use crate::measure::BenchReport;
use serde::Serialize;

/// A mark, and where the run stands.
#[derive(Clone, Debug, Serialize)]
pub struct Mark {
    pub mark: String,
    pub value: f64,
    pub reached: bool,
}

/// The marks that these reports say something about.
pub fn marks(reports: &[BenchReport]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut at_least = |mark: String, value: Option<f64>, least: f64| {
        marks.extend(value.map(|value| Mark { mark, value, reached: value >= least }));
    };
    let decode = find(reports, "decode").and_then(|report| Some(report.rows_per_second?.median / 1e6));
    at_least("decode on one core, million rows/s, at least 1.5".into(), decode, 1.5);
    for case in ["tail", "backfill"] {
        let report = find(reports, case);
        let to_gateway = report.and_then(|report| report.ratio_to_gateway);
        at_least(format!("{case}: rate by that of gateway, at least 1"), to_gateway, 1.0);
        let of_bound = report.and_then(BenchReport::of_bound);
        at_least(format!("{case}: ratio to gateway-ordered by its bound, at least 0.85"), of_bound, 0.85);
    }
    let mut at_most = |mark: String, value: Option<f64>, most: f64| {
        marks.extend(value.map(|value| Mark { mark, value, reached: value <= most }));
    };
    for case in ["tail", "backfill"] {
        let own = find(reports, case).and_then(|report| report.cpu("tailfill"));
        at_most(format!("{case}: own CPU seconds for a million rows, at most 4"), own, 4.0);
    }
    for case in ["tail", "backfill"] {
        let share = |of: &str| find(reports, of)?.more.get(&format!("share_of_{case}"))?.as_f64();
        let both = share("lease").and_then(|lease| Some(lease + share("journal")?));
        at_most(format!("{case}: share of leases and journal in its time, at most 0.1"), both, 0.1);
    }
    let lag = find(reports, "lag");
    at_most("lag p50 in ms, below 15".into(), lag.and_then(|report| report.p50_ms), 15.0);
    at_most("lag p99 in ms, below 80".into(), lag.and_then(|report| report.p99_ms), 80.0);
    for signal in ["throttle.threads_running", "throttle.query"] {
        let ratio = find(reports, "throttle")
            .and_then(|report| report.more.get(signal)?.pointer("/p99_by_nothing_copied/median")?.as_f64());
        at_most(format!("{signal}: the application's p99 by that without a copy, at most 1.3"), ratio, 1.3);
    }
    let most = reports.iter().filter_map(|report| Some((report.peak_memory_mb?, &report.case)));
    if let Some((memory, case)) = most.max_by(|a, b| a.0.total_cmp(&b.0)) {
        at_most(format!("memory in MB in every case, below 150 (most in {case})"), Some(memory), 150.0);
    }
    let restart = find(reports, "restart").and_then(|report| report.more.get("worst_seconds")?.as_f64());
    at_most("restart: seconds from start to the first new row, the worst, below 3".into(), restart, 3.0);
    marks
}

fn find<'a>(reports: &'a [BenchReport], case: &str) -> Option<&'a BenchReport> {
    reports.iter().find(|report| report.case == case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_reached_or_not_and_missing_cases_have_none() {
        let mut lag = BenchReport::bare("lag", 1, 0.0);
        (lag.p50_ms, lag.p99_ms) = (Some(9.0), Some(95.0));
        let reached: Vec<bool> = marks(&[lag]).iter().map(|mark| mark.reached).collect();
        assert_eq!(reached, [true, false]);
        assert!(marks(&[]).is_empty());
    }
}
