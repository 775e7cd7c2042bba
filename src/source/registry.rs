//! The tables that a run maps, and which of their columns it needs.

use super::SourceError;
use super::names::NameCase;
use crate::model::{TableId, TableName, TableSchema};
use std::sync::Arc;

/// What a run needs of one table.
#[derive(Clone, Debug)]
pub struct InUse {
    pub schema: Arc<TableSchema>,
    /// Indexes of the columns that are read.
    pub columns: Vec<usize>,
    /// Indexes of those that rows are found by again: list and item keys.
    pub keys: Vec<usize>,
    /// The mappings that need it, for messages.
    pub mappings: Vec<String>,
}

/// A table of which nothing but the primary key is asked for again.
impl From<(Arc<TableSchema>, Vec<usize>)> for InUse {
    fn from((schema, columns): (Arc<TableSchema>, Vec<usize>)) -> InUse {
        InUse { schema, columns, keys: Vec::new(), mappings: Vec::new() }
    }
}

/// One registered table.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: TableId,
    pub schema: Arc<TableSchema>,
    /// Column indexes in rising order, each once; the primary key included.
    pub used: Vec<usize>,
    /// Those of them that rows are found by again, in rising order; the primary key included.
    pub keys: Vec<usize>,
    /// The mappings that it is read for, for messages.
    pub mappings: Vec<String>,
}

impl Registered {
    /// The table and its mappings, for messages.
    pub fn label(&self) -> String {
        match &self.mappings[..] {
            [] => self.schema.name.to_string(),
            names => format!("{} (mapping {})", self.schema.name, names.join(", ")),
        }
    }
}

impl Registered {
    pub fn used_names(&self) -> Vec<&str> {
        self.used.iter().map(|index| self.schema.columns[*index].name.as_str()).collect()
    }
}

/// All tables of a run, by [`TableId`].
#[derive(Clone, Debug, Default)]
pub struct Registry {
    tables: Vec<Registered>,
    case: NameCase,
}

impl Registry {
    /// # Errors
    /// `Schema` for a column index that the table has not, or more than 65,535 tables.
    pub fn new(tables: Vec<impl Into<InUse>>, case: NameCase) -> Result<Registry, SourceError> {
        let mut registered = Vec::with_capacity(tables.len());
        for (place, table) in tables.into_iter().enumerate() {
            let InUse { schema, columns, mut keys, mappings } = table.into();
            keys.extend(&schema.primary_key);
            let used = each_once([&columns[..], &keys].concat());
            let keys = each_once(keys);
            let id = u16::try_from(place).ok().filter(|_| used.iter().all(|i| *i < schema.columns.len()));
            let id = id.ok_or_else(|| SourceError::Schema {
                table: schema.name.clone(),
                reason: "it cannot be registered".into(),
                advice: "too many tables, or a column that the table does not have".into(),
            })?;
            registered.push(Registered { id: TableId(id), schema, used, keys, mappings });
        }
        Ok(Registry { tables: registered, case })
    }

    pub(crate) fn tables(&self) -> &[Registered] {
        &self.tables
    }

    /// Gives a table another definition with the same columns.
    pub fn redefine(&mut self, id: TableId, schema: Arc<TableSchema>) {
        if let Some(table) = self.tables.get_mut(usize::from(id.0)) {
            table.schema = schema;
        }
    }

    pub(crate) fn get(&self, id: TableId) -> Option<&Registered> {
        self.tables.get(usize::from(id.0))
    }

    /// How the server compares names of tables.
    pub fn case(&self) -> NameCase {
        self.case
    }

    /// The table that a TABLE_MAP names, if it is one of ours.
    pub fn find(&self, schema: &[u8], table: &[u8]) -> Option<&Registered> {
        let named = |name: &TableName| name.schema.as_bytes() == schema && name.table.as_bytes() == table;
        let same = |stored: &str, given: &[u8]| {
            std::str::from_utf8(given).is_ok_and(|given| self.case.same(stored, given))
        };
        let spelled = |name: &TableName| same(&name.schema, schema) && same(&name.table, table);
        let mut tables = self.tables.iter();
        tables.find(|registered| {
            let name = &registered.schema.name;
            named(name) || self.case == NameCase::Ignored && spelled(name)
        })
    }
}

fn each_once(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns.dedup();
    columns
}
