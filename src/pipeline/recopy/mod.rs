//! Re-copy: lists, or all of a mapping, are compared in both directions and mended under fresh marks.
//!
//! A job first makes sure that nothing of before can still arrive: where changes may have been missed, a write that
//! hangs in a gateway could land after the comparison and bring back a row that nothing deletes any more. So it waits
//! for the *late-write horizon*: the gateway's operation time-out plus a lease's expiry, counted from the last moment at
//! which an older writer could send ([`course`]). Then it takes a mark and waits until that is safe: what its SELECTs do
//! not see is tailed, with higher ticks.
//!
//! Then it makes two passes ([`scan`]): it reads the names of HBase's items and looks them up in MySQL, and after that
//! MySQL's items and looks them up in HBase. What does not look equal is settled ([`settle`]): in a turn of its lists, so
//! that all that was sealed below the turn's mark is written, under their leases, with that mark safe before the SELECT
//! (I3), both sides are read again and compared, and what still differs is written at the mark ([`mending`]). Each
//! attempt has a turn and a mark of its own, since a tick means one thing only (I2).
//!
//! Counted rows are written as the tail writes them, with their count, in the order of ticks that the turn keeps. A
//! count that is wrong is taken away and counted again ([`recount`]).

mod course;
mod job;
mod mending;
mod recount;
mod scan;
mod settle;
mod target;

pub use job::Shared;

use crate::pipeline::copies::copy::Copy;
use crate::pipeline::jobs::{self, Recopies, RecopyReport};
use crate::pipeline::life;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Works off what is asked, one job after the other, until `stop`. A job that fails does not end the run, unless the
/// run needs it. One that `stop` interrupts has failed, or is begun again where the tasks are ([`Recopies::begin_again`]).
pub async fn work(
    parts: &Parts,
    shared: Shared,
    recopies: Recopies,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    loop {
        let Some((number, ask)) = (tokio::select! { biased;
            () = stop.cancelled() => None,
            next = recopies.next() => next,
        }) else {
            if !recopies.is_paused() {
                recopies.close();
            }
            return Ok(());
        };
        let lists = ask.lists.as_ref().map_or(0, Vec::len);
        tracing::debug!(
            event = "recopy_began",
            mapping = ask.mapping,
            lists,
            dry_run = ask.dry_run,
            "a re-copy"
        );
        let (outcome, stopped) = tokio::select! { biased;
            () = stop.cancelled() => (Err(jobs::interrupted()), true),
            outcome = course::run(parts, &shared, &recopies, number, &ask) => (outcome, false),
        };
        if stopped && recopies.is_paused() && !parts.settings.failpoints.interrupted_not_repeated() {
            return Ok(()); // it is begun again
        }
        if let Err(error) = &outcome {
            tracing::warn!(event = "recopy_failed", mapping = ask.mapping, %error, job = number, "a re-copy failed");
        } else {
            tracing::debug!(event = "recopy_ended", mapping = ask.mapping, "a re-copy is done");
        }
        if outcome.is_err() && recopies.is_needed(number) && !stopped {
            return outcome;
        }
        recopies.end(number, outcome.err());
    }
}

/// At the end of a run that was for jobs alone: those fail that were done and whose targets the tail has parked since.
pub async fn fail_parked(
    parts: &Parts,
    copies: &[Arc<Copy>],
    recopies: &Recopies,
) -> Result<(), ProtocolError> {
    for (number, report) in recopies.done() {
        let parked = copies
            .iter()
            .map(|copy| &**copy)
            .filter(|copy| parts.plan.is_parked(copy.target.id) && was_tailed(&report, copy));
        if let Some(error) = life::why_parked(parts, parked).await? {
            recopies.end(number, Some(error));
        }
    }
    Ok(())
}

fn was_tailed(report: &RecopyReport, copy: &Copy) -> bool {
    let Copy { mapping, target, .. } = copy;
    let is_of = |of: &jobs::RecopyTargetReport| of.table == target.table && of.family == target.family;
    report.mapping == mapping.name && report.targets.iter().any(|of| is_of(of) && of.tailed)
}
