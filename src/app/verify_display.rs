//! How far a comparison is, shown while it works: a line that is redrawn on a terminal, else one now and then.

use super::display::{self, PLAIN_CHECK, Plain, Shown};
use super::output;
use crate::clock::{Clock, SteadyClock};
use crate::failure::Failure;
use crate::verify::{Meter, Pacer, Stage, Verification};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(200);

/// Shows how far a comparison is, until it is done.
pub async fn shown<T, E: Into<Failure>>(
    verification: &Verification,
    comparison: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    let display = tokio::spawn(show(verification.meter.clone(), verification.pacer.clone()));
    let report = comparison.await;
    display.abort();
    let _ = display.await; // it was aborted
    report.map_err(Into::into)
}

/// Shows `meter` until the future is dropped: a line that is redrawn on a terminal, else one now and then.
async fn show(meter: Arc<Meter>, pacer: Option<Arc<dyn Pacer>>) {
    let begin = Instant::now();
    let waits = || pacer.as_ref().and_then(|pacer| pacer.waits());
    if !std::io::stderr().is_terminal() {
        let (clock, mut plain) = (SteadyClock::start(), Plain::default());
        loop {
            tokio::time::sleep(PLAIN_CHECK).await;
            let (stage, waits) = (meter.stage(), waits());
            if plain.is_due(Instant::now(), Step { stage, waits: waits.is_some() }) {
                let at = display::moment(clock.now_micros());
                output::eprint_line(&format!("{at} {}", line(&meter, begin, waits)));
            }
        }
    }
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid");
    let bar = Bar(ProgressBar::new_spinner().with_style(style));
    loop {
        bar.0.set_message(line(&meter, begin, waits()));
        bar.0.tick();
        tokio::time::sleep(REDRAW).await;
    }
}

/// What a plain line is about.
#[derive(PartialEq, Eq)]
struct Step {
    stage: Stage,
    /// For its pace, and already for a while.
    waits: bool,
}

/// A plain line comes with each new stage, and where a wait begins or ends.
impl Shown for Step {
    fn moved_to(&self, now: &Step) -> bool {
        self != now
    }
}

/// Takes its line away when it is dropped.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn line(meter: &Meter, begin: Instant, waits: Option<String>) -> String {
    let seconds = begin.elapsed().as_secs_f64().max(0.001);
    let side = |name: &str, items: u64| format!("{name} {items} items ({:.0}/s)", items as f64 / seconds);
    let mut line = format!(
        "verify: {} | {} | {}",
        meter.stage().name(),
        side("MySQL", meter.source_items.load(Relaxed)),
        side("HBase", meter.sink_items.load(Relaxed))
    );
    let candidates = meter.candidates.load(Relaxed);
    if candidates > 0 {
        line.push_str(&format!(" | {candidates} to confirm"));
    }
    if let Some(waits) = waits {
        line.push_str(&format!(" | {waits}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_comes_with_each_stage_with_each_wait_and_once_a_minute() {
        let (begin, mut plain) = (Instant::now(), Plain::default());
        let mut due = |seconds, stage| {
            plain.is_due(
                begin + Duration::from_secs(seconds),
                Step { stage, waits: (80..90).contains(&seconds) },
            )
        };
        assert!(due(2, Stage::CatchingUp) && !due(4, Stage::CatchingUp));
        assert!(due(6, Stage::Reading) && !due(64, Stage::Reading) && due(66, Stage::Reading));
        assert!(!due(68, Stage::Reading) && due(70, Stage::LookingCloser));
        let closer = Stage::LookingCloser;
        assert!(
            due(80, closer) && !due(82, closer) && due(90, closer),
            "a wait that begins, lasts, and ends"
        );
    }
}
