//! No write is sent for a list after the deadline of its lease (I4).

use super::super::schema::{MAPPING, address_of, item_at, list_of_row};
use super::super::world::Process;
use super::Books;
use std::time::Duration;
use tailfill::lock::{LeaseKey, ListId};
use tailfill::model::TargetId;
use tailfill::sink::{CountedWrite, RowWrite};
use tokio::time::Instant;

impl Books {
    /// A part of a write is sent now (I4).
    pub fn send(&mut self, process: &Process, target: TargetId, rows: &[RowWrite], live_for: Duration) {
        for write in rows {
            let (item, list_key) = item_at(&self.mapping, target, &address_of(&self.mapping, target, write));
            self.check_lease(process, &item.to_string(), &list_key, live_for);
        }
    }

    /// A counted write is sent now (I4).
    pub fn send_counted(
        &mut self,
        process: &Process,
        target: TargetId,
        write: &CountedWrite,
        live_for: Duration,
    ) {
        let (list, list_key) = list_of_row(&self.mapping, target, &write.row);
        self.check_lease(process, &format!("a row of list {list}"), &list_key, live_for);
    }

    /// I4: the lease of the list was granted, and its deadline has not come.
    fn check_lease(&mut self, process: &Process, what: &str, list_key: &[u8], live_for: Duration) {
        let key = LeaseKey::new(MAPPING, ListId::new(0, list_key));
        let number = process.number;
        // a server that failed is asked again after a second at the earliest, and its answer may take one
        match process.lease_asked(&key.0, live_for + Duration::from_secs(3)) {
            None => {}
            Some(None) => self.violation(format!("I4: process {number} writes {what} without a lease")),
            Some(Some(asked)) if Instant::now() >= asked + live_for => {
                let late = (asked + live_for).elapsed();
                self.violation(format!(
                    "I4: process {number} writes {what} {late:?} after its lease's deadline"
                ));
            }
            Some(Some(_)) => {}
        }
    }
}
