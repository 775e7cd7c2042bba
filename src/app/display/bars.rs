//! What a run draws on a terminal, within its width: a line for each copy, one for the tail, and one for what it waits for.

use super::plain::CopyState;
use crate::model::TargetId;
use crate::pipeline::progress::CopyProgress;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Below this many columns a copy has no bar: its figures need the room.
const BAR_COLUMNS: u16 = 100;

/// A copy as it is drawn.
pub struct CopyLine<'a> {
    pub target: TargetId,
    pub label: &'a str,
    pub state: CopyState,
    pub copy: Option<&'a CopyProgress>,
}

pub struct Bars {
    screen: MultiProgress,
    copies: BTreeMap<TargetId, ProgressBar>,
    tail: ProgressBar,
    /// Only on the screen while something is waited for.
    wait: Option<ProgressBar>,
}

impl Bars {
    pub fn new(screen: MultiProgress) -> Bars {
        let tail = screen.add(ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}")));
        Bars { screen, copies: BTreeMap::new(), tail, wait: None }
    }

    /// Draws anew, on a terminal with this many columns.
    pub fn draw(&mut self, columns: u16, copies: &[CopyLine<'_>], tail: String, wait: Option<String>) {
        self.copies.retain(|target, bar| {
            let is_shown = copies.iter().any(|line| line.target == *target);
            if !is_shown {
                bar.finish_and_clear();
                self.screen.remove(bar);
            }
            is_shown
        });
        for line in copies {
            let new = || self.screen.insert_before(&self.tail, ProgressBar::new(0));
            draw_copy(self.copies.entry(line.target).or_insert_with(new), columns, line);
        }
        self.tail.set_message(tail);
        self.tail.tick();
        self.draw_wait(wait);
    }

    fn draw_wait(&mut self, wait: Option<String>) {
        let Some(words) = wait else {
            if let Some(bar) = self.wait.take() {
                bar.finish_and_clear();
                self.screen.remove(&bar);
            }
            return;
        };
        let new = || self.screen.add(ProgressBar::new_spinner().with_style(style("  {wide_msg}")));
        let bar = self.wait.get_or_insert_with(new);
        bar.set_message(words);
        bar.tick();
    }
}

fn draw_copy(bar: &ProgressBar, columns: u16, line: &CopyLine<'_>) {
    let text = match &line.state {
        CopyState::Copying { .. } | CopyState::Complete => line.label.to_owned(),
        state => format!("{}  {}", line.label, state.text()),
    };
    match line.state {
        CopyState::Parked { .. } | CopyState::Counting { .. } => bar.set_style(style("{wide_msg}")),
        _ if columns < BAR_COLUMNS => {
            bar.set_style(copy_style("{wide_msg} {percent:>3} %  {rate}/s  ETA {eta:>3}"))
        }
        _ => bar.set_style(copy_style("{msg:<28} {wide_bar} {pos:>9}/{len} rows  {rate:>8}/s  ETA {eta}")),
    }
    bar.set_message(text);
    let Some(copy) = line.copy else { return };
    bar.set_length(copy.rows_estimated.max(copy.rows_done));
    bar.set_position(copy.rows_done);
    if line.state == CopyState::Complete && !bar.is_finished() {
        bar.set_length(copy.rows_done);
        bar.abandon();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

fn copy_style(template: &str) -> ProgressStyle {
    let rate = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{:.0}", state.per_sec()); // a text takes everything
    };
    style(template).with_key("rate", rate)
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.copies.values().chain(&self.wait) {
            bar.abandon();
        }
        self.tail.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{InMemoryTerm, ProgressDrawTarget};
    use std::time::Duration;

    const TAIL: &str = "tail: lag 12 ms (p50 2.0, p99 19.5), 96/s, 3 queued, 812 changes";
    const WAIT: &str = "the tail waits for HBase, which has not answered since 03:12:45 UTC";

    fn drawn(columns: u16, states: &[CopyState], wait: Option<&str>) -> Vec<String> {
        let terminal = InMemoryTerm::new(20, columns);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let mut bars = Bars::new(MultiProgress::with_draw_target(target));
        let copy = CopyProgress { rows_done: 400, rows_estimated: 1_000, ..CopyProgress::default() };
        let line = |(number, state): (usize, &CopyState)| CopyLine {
            target: TargetId(u16::try_from(number).expect("few targets")),
            label: "followers -> followers_by_time",
            state: state.clone(),
            copy: Some(&copy),
        };
        let lines: Vec<CopyLine<'_>> = states.iter().enumerate().map(line).collect();
        // what goes is taken away again; the terminal takes only so many drawings a second
        for wait in [Some("a wait that is over"), wait] {
            bars.draw(columns, &lines, TAIL.to_owned(), wait.map(str::to_owned));
            std::thread::sleep(Duration::from_millis(150));
        }
        terminal.contents().lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_target_the_tail_and_the_wait_have_one_line_at_every_width() {
        let parked = CopyState::Parked { reason: "the table was altered at binlog.000004:1234".to_owned() };
        let states = [
            CopyState::Copying { percent: 40 },
            CopyState::Counting { rows: 7 },
            parked,
            CopyState::Complete,
        ];
        for columns in [40, 60, 80, 99, 100, 140, 200] {
            let lines = drawn(columns, &states, Some(WAIT));
            assert_eq!(lines.len(), states.len() + 2, "{columns} columns: {lines:#?}");
            assert!(lines.iter().all(|line| line.chars().count() <= usize::from(columns)));
            assert!(lines[4].contains("lag 12 ms"), "{columns} columns: {lines:#?}");
            assert!(lines[5].starts_with("  the tail waits for HBase"), "{columns} columns: {lines:#?}");
            assert_eq!(lines[0].contains("400/1000 rows"), columns >= BAR_COLUMNS, "{lines:#?}");
            assert!(lines[0].contains("ETA"), "{columns} columns: {lines:#?}");
            assert_eq!(drawn(columns, &states, None).len(), states.len() + 1, "{columns} columns");
        }
    }
}
