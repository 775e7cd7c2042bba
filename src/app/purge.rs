//! When the source may purge a change that is not in HBase yet.
//!
//! MySQL purges a binlog file once it has not been written to for `binlog_expire_logs_seconds`. The oldest change that
//! HBase lacks is as old as the lag, and its file is no older, so MySQL keeps it for the expiry less the lag, at least.

use crate::status::{Concern, Warning, text};
use std::time::Duration;

/// How much of the expiry is left when it becomes a warning.
const WARNED_BELOW: u32 = 4;

/// A purge that lies ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Until it may come.
    pub left: Duration,
    kept_for: Duration,
}

/// `None`: the source does not purge, or nobody knows.
pub fn ahead(kept_for: Option<Duration>, lag: Option<Duration>) -> Option<Purge> {
    let kept_for = kept_for?;
    Some(Purge { left: kept_for.saturating_sub(lag?), kept_for })
}

impl Purge {
    /// Less than a quarter of the expiry is left.
    pub fn warning(&self) -> Option<Warning> {
        let detail = || {
            let (left, kept) = (text::seconds(self.left.as_secs()), self.kept_for.as_secs());
            format!(
                "in {left} MySQL may purge changes that are not in HBase yet (binlog_expire_logs_seconds is {kept})"
            )
        };
        (self.left < self.kept_for / WARNED_BELOW).then(|| Warning::new(Concern::PurgeAhead, detail(), 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_is_as_far_as_the_expiry_less_the_lag() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let cases = [
            (None, seconds(1), None, false),
            (seconds(100), None, None, false),
            (seconds(100), seconds(0), Some(100), false),
            (seconds(100), seconds(75), Some(25), false),
            (seconds(100), seconds(76), Some(24), true),
            (seconds(100), seconds(500), Some(0), true),
        ];
        for (kept_for, lag, left, warned) in cases {
            let purge = ahead(kept_for, lag);
            assert_eq!(purge.map(|purge| purge.left.as_secs()), left);
            assert_eq!(purge.and_then(|purge| purge.warning()).is_some(), warned);
        }
    }
}
