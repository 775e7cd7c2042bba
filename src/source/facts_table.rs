//! What `tailfill check` wants to know about one table, beyond its columns.

use super::SourceError;
use super::connection::{number_at, text_at};
use super::mysql::MysqlSource;
use super::session::charset_names;
use crate::model::{ColumnType, TableName, TableSchema};

/// A table, as `information_schema` knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// `InnoDB`; empty for a view.
    pub engine: String,
    /// InnoDB's estimate, which can be off by half.
    pub rows_estimated: u64,
    /// Triggers that this user may see (with the TRIGGER privilege).
    pub triggers: Vec<String>,
    /// Parts of the primary key that are only the beginning of a column, as `name(10)`.
    pub primary_key_prefixes: Vec<String>,
}

impl MysqlSource {
    /// # Errors
    /// `Schema` when the table is not there, or may not be seen.
    pub async fn table_facts(&self, table: &TableName) -> Result<TableFacts, SourceError> {
        let mut connection = self.session().take().await?;
        let name = (table.schema.clone(), table.table.clone());
        let rows = connection.rows_with("the facts of a table", TABLE, name.clone()).await?;
        let row = rows.first().ok_or_else(|| SourceError::Schema {
            table: table.clone(),
            reason: "the table does not exist, or this user may not see it".into(),
            advice: "check the mapping's table and the user's grants".into(),
        })?;
        let triggers = connection.rows_with("the triggers of a table", TRIGGERS, name.clone()).await?;
        let prefixes = connection.rows_with("the primary key of a table", PREFIXES, name).await?;
        self.session().give_back(connection).await;
        Ok(TableFacts {
            engine: text_at(row, 0),
            rows_estimated: number_at(row, 1).unwrap_or(0),
            triggers: triggers.iter().map(|row| text_at(row, 0)).collect(),
            primary_key_prefixes: prefixes
                .iter()
                .map(|row| format!("{}({})", text_at(row, 0), text_at(row, 1)))
                .collect(),
        })
    }

    /// The text columns among `columns` whose character set cannot be decoded: (column, set).
    pub async fn undecodable(
        &self,
        schema: &TableSchema,
        columns: &[usize],
    ) -> Result<Vec<(String, String)>, SourceError> {
        let mut connection = self.session().take().await?;
        let known = self.session().charsets_called(&mut connection, &charset_names(schema, columns)).await?;
        self.session().give_back(connection).await;
        let unknown = columns.iter().filter_map(|index| {
            let column = schema.columns.get(*index)?;
            let ColumnType::Text { charset, .. } = &column.column_type else { return None };
            known.find(charset).is_none().then(|| (column.name.clone(), charset.clone()))
        });
        Ok(unknown.collect())
    }
}

const TABLE: &str = "SELECT ENGINE, TABLE_ROWS FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";

const PREFIXES: &str = "SELECT COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? \
     AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' AND SUB_PART IS NOT NULL ORDER BY SEQ_IN_INDEX";

const TRIGGERS: &str = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS \
     WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? ORDER BY TRIGGER_NAME";
