//! What comes out of a case: rounds, and the report that sums them up.

use crate::child::Status;
use crate::processes::PARTS;
use crate::trace::{Halves, Span};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

/// Above so many cores of other processes a case is called noisy.
pub const NOISY_CORES: f64 = 0.3;

/// One run of a case.
#[derive(Clone, Debug)]
pub struct Round {
    pub whole: Span,
    pub fresh: Option<Span>,
    pub steady: Option<Span>,
    /// Bytes.
    pub memory_high: Option<u64>,
    /// What the program said of itself last.
    pub last_status: Option<Status>,
    /// From its start to its end.
    pub process_seconds: f64,
    /// Regions of the HBase table, where they can be counted.
    pub regions: Option<usize>,
}

impl Round {
    /// A run into a new table.
    pub fn of(halves: Halves) -> Round {
        let Halves { whole, fresh, steady } = halves;
        Round { fresh: Some(fresh), steady: Some(steady), ..Round::whole(whole) }
    }

    pub fn whole(whole: Span) -> Round {
        Round {
            whole,
            fresh: None,
            steady: None,
            memory_high: None,
            last_status: None,
            process_seconds: whole.seconds,
            regions: None,
        }
    }
}

/// Median, least and most over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` without values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Spread { median, min, max })
    }
}

pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}

/// A half of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Half {
    pub rows_per_second: f64,
    pub ratio: Option<f64>,
}

/// One case; the fields are explained by `--help`.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    pub case: String,
    pub rounds: usize,
    pub rows: Option<u64>,
    pub rows_per_second: Option<Spread>,
    pub fresh: Option<Half>,
    pub steady: Option<Half>,
    pub ratio: Option<f64>,
    pub base: Option<String>,
    pub bound: Option<f64>,
    pub ratio_to_gateway: Option<f64>,
    pub cpu_seconds_per_million_rows: Option<Map<String, Json>>,
    pub peak_memory_mb: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub cores_of_others: f64,
    pub noisy: bool,
    pub more: Map<String, Json>,
    /// What a reader should know beside the table.
    #[serde(skip)]
    pub sentences: Vec<String>,
}

impl BenchReport {
    /// A case that is no number of rows.
    pub fn bare(case: impl Into<String>, rounds: usize, cores_of_others: f64) -> BenchReport {
        BenchReport {
            case: case.into(),
            rounds,
            rows: None,
            rows_per_second: None,
            fresh: None,
            steady: None,
            ratio: None,
            base: None,
            bound: None,
            ratio_to_gateway: None,
            cpu_seconds_per_million_rows: None,
            peak_memory_mb: None,
            p50_ms: None,
            p99_ms: None,
            cores_of_others,
            noisy: cores_of_others > NOISY_CORES,
            more: Map::new(),
            sentences: Vec::new(),
        }
    }

    pub fn of(case: impl Into<String>, rounds: &[Round]) -> BenchReport {
        let others = rounds.iter().map(|round| round.whole.cores_of_others()).fold(0.0, f64::max);
        let mut report = BenchReport::bare(case, rounds.len(), others);
        report.rows = rounds.first().map(|round| round.whole.rows);
        report.rows_per_second = Spread::of(rounds.iter().map(|round| round.whole.rate()));
        report.fresh = half(rounds.iter().filter_map(|round| round.fresh));
        report.steady = half(rounds.iter().filter_map(|round| round.steady));
        report.cpu_seconds_per_million_rows = cpu(rounds);
        let memory = rounds.iter().filter_map(|round| round.memory_high).max();
        report.peak_memory_mb = memory.map(|bytes| bytes as f64 / 1e6);
        if let Some(regions) = rounds.iter().find_map(|round| round.regions) {
            report.more.insert("regions".into(), json!(regions));
            report.sentences.push(format!("{}: the HBase table has {regions} regions", report.case));
        }
        report
    }

    /// Compares it round by round with another case of the same run.
    pub fn compare(&mut self, base: &str, own: &[Round], bases: &[Round], bound: Option<f64>) {
        self.base = Some(base.to_owned());
        self.ratio = ratio(own, bases, |round| Some(round.whole));
        self.bound = bound;
        if let Some(fresh) = &mut self.fresh {
            fresh.ratio = ratio(own, bases, |round| round.fresh);
        }
        if let Some(steady) = &mut self.steady {
            steady.ratio = ratio(own, bases, |round| round.steady);
        }
    }

    /// CPU seconds of a process, or of all ("total"), for a million rows.
    pub fn cpu(&self, process: &str) -> Option<f64> {
        self.cpu_seconds_per_million_rows.as_ref()?.get(process)?.as_f64()
    }

    /// The ratio by its bound: 1 where all cores do nothing else than what this case needs.
    pub fn of_bound(&self) -> Option<f64> {
        Some(self.ratio? / self.bound?)
    }
}

fn half(spans: impl Iterator<Item = Span>) -> Option<Half> {
    median(spans.map(|span| span.rate())).map(|rows_per_second| Half { rows_per_second, ratio: None })
}

/// The median over the rounds of own rate by the base's.
pub fn ratio(own: &[Round], bases: &[Round], part: impl Fn(&Round) -> Option<Span>) -> Option<f64> {
    let pairs = own.iter().zip(bases);
    median(pairs.filter_map(|(own, base)| Some(part(own)?.rate() / part(base)?.rate())))
}

/// CPU seconds per row of the case that is the limit by those of another: what the other could reach of its rate
/// if the cores did nothing else.
pub fn bound(limit: &[Round], own: &[Round]) -> Option<f64> {
    let pairs = limit.iter().zip(own);
    median(pairs.map(|(limit, own)| limit.whole.cpu_per_million() / own.whole.cpu_per_million()))
}

fn cpu(rounds: &[Round]) -> Option<Map<String, Json>> {
    let per_million = |round: &Round, seconds: f64| seconds * 1e6 / round.whole.rows.max(1) as f64;
    let mut map = Map::new();
    for (part, name) in PARTS.iter().enumerate() {
        let values = rounds.iter().map(|round| per_million(round, round.whole.cpu.parts[part]));
        map.insert((*name).to_owned(), json!(rounded(median(values)?)));
    }
    let total = median(rounds.iter().map(|round| round.whole.cpu_per_million()))?;
    map.insert("total".into(), json!(rounded(total)));
    Some(map)
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::Cpu;

    fn round(rate: f64, cpu: f64) -> Round {
        let cpu = Cpu { parts: [cpu / 5.0; 5], bench: 0.0, busy: cpu };
        Round::whole(Span { rows: 1_000, seconds: 1_000.0 / rate, cpu })
    }

    #[test]
    fn ratios_are_medians_of_rounds_and_not_of_rates() {
        let own = [round(50.0, 2.0), round(90.0, 2.0), round(40.0, 2.0)];
        let bases = [round(100.0, 1.0), round(100.0, 1.0), round(80.0, 1.0)];
        let mut report = BenchReport::of("tail", &own);
        report.compare("gateway-ordered", &own, &bases, bound(&bases, &own));
        assert!((report.ratio.expect("a ratio") - 0.5).abs() < 1e-9);
        assert!((report.bound.expect("a bound") - 0.5).abs() < 1e-9);
        assert!((report.of_bound().expect("both") - 1.0).abs() < 1e-9);
        assert!((report.cpu("total").expect("a total") - 2_000.0).abs() < 1e-6);
        assert_eq!(report.rows_per_second.map(|spread| spread.median.round()), Some(50.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0]);
        assert_eq!(spread, Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([]), None);
    }
}
