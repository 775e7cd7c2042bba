//! Asking a server for its binlog, and reading it with every wait bounded.

use super::dump::{Dump, Events};
use super::fault::Fault;
use super::followed::Redefined;
use super::prepared;
use super::proof::{self, Strictness};
use super::scan;
use super::transaction::{Ask, Next, Transactions, Unknown, XaCommit};
use super::untouched;
use crate::advice;
use crate::failpoints::Failpoints;
use crate::model::history::Meaning;
use crate::model::{Histories, Parking, Position, Reached};
use crate::retry::{Patience, Pauses};
use crate::source::session::Session;
use crate::source::{ChangeStream, SourceError, StreamEvent};
use async_trait::async_trait;
use std::sync::Arc;

/// A [`ChangeStream`] over one MySQL connection.
pub(crate) struct MysqlStream {
    session: Arc<Session>,
    events: Events,
    transactions: Transactions,
    /// What has to be found out before the next event.
    unknown: Option<Unknown>,
}

impl MysqlStream {
    /// Checks that the server can continue from `from`, and asks it to.
    pub async fn open(
        session: Arc<Session>,
        from: &Position,
        histories: &Histories,
        journaled: &Reached,
    ) -> Result<MysqlStream, SourceError> {
        let name = session.replica_uuid.clone();
        let stream = MysqlStream::open_as(session, &name, from, histories).await?;
        Ok(MysqlStream { transactions: stream.transactions.judged_before(journaled), ..stream })
    }

    /// The same beside the stream of the session's own name, which the server would end for another one of that name.
    pub async fn open_beside(
        session: Arc<Session>,
        from: &Position,
        histories: &Histories,
    ) -> Result<MysqlStream, SourceError> {
        MysqlStream::open_as(session, &scan::side_uuid(), from, histories).await
    }

    async fn open_as(
        session: Arc<Session>,
        name: &str,
        from: &Position,
        histories: &Histories,
    ) -> Result<MysqlStream, SourceError> {
        await_executed(&session, &from.reached).await?;
        session.still_has(&from.reached).await?;
        let mut connection = session.open().await?;
        let charsets = session.charsets(&mut connection).await?;
        let events = Events::request(connection, &session.options, name, Dump::Follow(&from.reached)).await?;
        let transactions = Transactions::new(session.registry(), charsets, histories, from.reached.clone());
        Ok(MysqlStream { session, events, transactions, unknown: None })
    }

    fn fault(&self, fault: Fault) -> SourceError {
        let position = self.transactions.place().to_string();
        SourceError::NotUnderstood { position, reason: fault.reason, advice: fault.advice }
    }

    async fn advance(&mut self) -> Result<Option<StreamEvent>, SourceError> {
        let Some(event) = self.events.next(self.transactions.place()).await? else {
            let address = self.session.options.address();
            return Err(SourceError::Unavailable { address, reason: "the server ended the stream".into() });
        };
        let next = self.transactions.apply(event).map_err(|fault| self.fault(fault))?;
        Ok(self.take(next))
    }

    /// What is reported; where something has to be found out before the next event, what that waits for.
    fn take(&mut self, next: Next) -> Option<StreamEvent> {
        match next {
            Next::Nothing => None,
            Next::Report(event) => Some(event),
            Next::FindOut(unknown) => {
                let what = waits_for(&unknown);
                self.unknown = Some(unknown);
                Some(StreamEvent::Waits { what })
            }
        }
    }

    async fn find_out(&mut self, unknown: Unknown) -> Result<Option<StreamEvent>, SourceError> {
        match unknown {
            Unknown::Ask(ask) => self.answer(*ask).await,
            Unknown::ReadBack(commit) => self.read_back(*commit).await,
            Unknown::Redefined(redefined) => self.redefine(*redefined).await.map(|()| None),
        }
    }

