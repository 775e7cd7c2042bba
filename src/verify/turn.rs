//! Items that never rest, judged in a turn of their lists: one reading of each side decides, however often they change.
//!
//! The run holds the lists up ([`TailView::hold`](super::tail::TailView::hold)), so HBase stands at one place of the binlog:
//! it has the transactions in `sealed`, each as a whole, and nothing of any other. HBase is read, and the hold given back.
//! Then, once MySQL has committed `sealed`, MySQL is read, and after that the binlog outside `sealed`, up to the end that it
//! has then. So what MySQL had at an address at that place of the binlog is known exactly:
//! - where no transaction outside `sealed` touches the address, the SELECT shows it;
//! - where one does, it is what stood there before the first of these changes. The binlog says that: the before image where
//!   that lies at the address, else nothing.
//!
//! Nothing has to stand still, and the lists wait for one reading of HBase. The hold has to have lasted until that reading
//! ended; else it is taken again, [`TURNS`] times at most.

use super::tail::{Held, Watch};
use super::under_way::Feed;
use super::{Verification, VerifyError};
use crate::model::{ColumnValue, Mapping, Reached, Target, Value};
use crate::retry::{Patience, Pauses};
use crate::sink::layout::{Address, Codec};

/// How often lists are held up for the same reading.
const TURNS: u32 = 5;
/// Items, or rows of counts, that are read under one hold.
pub const AT_ONCE: usize = 100;

/// What was read while lists were held up, and the transactions that HBase had of them. `None`: nobody holds them up, or not
/// for long enough.
pub async fn held_up<T>(
    watch: &Watch,
    mapping: &Mapping,
    lists: &[Vec<Value>],
    read: impl AsyncFn() -> Result<T, VerifyError>,
) -> Result<Option<(T, Reached)>, VerifyError> {
    let Some(tail) = watch.tail() else { return Ok(None) };
    let mut holds = Patience::for_ever(Pauses::OF_OTHERS);
    for turn in 0..TURNS {
        if turn > 0 {
            holds.again().await;
        }
        let Some(held) = tail.hold(mapping, lists).await else { continue };
        let found = read().await;
        let lasted = tail.release(&held).await;
        if lasted {
            let Held { sealed, .. } = held;
            return Ok(Some((found?, sealed)));
        }
    }
    Ok(None)
}

/// Shows what stood at each address before the changes outside `sealed`, in their order, up to the binlog's present end: a
/// row, or nothing. The first time that an address is shown counts.
pub async fn stood_before(
    with: &Verification,
    (mapping, target): (&Mapping, &Target),
    sealed: Reached,
    mut see: impl FnMut(Address, Option<&[ColumnValue<'_>]>),
) -> Result<(), VerifyError> {
    if with.settings.failpoints.hold_compared_with_select() {
        return Ok(());
    }
    let mut feed = Feed::open(with, sealed).await?;
    feed.read(|_, change| {
        if change.table != mapping.table {
            return;
        }
        for (row, before) in [(change.before, true), (change.after, false)] {
            // a row without address (a zero date in a key) is in no target
            if let Some(row) = row
                && let Ok(address) = Codec::of(mapping, target).address(row)
            {
                see(address, before.then_some(row));
            }
        }
    })
    .await
}
