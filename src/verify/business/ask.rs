//! A question of the application, and what became of it.

use super::super::list::{Asked, Said};
use super::draw::Group;
use crate::compare::{Found, difference};
use crate::model::{QueryKind, Value};
use crate::sink::layout::ItemWrite;
use crate::source::ApplicationSql;

/// A `[[mapping.query]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    pub kind: QueryKind,
    /// 0 where the kind has none.
    pub limit: u32,
    /// What the application asks MySQL with; `None`: MySQL is asked what the kind means.
    pub sql: Option<ApplicationSql>,
}

/// A question about a list, and why it is asked.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The number of its query.
    pub query: usize,
    pub group: Group,
    pub asked: Asked<'a>,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Equal,
    /// Confirmed: both answers.
    Different {
        mysql: Said<ItemWrite>,
        hbase: Said<Found>,
    },
    /// The list changed all the time, and nobody held it up.
    Unsettled,
}

impl Ask<'_> {
    /// The key of the list.
    pub fn key(&self) -> &[Value] {
        &self.asked.key
    }
}

/// Whether HBase answers what MySQL's rows say: the same items at the same places.
pub fn equal(mysql: &Said<ItemWrite>, hbase: &Said<Found>) -> bool {
    match (mysql, hbase) {
        (Said::Count(mysql), Said::Count(hbase)) => mysql == hbase,
        (Said::Items(mysql), Said::Items(hbase)) => {
            mysql.len() == hbase.len() && mysql.iter().zip(hbase).all(|(write, found)| is_same(write, found))
        }
        _ => false,
    }
}

/// Whether an item of HBase is the one that MySQL has.
pub fn is_same(write: &ItemWrite, found: &Found) -> bool {
    write.address == found.address && difference(Some(write), Some(&found.stored)).is_none()
}
