//! HBase's clock beside ours, while the run goes on.
//!
//! HBase judges the age of delete markers by its own clock (I7), and whoever writes after the cut-over is stamped by it
//! (I6). A start refuses clocks that are more than a second apart; here drift is told, and what no purge delay makes
//! up for ends the run.

use crate::clock::Reading;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use crate::status::Concern;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What is told, and what ends the run.
const WARNED: Duration = Duration::from_secs(60);
const ENDS: Duration = Duration::from_secs(3_600);

/// Looks again and again, until `stop`.
///
/// # Errors
/// The clocks are more than an hour apart.
pub async fn watch(parts: &Parts, stop: CancellationToken) -> Result<(), ProtocolError> {
    let mut warned = false;
    loop {
        tokio::select! { biased;
            () = stop.cancelled() => return Ok(()),
            () = sleep(parts.settings.clock_every) => {}
        }
        if parts.levers.all_paused() {
            continue; // it takes a write to HBase
        }
        let Some(skew) = apart(parts).await else { continue };
        if skew.apart > ENDS && !parts.settings.failpoints.clocks_not_compared() {
            return Err(ProtocolError::Refused {
                reason: format!("{skew}: tailfill's cell timestamps and HBase's own would be too far apart"),
                advice: "synchronise the clocks of both machines (NTP), then start again".into(),
            });
        }
        if skew.apart > WARNED {
            parts.progress.warn(Concern::HbaseClock, skew.to_string());
            if !warned {
                tracing::warn!(seconds = skew.apart.as_secs(), "{skew}");
            }
        } else {
            parts.progress.calm(Concern::HbaseClock);
        }
        warned = skew.apart > WARNED;
    }
}

/// How far HBase's clock surely is from ours.
struct Skew {
    apart: Duration,
    ahead: bool,
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let direction = if self.ahead { "ahead of" } else { "behind" };
        write!(f, "HBase's clock is {} s {direction} this machine's", self.apart.as_secs())
    }
}

/// `None` where it cannot be read now: what writes to HBase says so itself.
async fn apart(parts: &Parts) -> Option<Skew> {
    let (_, target) = parts.plan.active_targets().next()?;
    let before = parts.clock.now_micros();
    let theirs = parts.sink.server_clock_ms(target.id).await.ok()?.saturating_mul(1_000);
    let (ahead, uncertainty) = Reading { before, theirs, after: parts.clock.now_micros() }.skew();
    let surely = ahead.saturating_abs().saturating_sub(uncertainty).max(0);
    Some(Skew { apart: Duration::from_micros(surely.unsigned_abs()), ahead: ahead > 0 })
}
