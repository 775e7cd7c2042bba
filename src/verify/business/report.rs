//! What a comparison of answers found, for people and for scripts.

use super::super::list::{Asked, Beyond, Said};
use super::super::report::{ListsFound, cell_text, exit};
use super::super::show::key_text;
use super::ask::{Ask, Fate, Query, is_same};
use super::draw::{Drawn, Group};
use super::times::{By, Times};
use crate::compare::{Difference, Found, difference};
use crate::error::Exit;
use crate::model::{Mapping, Share};
use crate::sink::layout::{Address, Codec, ItemWrite};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Findings that are kept for each mapping.
const FINDINGS_MAX: usize = 20;

/// The result. As JSON one object whose plain numbers come first, sums over all mappings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BusinessReport {
    /// Lists that were asked about, and answers that were compared.
    pub lists: u64,
    pub answers: u64,
    /// Answers with a confirmed difference.
    pub different: u64,
    /// Answers about lists that changed faster than they could be compared.
    pub unsettled: u64,
    pub seconds: f64,
    /// Whether the counts mean something; else `cannot_judge` says why not.
    pub judged: bool,
    pub equal: bool,
    pub cannot_judge: Option<String>,
    pub notes: Vec<String>,
    pub mappings: Vec<BusinessMapping>,
}

/// The result for one mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BusinessMapping {
    pub mapping: String,
    /// Lists by the group that they were chosen for.
    pub lists: BTreeMap<&'static str, u64>,
    /// Of the lists that were drawn at random: those with a wrong answer.
    pub random: Share,
    pub queries: Vec<BusinessQuery>,
    /// The first ones that were found, [`FINDINGS_MAX`] at most.
    pub findings: Vec<Finding>,
    /// The lists that differences lie in.
    #[serde(skip)]
    pub found: ListsFound,
}

/// The result for one query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BusinessQuery {
    pub query: String,
    pub kind: &'static str,
    /// MySQL was asked with the application's SQL.
    pub sql: bool,
    pub answers: u64,
    pub different: u64,
    pub unsettled: u64,
    /// Time of one answer, milliseconds, as this comparison saw it.
    pub mysql_p50_ms: f64,
    pub mysql_p99_ms: f64,
    pub hbase_p50_ms: f64,
    pub hbase_p99_ms: f64,
}

/// A wrong answer. Keys are named, values never.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub query: String,
    /// The key columns of the list.
    pub list: String,
    pub group: &'static str,
    pub what: String,
}

impl BusinessReport {
    /// How a command that printed this ends.
    pub fn exit(&self) -> Exit {
        exit(self.judged, self.equal)
    }

    pub(super) fn differences(&self) -> u64 {
        self.mappings.iter().flat_map(|mapping| &mapping.queries).map(|query| query.different).sum()
    }

    /// Sums up, and judges.
    pub(super) fn finish(&mut self, cannot_judge: Option<String>, took: Duration) {
        let queries = || self.mappings.iter().flat_map(|mapping| &mapping.queries);
        self.lists = self.mappings.iter().flat_map(|mapping| mapping.lists.values()).sum();
        self.answers = queries().map(|query| query.answers).sum();
        self.different = queries().map(|query| query.different).sum();
        self.unsettled = queries().map(|query| query.unsettled).sum();
        self.seconds = (took.as_secs_f64() * 1_000.0).round() / 1_000.0;
        let open = || {
            if self.answers == 0 {
                return Some("nothing was asked: no mapping has lists and a [[mapping.query]]".to_owned());
            }
            let unsettled = self.unsettled;
            (unsettled > 0).then(|| {
                format!("{unsettled} answers changed faster than they could be compared; verify again")
            })
        };
        self.cannot_judge = cannot_judge.or_else(|| open().filter(|_| self.different == 0));
        self.judged = self.cannot_judge.is_none();
        self.equal = self.judged && self.different == 0;
    }
}

/// The answers of one mapping, as they come in.
pub struct MappingAnswers<'a> {
    mapping: &'a Mapping,
    report: BusinessMapping,
    /// Of the answers.
    pub times: Times,
    /// Encoded keys of the random lists with a wrong answer, and of those of which an answer is not known.
    wrong: BTreeSet<Vec<u8>>,
    unknown: BTreeSet<Vec<u8>>,
    random: u64,
    is_all: bool,
}

