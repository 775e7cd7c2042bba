//! XA transactions: their rows are not followed, and park the tables that they may have changed.

use super::{Fault, Next, Refusal, State, Transaction, Transactions, Unknown, XaCommit, no_gtid};
use crate::failpoints::Failpoints;
use crate::model::TableId;
use crate::source::binlog::prepared::{Decided, Undecided, is_one_phase};
use mysql_common::binlog::events::Event;

impl Transactions {
    pub(super) fn xa_prepare(&mut self, event: &Event) -> Result<Next, Fault> {
        let State::Inside(Transaction { xa: Some(xid), touched, .. }) = &mut self.state else {
            return self.end();
        };
        let (xid, touched) = (std::mem::take(xid), std::mem::take(touched));
        match is_one_phase(event) {
            true => self.park_decided(&touched),
            false => self.prepared.prepare(xid, touched),
        }
        self.end()
    }

    pub(super) fn xa_commit(&mut self, xid: String) -> Result<Next, Fault> {
        let State::Opened(gtid) = &self.state else { return Err(no_gtid()) };
        match self.prepared.commit(&xid) {
            Decided::Rows(touched) => self.park_decided(&touched),
            Decided::ReadBack if Failpoints::default().xa_commit_trusted() => {}
            Decided::ReadBack | Decided::Unknown if self.was_judged(gtid) => {}
            Decided::ReadBack => {
                return Ok(Next::FindOut(Unknown::ReadBack(Box::new(XaCommit { gtid: gtid.clone(), xid }))));
            }
            Decided::Unknown => self.park_undecided(),
        }
        self.end()
    }

    /// Goes on after [`Unknown::ReadBack`], with what the binlog says.
    pub fn read_back(&mut self, commit: XaCommit, undecided: Undecided) -> Result<Next, Fault> {
        self.prepared.read_back(undecided);
        self.xa_commit(commit.xid)
    }

    fn park_decided(&mut self, touched: &[TableId]) {
        for table in touched {
            let reason = format!(
                "an XA transaction changed rows of {}: tailfill does not support XA on mapped tables; let the \
                 application use plain transactions",
                self.followed.name(*table)
            );
            self.park(Refusal { table: *table, what: "XA COMMIT".into(), reason });
        }
    }

    fn park_undecided(&mut self) {
        for table in self.followed.tables() {
            let reason = format!(
                "an XA transaction may have changed rows of {}: MySQL has purged its XA PREPARE from the binlog",
                self.followed.name(table)
            );
            self.park(Refusal { table, what: "XA COMMIT".into(), reason });
        }
    }
}
