//! Leases that were gone before this run gave them back: not dangerous for a delete, but other programs may rely on them.

use crate::pipeline::{Parts, Progress};
use crate::status::Concern;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How long a loss is shown.
const SHOWN_FOR: Duration = Duration::from_secs(60);

/// The losses that are shown now.
#[derive(Default)]
pub struct LostLeases {
    total: u64,
    lately: VecDeque<(Instant, u64)>,
}

impl LostLeases {
    pub fn update(&mut self, parts: &Parts) {
        self.note(parts.leases.counts().lost_total, &parts.progress);
    }

    fn note(&mut self, total: u64, progress: &Progress) {
        let new = total.saturating_sub(self.total);
        self.total = total;
        if new > 0 {
            self.lately.push_back((Instant::now(), new));
        }
        self.lately.retain(|(at, _)| at.elapsed() < SHOWN_FOR);
        match self.lately.iter().map(|(_, count)| count).sum::<u64>() {
            0 => progress.calm(Concern::LeasesLost),
            lost => {
                let detail = format!("{lost} leases ended too early in the last minute");
                progress.warn(Concern::LeasesLost, detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn losses_are_shown_for_a_minute() {
        let (mut losses, progress) = (LostLeases::default(), Progress::default());
        let mut shown = |total| {
            losses.note(total, &progress);
            progress.warnings(0).pop().map(|warning| warning.detail)
        };
        assert_eq!(shown(0), None);
        let said = |count| Some(format!("{count} leases ended too early in the last minute"));
        assert_eq!(shown(3), said(3));
        advance(Duration::from_secs(40)).await;
        assert_eq!(shown(4), said(4));
        advance(Duration::from_secs(40)).await;
        assert_eq!(shown(4), said(1));
        advance(Duration::from_secs(40)).await;
        assert_eq!(shown(4), None);
    }
}
