//! By which definitions a run maps its tables: those that they have now. Where a table is gone, or mapped columns are
//! others than the state knows, a statement did that which the tail has not come to: there the run begins by what is
//! known, and the tail parks the mapping at the statement's place (docs/decisions/0008-schema-history.md).

use super::connect::{self, Resolved};
use super::state::SOURCE;
use crate::config::{Begun, Config};
use crate::failpoints::Failpoints;
use crate::failure::Failure;
use crate::model::history::Meaning;
use crate::model::{Definition, Histories, History, Mapping, TableName, TableSchema, TargetDefinition};
use crate::pipeline::Recopies;
use crate::source::SourceError;
use crate::source::mysql::MysqlSource;
use crate::store::{Store, records};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Connects to the source, and matches the configuration with its tables and with what `store` knows of them. Mappings that
/// `recopies` take back are matched with their tables of now.
///
/// # Errors
/// The source is away or refuses the login; a mapping fits neither its table nor what is known of it.
pub async fn resolve(
    config: &Config,
    begun: &Begun,
    store: &dyn Store,
    recopies: &Recopies,
) -> Result<Resolved, Failure> {
    let source = MysqlSource::connect(connect::mysql_options(config)).await?;
    let histories = records::histories(store, SOURCE).await?;
    let (mut schemas, mut by_history) = (BTreeMap::new(), BTreeSet::new());
    for table in config.tables() {
        let mapped = Mapped::of(config, begun, &table, recopies);
        let Found { now, known } = find(&source, &mapped, &histories).await?;
        let schema = match known {
            Some(known) => {
                by_history.insert(known.schema.name.clone());
                known.schema.clone()
            }
            None => now?.schema,
        };
        schemas.insert(table, Arc::new(schema));
    }
    let mappings = config.resolve(&schemas, begun)?;
    source.register(connect::tables_in_use(&mappings))?;
    Ok(Resolved { source: Arc::new(source), mappings, by_history })
}

/// What a table is now, and what it is mapped by instead, if it is.
pub struct Found<'a> {
    pub now: Result<Definition, SourceError>,
    pub known: Option<&'a Definition>,
}

/// Looks at one table. An error of the inner result is about the table.
pub async fn find<'a>(
    source: &MysqlSource,
    mapped: &Mapped<'_>,
    histories: &'a Histories,
) -> Result<Found<'a>, SourceError> {
    let table = mapped.table;
    let now = match source.definition(table).await {
        Err(error @ SourceError::Schema { .. }) => Err(error),
        read => Ok(read?),
    };
    let history = histories.iter().find(|(name, _)| source.is_same_table(name, table));
    let known = history.and_then(|(_, history)| mapped.instead(now.as_ref().ok(), history));
    Ok(Found { now, known })
}

/// What is configured of one table.
pub struct Mapped<'a> {
    config: Config,
    begun: &'a Begun,
    table: &'a TableName,
    /// A re-copy takes one of its mappings back.
    is_asked: bool,
}

impl Mapped<'_> {
    pub fn of<'a>(
        config: &Config,
        begun: &'a Begun,
        table: &'a TableName,
        recopies: &Recopies,
    ) -> Mapped<'a> {
        let ours = config.mappings.iter().filter(|mapping| mapping.table == *table);
        let config = Config { mappings: ours.cloned().collect(), ..config.clone() };
        let is_asked = config.mappings.iter().any(|mapping| recopies.unparks(&mapping.name));
        Mapped { config, begun, table, is_asked }
    }

    /// The definition that is known, where the run has to begin by that. One that the configuration does not fit is of no
    /// use: then the configuration was edited for the table of now.
    fn instead<'d>(&self, now: Option<&Definition>, history: &'d History) -> Option<&'d Definition> {
        if Failpoints::default().tables_of_now() {
            return None;
        }
        let defined = |meaning: &'d Meaning| match meaning {
            Meaning::Defined(definition) => Some(&**definition),
            Meaning::Parked(_) => None,
        };
        let known = history.entries.iter().rev().find_map(|entry| defined(&entry.meaning))?;
        let before = self.resolve(&known.schema)?;
        let Some((now, after)) = now.and_then(|now| Some((now, self.resolve(&now.schema)?))) else {
            return Some(known);
        };
        // nothing is read by it any more until a re-copy, which reads the table of now
        let is_left = self.is_asked || history.last().is_some_and(|last| last.is_parking());
        let same = now.unlogged.is_subset(&known.unlogged) && mean_the_same(&before, &after);
        (!is_left && !same).then_some(known)
    }

    fn resolve(&self, schema: &TableSchema) -> Option<Vec<Mapping>> {
        let schemas = BTreeMap::from([(self.table.clone(), Arc::new(schema.clone()))]);
        self.config.resolve(&schemas, self.begun).ok()
    }
}

/// Whether rows get the same bytes, are found in the same order, and have addresses of their own as before.
fn mean_the_same(before: &[Mapping], after: &[Mapping]) -> bool {
    let meaning = |mapping: &Mapping| {
        let targets = mapping.targets.iter().map(|target| TargetDefinition::of(mapping, target));
        let schema = &mapping.schema;
        let key = schema.primary_key.iter().map(|column| schema.columns[*column].name.to_lowercase());
        (targets.collect::<Vec<_>>(), key.collect::<Vec<_>>(), mapping.is_unique())
    };
    before.iter().map(meaning).eq(after.iter().map(meaning))
}

#[cfg(test)]
#[path = "by_history_tests.rs"]
mod tests;
