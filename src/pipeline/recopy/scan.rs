//! The two passes: both sides are read, and what does not look equal is handed on. They take no leases, and keep no
//! more than a piece of MySQL or a page of HBase in memory.
//!
//! What looks equal is right: its SELECT came after a mark that was safe, so a change that it did not see is sealed
//! above that mark and tailed.

use super::job::{PAGE, Scope};
use super::settle::Settling;
use super::target::{AtTarget, Suspect};
use crate::compare::TargetItem;
use crate::lock::ListId;
use crate::model::Value;
use crate::protocol::ProtocolError;
use crate::sink::layout::AddressParts;

/// Extras of HBase that are proven to be none of MySQL's at once: it may take a scan of the table.
const EXTRAS_AT_ONCE: usize = 10_000;

/// Looks HBase's items up in MySQL: finds what MySQL has not, or has elsewhere.
pub async fn from_hbase(at: &AtTarget<'_>, settling: &mut Settling<'_>) -> Result<(), ProtocolError> {
    let (job, target) = (at.job, &at.copy.target);
    job.set_doing(&format!("compares MySQL with {}", target.table));
    let mut pass = at.sides(job).target_pass(job.ranges(target));
    let mut extras = Vec::new();
    loop {
        let permit = job.permit(PAGE as u64).await;
        let Some(names) = pass.next(|_| true).await? else { break };
        permit.used(names.len() as u64);
        job.report(target.id, |report| {
            report.from_hbase += names.len() as u64;
            report.foreign += names.iter().filter(|name| name.parts.is_none()).count() as u64;
        });
        extras.extend(names.into_iter().filter_map(|name| extra(at, name)));
        if extras.len() >= EXTRAS_AT_ONCE {
            settle_extras(at, std::mem::take(&mut extras), settling).await?;
        }
    }
    settle_extras(at, extras, settling).await
}

fn extra(at: &AtTarget<'_>, TargetItem { address, parts, in_source }: TargetItem) -> Option<Suspect> {
    let AddressParts { list_key, key, item, .. } = parts.filter(|_| !in_source)?;
    let list = ListId::new(at.copy.mapping.id.0, &list_key);
    Some(Suspect { address, list, key: (key, item), scanned: false })
}

/// That MySQL has none of them is proven before one is deleted.
async fn settle_extras(
    at: &AtTarget<'_>,
    extras: Vec<Suspect>,
    settling: &mut Settling<'_>,
) -> Result<(), ProtocolError> {
    at.job.tried(|| at.are_gone(&extras)).await?;
    settling.add(extras).await
}

/// Looks MySQL's items up in HBase: finds what is missing there or different.
pub async fn from_mysql(at: &AtTarget<'_>, settling: &mut Settling<'_>) -> Result<(), ProtocolError> {
    let (job, target) = (at.job, &at.copy.target);
    job.set_doing(&format!("compares {} with MySQL", target.table));
    let lists: Vec<Option<&[Value]>> = match &job.scope {
        Scope::All => vec![None],
        Scope::Lists(lists) => lists.iter().map(|list| Some(&list.key[..])).collect(),
    };
    for list in lists {
        let chunk_rows = job.parts.throttle.limits().chunk_rows;
        let mut pass = at.sides(job).source_pass(list, chunk_rows);
        loop {
            let permit = job.permit(u64::from(chunk_rows)).await;
            // a list's rows may come with those of lists whose keys look alike
            let keep = |row: &_, _: &_| at.list_of(row).is_ok_and(|list| job.has(list));
            let Some(piece) = pass.next(keep).await? else { break };
            permit.used(piece.items.len() as u64);
            job.report(target.id, |report| report.from_mysql += piece.items.len() as u64);
            for item in piece.items.into_iter().filter(|item| item.differs) {
                let suspect = Suspect::of(at, at.list_of(&item.row)?, &item.row, item.address);
                settling.add([suspect]).await?;
            }
        }
    }
    settling.finish().await
}
