//! The tables that are followed: by which definition the rows of each are read at the present place, and what the
//! binlog's table ids stand for.
//!
//! Pure. A table whose rows cannot be read is left out from there on; that is an entry of its history, and a report.

use super::fault::Fault;
use super::plan::{PlanInput, TablePlan};
use super::redefine;
use super::statement::{ColumnClause, Definition as Statement, Effect, Question};
use super::table_map::TableMapHead;
use crate::model::history::{Entry, Meaning};
use crate::model::{Definition, Histories, History, Parking, Reached, TableId, TransactionId};
use crate::source::registry::{Registered, Registry};
use crate::source::text::Charsets;
use crate::source::{BinlogPlace, StreamEvent};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Table ids that are remembered between transactions.
const IDS_MAX: usize = 4_096;
/// Answers of the server that are kept.
const PROVEN_MAX: usize = 1_000;

/// How rows of a table are read at the present place.
#[derive(Debug)]
enum Standing {
    By(Arc<Definition>),
    /// They are left out.
    Parked,
}

/// What a table id stands for.
pub enum Known {
    /// A table that is not followed, or is left out.
    Other,
    /// A table whose rows are read.
    Ours {
        /// The TABLE_MAP event's data, to see that a later one with this id says the same.
        raw: Vec<u8>,
        /// Made for this TABLE_MAP and the definition of its place.
        plan: Arc<TablePlan>,
        /// `schema.table`, for messages.
        name: Arc<str>,
    },
}

/// A table that cannot be followed: what stands in its parking.
pub struct Refusal {
    /// Of the registry.
    pub table: TableId,
    /// The verb of the statement, or what came.
    pub what: String,
    /// Why its rows cannot be read behind it.
    pub reason: String,
}

/// What a statement does to the tables that are followed.
pub enum Judged {
    /// That depends on what the server answers.
    Ask(Question),
    /// Nobody needs to be asked.
    Known {
        /// Tables whose definition it may change, each with the clauses that name columns.
        redefined: Vec<(TableId, Vec<ColumnClause>)>,
        /// Tables that it makes unreadable.
        refused: Vec<Refusal>,
    },
}

/// A statement that may have changed the definition of tables that are followed.
#[derive(Debug)]
pub struct Redefined {
    /// Of the statement; a new definition holds behind it.
    pub gtid: TransactionId,
    /// For messages: the verb of the statement.
    pub what: String,
    /// It drops something, which may be an index.
    pub drops: bool,
    /// It may drop an index.
    pub drops_index: bool,
    /// Those that it may have changed, each with the clauses that name columns.
    pub tables: Vec<(TableId, Vec<ColumnClause>)>,
    /// What is reported behind it.
    pub then: Option<StreamEvent>,
}

/// The tables of a registry, each with its history.
pub struct Followed {
    registry: Arc<Registry>,
    charsets: Arc<Charsets>,
    /// Of each registered table.
    standings: Vec<Standing>,
    histories: Vec<History>,
    /// Some history has an entry that does not hold yet.
    entries_ahead: bool,
    ids: FxHashMap<u64, Known>,
    /// What the server has proven of changes in statement format, and no statement has touched since.
    proven: BTreeSet<Question>,
}

impl Followed {
    /// A table without a history is read as it is registered.
    pub fn new(registry: Arc<Registry>, charsets: Arc<Charsets>, histories: &Histories) -> Followed {
        let tables = registry.tables();
        let of = |table: &Registered| histories.get(&table.schema.name).cloned().unwrap_or_default();
        let as_registered =
            |table: &Registered| Standing::By(Arc::new(Definition::of((*table.schema).clone())));
        Followed {
            standings: tables.iter().map(as_registered).collect(),
            histories: tables.iter().map(of).collect(),
            proven: BTreeSet::new(),
            registry,
            charsets,
            entries_ahead: true,
            ids: FxHashMap::default(),
        }
    }

    /// The entry of a table that begins with one transaction: what is known of it already.
    pub fn entry_of(&self, table: TableId, gtid: &TransactionId) -> Option<&Meaning> {
        self.histories[usize::from(table.0)].beginning(&gtid.alone()).map(|entry| &entry.meaning)
    }

