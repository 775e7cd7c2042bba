//! Points at which a process kills itself, so that a test can show that the next start goes on from there.
//!
//! Only the feature `failpoints` has them: without it [`kill_at`] does nothing. With it, `TAILFILL_KILL_AT=NAME` or
//! `NAME:NTH` names a point, and how often it is reached before the process dies (default: the first time). It dies by
//! SIGKILL, as by `kill -9`: nothing is flushed, closed or released.

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal;)+) => {
        /// What has just been done, and nothing after it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum KillPoint {
            $($(#[doc = $doc])+ $point,)+
        }

        impl KillPoint {
            /// In the order of their declaration; tests kill a run at each.
            pub const ALL: &[KillPoint] = &[$(KillPoint::$point),+];

            /// As `TAILFILL_KILL_AT` takes it.
            pub fn name(self) -> &'static str {
                match self {
                    $(KillPoint::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// The journal holds a batch, and nothing of it is sent.
    Journaled = "journaled";
    /// A batch is written to one of its targets, and not to the others.
    BatchPartlySent = "batch-partly-sent";
    /// A batch's items of a counted row are written, with the count, and nobody was told.
    CountedItemsWritten = "counted-items-written";
    /// Everything that was sealed is written, and the checkpoint does not say so.
    AllWritten = "all-written";
    /// A checkpoint is in the store's transaction, which is not committed.
    CheckpointUncommitted = "checkpoint-uncommitted";
    /// A checkpoint is committed, and nobody was told.
    CheckpointCommitted = "checkpoint-committed";
    /// A part of the copy is read, its lists are leased, and nothing of it is written.
    ChunkRead = "chunk-read";
    /// Half of the lists of a part are written.
    ChunkPartlyWritten = "chunk-partly-written";
    /// The last part of some chunks is written, and they are not noted as done.
    ChunkWritten = "chunk-written";
    /// Some chunks are noted as done.
    ChunkNoted = "chunk-noted";
    /// The cells of a row are counted, and the count is not written.
    RowCounted = "row-counted";
    /// The count of a row was compared and written, and nobody was told.
    CountWritten = "count-written";
    /// All rows are counted, and the state does not say so.
    CountsUnnoted = "counts-unnoted";
    /// What a re-copy is about to touch is in its log, and not in HBase.
    RecopyNoted = "recopy-noted";
    /// What a re-copy has read again is written, and its leases are held.
    RecopyWritten = "recopy-written";
    /// A table is parked durably, and the checkpoint is before that.
    TableParked = "table-parked";
    /// It is decided where a tail is moved to, and nothing of it is durable.
    PositionAsked = "position-asked";
    /// A tail is moved durably, and nobody was told.
    PositionMoved = "position-moved";
}

/// Dies here where a test says so.
#[inline]
pub fn kill_at(point: KillPoint) {
    #[cfg(feature = "failpoints")]
    armed::reached(point);
    #[cfg(not(feature = "failpoints"))]
    let _ = point;
}

/// Whether this process is to die at the point.
#[cfg(feature = "failpoints")]
pub fn is_armed(point: KillPoint) -> bool {
    armed::of_process().is_some_and(|armed| armed.point == point)
}

#[cfg(feature = "failpoints")]
mod armed {
    use super::KillPoint;
    use rustix::process::{Signal, getpid, kill_process};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    pub struct Armed {
        pub point: KillPoint,
        /// How often it may be reached until then.
        left: AtomicU64,
    }

    pub fn of_process() -> Option<&'static Armed> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        ARMED.get_or_init(|| std::env::var("TAILFILL_KILL_AT").ok().map(|text| parse(&text))).as_ref()
    }

    pub fn reached(point: KillPoint) {
        let Some(armed) = of_process().filter(|armed| armed.point == point) else { return };
        if armed.left.fetch_sub(1, SeqCst) == 1 {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        }
    }

    fn parse(text: &str) -> Armed {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let point = KillPoint::ALL.iter().copied().find(|point| point.name() == name);
        let (point, nth) = (point.expect("a test names a point that there is"), nth.parse());
        Armed { point, left: AtomicU64::new(nth.expect("a test says how often")) }
    }
}