impl<'a> MappingAnswers<'a> {
    pub fn new(mapping: &'a Mapping, queries: &[Query], drawn: &Drawn) -> MappingAnswers<'a> {
        let mut lists: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (_, group) in drawn.lists.values() {
            *lists.entry(group.name()).or_default() += 1;
        }
        let query = |query: &Query| BusinessQuery {
            query: query.name.clone(),
            kind: query.kind.name(),
            sql: query.sql.is_some(),
            ..BusinessQuery::default()
        };
        MappingAnswers {
            mapping,
            random: lists.get(Group::Random.name()).copied().unwrap_or(0),
            report: BusinessMapping {
                mapping: mapping.name.clone(),
                lists,
                queries: queries.iter().map(query).collect(),
                ..BusinessMapping::default()
            },
            times: Times::of(queries.len()),
            wrong: BTreeSet::new(),
            unknown: BTreeSet::new(),
            is_all: drawn.is_all,
        }
    }

    /// Counts what became of a question.
    pub fn take(&mut self, ask: &Ask<'_>, fate: Fate) {
        let query = &mut self.report.queries[ask.query];
        query.answers += 1;
        let is_random = ask.group == Group::Random;
        match fate {
            Fate::Equal => {}
            Fate::Unsettled => {
                query.unsettled += 1;
                self.unknown.extend(is_random.then(|| ask.asked.list_key.clone()));
            }
            Fate::Different { mysql, hbase } => {
                query.different += 1;
                self.wrong.extend(is_random.then(|| ask.asked.list_key.clone()));
                self.report.found.add(self.mapping, ask.key());
                if self.report.findings.len() < FINDINGS_MAX {
                    self.report.findings.push(Finding {
                        query: query.query.clone(),
                        list: key_text(self.mapping, ask.key(), &[]),
                        group: ask.group.name(),
                        what: what_differs(&ask.asked, &mysql, &hbase),
                    });
                }
            }
        }
    }

    pub fn finish(mut self) -> BusinessMapping {
        let unknown = self.unknown.difference(&self.wrong).count() as u64;
        let is_all = self.is_all && unknown == 0;
        self.report.random = Share::of(self.random - unknown, self.wrong.len() as u64, is_all);
        for (number, query) in self.report.queries.iter_mut().enumerate() {
            (query.mysql_p50_ms, query.mysql_p99_ms) = self.times.p50_p99_ms(number, By::Mysql);
            (query.hbase_p50_ms, query.hbase_p99_ms) = self.times.p50_p99_ms(number, By::Hbase);
        }
        self.report
    }
}

/// The first place at which two answers differ.
fn what_differs(asked: &Asked<'_>, mysql: &Said<ItemWrite>, hbase: &Said<Found>) -> String {
    let (mysql, hbase) = match (mysql, hbase) {
        (Said::Count(mysql), Said::Count(hbase)) => return format!("MySQL counts {mysql}, HBase {hbase}"),
        (Said::Beyond(beyond), _) => return what_is_beyond(asked, beyond),
        (Said::Items(mysql), Said::Items(hbase)) => (mysql, hbase),
        _ => return "the answers are of two kinds".to_owned(),
    };
    let place = mysql.iter().zip(hbase).take_while(|(write, found)| is_same(write, found)).count();
    let at = format!("item {} of {}", place + 1, mysql.len().max(hbase.len()));
    let name = |address: &Address| match Codec::of(asked.mapping, &asked.target).split(address) {
        Some(parts) => key_text(asked.mapping, &parts.key, &parts.item),
        None => format!("row {}", hex::encode(&address.row)),
    };
    match (mysql.get(place), hbase.get(place)) {
        (Some(write), Some(found)) if write.address == found.address => {
            let cells = match difference(Some(write), Some(&found.stored)) {
                Some(Difference::Different(cells)) => cells,
                _ => Vec::new(),
            };
            let cells: Vec<String> = cells.iter().map(|cell| cell_text(asked.target.form, cell)).collect();
            format!("{at} ({}): {}", name(&write.address), cells.join(", "))
        }
        (Some(write), Some(found)) => {
            format!("{at}: MySQL has {}, HBase has {}", name(&write.address), name(&found.address))
        }
        (Some(write), None) => format!("{at}: MySQL has {}, HBase has none", name(&write.address)),
        (None, Some(found)) => format!("{at}: HBase has {}, MySQL has none", name(&found.address)),
        (None, None) => "nothing".to_owned(),
    }
}

/// What the application's SQL returned, and HBase cannot answer.
fn what_is_beyond(asked: &Asked<'_>, beyond: &Beyond) -> String {
    match beyond {
        Beyond::Item { place, item } => {
            let (mapping, key) = (asked.mapping, &asked.key);
            let item = key_text(mapping, key, item);
            format!(
                "item {place}: the application's SQL returns {item}, which is no row of {}",
                mapping.schema.name
            )
        }
        Beyond::NoNumber => "the application's SQL returns no number of items".to_owned(),
    }
}

impl fmt::Display for BusinessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mapping in &self.mappings {
            mapping.fmt(f)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let took = format!("{} answers about {} lists in {:.1} s", self.answers, self.lists, self.seconds);
        match (&self.cannot_judge, self.equal) {
            (Some(reason), _) => writeln!(f, "not judged: {reason} ({took})"),
            (None, true) => writeln!(f, "equal: {took}"),
            (None, false) => writeln!(f, "NOT equal: {} answers differ; {took}", self.different),
        }
    }
}

impl fmt::Display for BusinessMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists: Vec<String> = self.lists.iter().map(|(group, lists)| format!("{lists} {group}")).collect();
        writeln!(f, "{}: lists: {}", self.mapping, lists.join(", "))?;
        writeln!(f, "  query         kind    answers  different  mysql p50/p99 ms  hbase p50/p99 ms")?;
        for query in &self.queries {
            let times = |p50, p99| format!("{p50:.1} / {p99:.1}");
            writeln!(
                f,
                "  {:<12}  {:<6}  {:>7}  {:>9}  {:>16}  {:>16}",
                query.query,
                query.kind,
                query.answers,
                query.different,
                times(query.mysql_p50_ms, query.mysql_p99_ms),
                times(query.hbase_p50_ms, query.hbase_p99_ms)
            )?;
        }
        let own: Vec<&str> =
            self.queries.iter().filter(|query| query.sql).map(|query| query.query.as_str()).collect();
        if !own.is_empty() {
            writeln!(f, "  MySQL was asked with the application's SQL: {}", own.join(", "))?;
        }
        for Finding { query, list, group, what } in &self.findings {
            writeln!(f, "  different   {list} ({group}), query {query}: {what}")?;
        }
        writeln!(f, "  {}", self.random.words("lists", "with a wrong answer"))
    }
}