    /// Finds out what an XA COMMIT changes.
    async fn read_back(&mut self, commit: XaCommit) -> Result<Option<StreamEvent>, SourceError> {
        let undecided = prepared::read_back(&self.session, &commit.gtid).await?;
        let next = self.transactions.read_back(commit, undecided).map_err(|fault| self.fault(fault))?;
        Ok(self.take(next))
    }

    /// Finds out whether a change in statement format is harmless.
    async fn answer(&mut self, ask: Ask) -> Result<Option<StreamEvent>, SourceError> {
        let read = self.transactions.read();
        let proven = untouched::leaves_others_alone(&self.session, &ask.question, &ask.gtid, read).await?;
        let next = self.transactions.answered(ask, proven).map_err(|fault| self.fault(fault))?;
        Ok(self.take(next))
    }

    /// Finds out what tables are after a statement: what their histories say, or else what can be proven.
    async fn redefine(&mut self, redefined: Redefined) -> Result<(), SourceError> {
        let mut since = self.transactions.read().clone();
        since.insert(&redefined.gtid);
        let strictness = if redefined.drops { Strictness::Indexes } else { Strictness::Columns };
        let mut now = Vec::new();
        for (table, _) in &redefined.tables {
            now.push(match self.transactions.entry_of(*table, &redefined.gtid) {
                Some(Meaning::Defined(definition)) => Ok(definition.clone()),
                Some(Meaning::Parked(parking)) => Err(parking.clone()),
                None => {
                    let proof = proof::prove(&self.session, *table, &since, strictness).await?;
                    proof
                        .believed(Failpoints::default())
                        .or_else(|later| self.transactions.by_names(&redefined, *table).ok_or(later))
                        .map_err(|later| Parking {
                            what: redefined.what.clone(),
                            reason: format!(
                                "{} was changed again ({} at {}) before the definition in between was read",
                                self.transactions.name(*table),
                                later.what,
                                later.place
                            ),
                            transaction: Some(redefined.gtid.clone()),
                            place: self.transactions.place().to_string(),
                        })
                }
            });
        }
        self.transactions.redefined(redefined, now);
        Ok(())
    }
}

#[async_trait]
impl ChangeStream for MysqlStream {
    async fn next(&mut self) -> Result<StreamEvent, SourceError> {
        loop {
            if let Some(unknown) = self.unknown.take()
                && let Some(event) = self.find_out(unknown).await?
            {
                return Ok(event);
            }
            if let Some(event) = self.transactions.next_report() {
                return Ok(event);
            }
            if let Some(event) = self.advance().await? {
                return Ok(event);
            }
        }
    }
}

/// What stands behind "waits for".
fn waits_for(unknown: &Unknown) -> String {
    let (gtid, then) = match unknown {
        Unknown::Ask(ask) => {
            let then = format!("to say which tables its {} in statement format may touch", ask.kind());
            (&ask.gtid, then)
        }
        Unknown::ReadBack(commit) => (&commit.gtid, "to show what its XA transaction changed".into()),
        Unknown::Redefined(redefined) => {
            return format!(
                "the source to commit {} ({}), and the definition after it to be proven",
                redefined.gtid, redefined.what
            );
        }
    };
    format!("the source to commit {gtid}, and {then}")
}

/// Waits until the server has committed `wanted` in its engine: a transaction that we read may be
/// in the binlog only (semi-sync AFTER_SYNC), and a dump that is ahead is refused.
async fn await_executed(session: &Session, wanted: &Reached) -> Result<(), SourceError> {
    let mut looks = Patience::with_one(session.options.catch_up_timeout, Pauses::OF_QUESTIONS);
    loop {
        let executed = session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?;
        if executed.contains_set(wanted) {
            return Ok(());
        }
        if !looks.again().await {
            let lost = wanted.minus(&executed);
            return Err(SourceError::PositionLost {
                reason: format!("MySQL lost transactions that tailfill has read ({lost})"),
                advice: advice::transactions_lost(),
            });
        }
    }
}
