//! Rows and CPU time over a run, and the rates that follow.

use crate::processes::Cpu;
use anyhow::ensure;
use std::time::Instant;

/// A look at a run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Instant,
    /// Rows written so far.
    pub rows: u64,
    pub cpu: Cpu,
}

/// A part of a run.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub rows: u64,
    pub seconds: f64,
    /// CPU seconds used in it.
    pub cpu: Cpu,
}

impl Span {
    pub fn between(rows: u64, from: &Sample, to: &Sample) -> Span {
        let seconds = to.at.saturating_duration_since(from.at).as_secs_f64();
        Span { rows, seconds, cpu: to.cpu.minus(&from.cpu) }
    }

    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.seconds.max(1e-9)
    }

    pub fn cores_of_others(&self) -> f64 {
        self.cpu.others() / self.seconds.max(1e-9)
    }

    /// CPU seconds of all processes for a million rows.
    pub fn cpu_per_million(&self) -> f64 {
        self.cpu.total() * 1e6 / self.rows.max(1) as f64
    }
}

/// A run from its first row to its last, and its halves.
#[derive(Clone, Copy, Debug)]
pub struct Halves {
    pub whole: Span,
    /// The first half of the rows: the table is new.
    pub fresh: Span,
    pub steady: Span,
}

/// Looks at a run, in order of time; the first one is its beginning.
#[derive(Clone, Debug, Default)]
pub struct Trace(Vec<Sample>);

impl Trace {
    /// Adds a look. As long as nothing has `begun`, a later look takes the place of the beginning.
    pub fn push(&mut self, begun: bool, sample: Sample) {
        if !begun && self.0.len() == 1 {
            self.0.pop();
        }
        self.0.push(sample);
    }

    pub fn rows(&self) -> u64 {
        self.0.last().map_or(0, |sample| sample.rows)
    }

    /// The run up to `rows` rows.
    ///
    /// # Errors
    /// They were not all seen.
    pub fn halves(&self, rows: u64) -> anyhow::Result<Halves> {
        ensure!(self.rows() >= rows && rows > 1, "{} rows of {rows} were written", self.rows());
        let begin = self.0[0];
        let (middle, end) = (self.reach(rows / 2), self.reach(rows));
        Ok(Halves {
            whole: Span::between(rows, &begin, &end),
            fresh: Span::between(rows / 2, &begin, &middle),
            steady: Span::between(rows - rows / 2, &middle, &end),
        })
    }

    /// When so many rows were written, between two looks in proportion.
    fn reach(&self, rows: u64) -> Sample {
        let after = self.0.iter().position(|sample| sample.rows >= rows).unwrap_or(self.0.len() - 1);
        let (from, to) = (self.0[after.saturating_sub(1)], self.0[after]);
        if to.rows == from.rows {
            return to;
        }
        let share = (rows - from.rows.min(rows)) as f64 / (to.rows - from.rows) as f64;
        Sample {
            at: from.at + to.at.saturating_duration_since(from.at).mul_f64(share.clamp(0.0, 1.0)),
            rows,
            cpu: from.cpu.towards(&to.cpu, share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn looks(rows: &[u64]) -> Vec<Sample> {
        let begin = Instant::now();
        let look = |(index, rows): (usize, &u64)| Sample {
            at: begin + Duration::from_secs(index as u64),
            rows: *rows,
            cpu: Cpu { parts: [index as f64; 5], bench: 0.0, busy: 6.0 * index as f64 },
        };
        rows.iter().enumerate().map(look).collect()
    }

    #[test]
    fn halves_are_cut_between_two_looks_in_proportion() {
        let mut trace = Trace::default();
        for sample in looks(&[0, 0, 0, 400, 1_000, 1_000]) {
            // begun with the look after the third
            trace.push(sample.rows > 0, sample);
        }
        let halves = trace.halves(1_000).expect("all were seen");
        assert!((halves.whole.seconds - 2.0).abs() < 1e-6, "{halves:?}");
        assert!((halves.fresh.seconds - (1.0 + 100.0 / 600.0)).abs() < 1e-6, "{halves:?}");
        assert!((halves.whole.cpu_per_million() - 10_000.0).abs() < 1e-6, "{halves:?}");
        assert!((halves.whole.cores_of_others() - 1.0).abs() < 1e-6, "{halves:?}");
        assert!(trace.halves(1_001).is_err());
    }
}