    /// Lets the entries of histories hold that begin within `read`. `all`: reports those too that hold already.
    pub fn take_entries(&mut self, read: &Reached, all: bool) -> Vec<StreamEvent> {
        let mut reports = Vec::new();
        if !self.entries_ahead {
            return reports;
        }
        self.entries_ahead = false;
        for (index, history) in self.histories.iter().enumerate() {
            self.entries_ahead |= history.last().is_some_and(|last| !read.contains_set(&last.since));
            let Some(entry) = history.at(read) else { continue };
            let table = self.registry.tables()[index].id;
            match (&entry.meaning, &self.standings[index]) {
                (Meaning::Parked(_), _) => self.standings[index] = Standing::Parked,
                (Meaning::Defined(same), Standing::By(now)) if Arc::ptr_eq(same, now) && !all => continue,
                (Meaning::Defined(definition), _) => {
                    let (since, definition) = (entry.since.clone(), definition.clone());
                    self.standings[index] = Standing::By(definition.clone());
                    reports.push(StreamEvent::Defined { table, since, definition });
                }
            }
            self.ids.clear();
        }
        reports
    }

    /// Leaves the rows of a table out from here on.
    pub fn leave_out(&mut self, table: TableId, since: Reached, parking: Parking) -> StreamEvent {
        let index = usize::from(table.0);
        self.standings[index] = Standing::Parked;
        self.histories[index].add(Entry::parked(since, parking.clone()));
        for known in self.ids.values_mut() {
            if matches!(known, Known::Ours { plan, .. } if plan.table == table) {
                *known = Known::Other;
            }
        }
        StreamEvent::Parked { table, parking: Box::new(parking) }
    }

    /// Every table that is not left out.
    pub fn tables(&self) -> Vec<TableId> {
        self.registry.tables().iter().map(|table| table.id).filter(|table| !self.is_parked(*table)).collect()
    }

    pub(crate) fn name(&self, table: TableId) -> String {
        self.registry.get(table).map(|table| table.schema.name.to_string()).unwrap_or_default()
    }

    pub(crate) fn is_parked(&self, table: TableId) -> bool {
        matches!(self.standings[usize::from(table.0)], Standing::Parked)
    }

    /// The followed table that the data of a TABLE_MAP event names, whether its rows are left out or not.
    pub fn named(&self, data: &[u8]) -> Result<Option<TableId>, Fault> {
        let head = TableMapHead::parse(data)?;
        Ok(self.registry.find(head.schema, head.table).map(|registered| registered.id))
    }

    /// What a table id stands for; `None`: its table map was not read.
    pub fn by_id(&self, id: u64) -> Option<&Known> {
        self.ids.get(&id)
    }

    /// Table ids stand for other tables from here on.
    pub fn forget_ids(&mut self) {
        self.ids.clear();
    }

    /// Bounds what is remembered, between two transactions.
    pub fn forget_ids_of_many(&mut self) {
        if self.ids.len() > IDS_MAX {
            self.ids.clear();
        }
    }

    /// Reads the data of a TABLE_MAP event. Gives back why the rows behind it cannot be read, where they are of a table
    /// that is followed.
    pub fn table_map(&mut self, data: &[u8]) -> Result<Option<Refusal>, Fault> {
        let head = TableMapHead::parse(data)?;
        let id = head.id;
        let Some(registered) = self.registry.find(head.schema, head.table) else {
            self.ids.insert(id, Known::Other);
            return Ok(None);
        };
        if matches!(self.ids.get(&id), Some(Known::Ours { raw, .. }) if raw == data) {
            return Ok(None);
        }
        let table = registered.id;
        let Standing::By(definition) = &self.standings[usize::from(table.0)] else {
            self.ids.insert(id, Known::Other);
            return Ok(None);
        };
        match self.plan(head, registered, definition) {
            Ok(plan) => {
                let name = registered.label().into();
                self.ids.insert(id, Known::Ours { raw: data.to_vec(), plan: Arc::new(plan), name });
                Ok(None)
            }
            Err(reason) => {
                self.ids.insert(id, Known::Other);
                let reason = format!(
                    "rows of {} do not fit the definition that tailfill knows: {reason}",
                    self.name(table)
                );
                Ok(Some(Refusal { table, what: "a table map".into(), reason }))
            }
        }
    }

    fn plan(
        &self,
        head: TableMapHead<'_>,
        registered: &Registered,
        definition: &Definition,
    ) -> Result<TablePlan, String> {
        let map = head.complete().map_err(|error| format!("it does not decode: {error}"))?;
        let input = PlanInput {
            table: registered.id,
            registered: &registered.schema,
            present: definition,
            used: &registered.used,
            keys: &registered.keys,
            charsets: &self.charsets,
        };
        TablePlan::new(&map, &input).map_err(|mismatch| mismatch.to_string())
    }

