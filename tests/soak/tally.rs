//! What was thrown at the run, by kind.

use super::levers;
use crate::support::trouble::Trouble;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The connections that faults are delivered on.
pub const CONNECTIONS: [&str; 3] = ["mysql", "memcached", "hbase"];

/// What happens to everything else.
pub const OTHERS: [&str; 19] = [
    "tailfill: kill -9",
    "tailfill: SIGTERM",
    "tailfill: paused and continued",
    "tailfill: started from the checkpoint",
    "tailfill: started from an older GTID set",
    "tailfill: started from an older FILE:OFFSET",
    "memcached: killed and restarted",
    "memcached: flush_all",
    "hbase: gateway killed and restarted",
    "hbase: table flushed",
    "hbase: table major-compacted",
    "hbase: region split",
    "mysql: connections killed",
    "mysql: binlog rotated",
    "mysql: killed and restarted",
    "mysql: restarted cleanly",
    "recopy: beside a run, with nothing to mend",
    "recopy: planted corruption mended",
    "verify --repair: planted corruption mended",
];

/// How often each kind of fault was delivered: not asked for, but seen to have met something.
#[derive(Clone)]
pub struct Tally {
    kinds: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Tally {
    /// Every kind there is, none delivered.
    pub fn new() -> Tally {
        let network =
            CONNECTIONS.iter().flat_map(|on| Trouble::ALL.map(|kind| format!("{on}: {}", kind.name())));
        let levers = levers::ALL.map(|lever| lever.name.to_owned());
        let kinds = network.chain(OTHERS.map(str::to_owned)).chain(levers).map(|kind| (kind, 0)).collect();
        Tally { kinds: Arc::new(Mutex::new(kinds)) }
    }

    /// One more of a kind was delivered.
    pub fn add(&self, kind: &str) {
        let mut kinds = self.kinds.lock().expect("counting does not panic");
        *kinds.get_mut(kind).unwrap_or_else(|| panic!("{kind} is no kind of fault")) += 1;
    }

    pub fn all(&self) -> BTreeMap<String, u64> {
        self.kinds.lock().expect("counting does not panic").clone()
    }

    /// Kinds that were never delivered.
    pub fn never(&self) -> Vec<String> {
        self.all().into_iter().filter(|(_, count)| *count == 0).map(|(kind, _)| kind).collect()
    }
}