    /// Notes that the server has proven a change in statement format to be harmless.
    pub fn proven(&mut self, question: Question) {
        if self.proven.len() >= PROVEN_MAX {
            self.proven.clear();
        }
        self.proven.insert(question);
    }

    /// Judges a statement. `asked`: what the server answers is known already.
    pub fn judge(&mut self, statement: &Statement, asked: bool) -> Judged {
        self.proven.retain(|question| !statement.may_change(question));
        let (mut redefined, mut refused) = (Vec::new(), Vec::new());
        for registered in self.registry.tables() {
            if self.is_parked(registered.id) {
                continue;
            }
            match statement.effect_on(&registered.schema.name) {
                Effect::None => {}
                Effect::StatementFormat { unless: Some(question), .. } if self.proven.contains(&question) => {
                }
                Effect::StatementFormat { unless: Some(question), .. } if !asked => {
                    return Judged::Ask(question);
                }
                Effect::Redefines { clauses } => redefined.push((registered.id, clauses)),
                effect => {
                    let (what, reason) = refusal(&effect, &registered.schema.name.to_string());
                    refused.push(Refusal { table: registered.id, what, reason });
                }
            }
        }
        Judged::Known { redefined, refused }
    }

    /// What a table is after a statement that leaves its mapped columns alone, by the text: what it was before, for rows that
    /// name their columns.
    pub fn by_names(&self, redefined: &Redefined, table: TableId) -> Option<Arc<Definition>> {
        let index = usize::from(table.0);
        let Standing::By(before) = &self.standings[index] else { return None };
        let (_, clauses) = redefined.tables.iter().find(|(altered, _)| *altered == table)?;
        let used = self.registry.tables()[index].used_names();
        let named = !redefined.drops_index && redefine::leaves_alone(&used, before, clauses);
        named.then(|| Arc::new(Definition { named_only: true, ..(**before).clone() }))
    }

    /// Takes over what tables are after a statement: a definition, or why none is known.
    pub fn redefined(
        &mut self,
        redefined: Redefined,
        now: Vec<Result<Arc<Definition>, Parking>>,
        place: &BinlogPlace,
    ) -> Vec<StreamEvent> {
        let since = redefined.gtid.alone();
        let mut reports = Vec::new();
        self.ids.clear();
        for ((table, clauses), now) in redefined.tables.into_iter().zip(now) {
            let index = usize::from(table.0);
            let Standing::By(before) = &self.standings[index] else { continue };
            let judged = now.and_then(|now| {
                let used = self.registry.tables()[index].used_names();
                redefine::keeps_bytes(&used, before, &now, &clauses).map(|()| now).map_err(|reason| Parking {
                    what: redefined.what.clone(),
                    reason: format!("{} was altered: {reason}", self.name(table)),
                    transaction: Some(redefined.gtid.clone()),
                    place: place.to_string(),
                })
            });
            match judged {
                Err(parking) => reports.push(self.leave_out(table, since.clone(), parking)),
                Ok(definition) => {
                    self.standings[index] = Standing::By(definition.clone());
                    self.histories[index].add(Entry::defined(since.clone(), definition.clone()));
                    reports.push(StreamEvent::Defined { table, since: since.clone(), definition });
                }
            }
        }
        reports
    }
}

/// What a statement is, and why the table cannot be followed over it.
fn refusal(effect: &Effect, name: &str) -> (String, String) {
    match effect {
        Effect::Destroys { what } => {
            ((*what).to_owned(), format!("it changed rows of {name} without row events in the binlog"))
        }
        Effect::StatementFormat { what, unless: Some(_) } => (
            what.to_string(),
            format!(
                "it is logged in statement format, and may have changed rows of {name} through a view, a trigger, a stored \
                 function or a foreign key: set binlog_format = ROW in every session; with GRANT SELECT, TRIGGER ON *.* \
                 MySQL can prove that such changes are harmless"
            ),
        ),
        Effect::StatementFormat { what, .. } => (
            what.to_string(),
            format!(
                "it is logged in statement format, so tailfill cannot know which rows of {name} it changed: set \
                 binlog_format = ROW in every session"
            ),
        ),
        Effect::Unknown { what } => {
            (what.to_string(), format!("it may change {name}, and tailfill does not understand it"))
        }
        Effect::None | Effect::Redefines { .. } => {
            (String::new(), "tailfill does not know its columns".to_owned())
        }
    }
}
