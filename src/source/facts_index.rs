//! What `tailfill suggest` wants to know about one table: its indexes, what its columns do by themselves, how large it is,
//! and which name a person meant who misspelled it.

use super::SourceError;
use super::connection::{number_at, text_at};
use super::mysql::MysqlSource;
use crate::model::spelling::likely;
use crate::model::{TableName, TableSchema};
use mysql_async::Row;

/// Names of tables that are compared with a misspelled one.
const NAMES_MAX: u32 = 10_000;

/// An index by which MySQL finds rows: visible, a B-tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// `PRIMARY` is the primary key.
    pub name: String,
    /// Its parts up to the first one that is an expression or only the beginning of a column.
    pub parts: Vec<IndexPart>,
    /// Whether `parts` are all of its parts.
    pub is_whole: bool,
    pub is_unique: bool,
}

/// A column of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPart {
    /// Of the table.
    pub column: usize,
    pub descending: bool,
    /// Different values of this part together with those before it, by InnoDB's estimate; 0 where it knows none.
    pub distinct: u64,
}

impl Index {
    pub fn is_primary(&self) -> bool {
        self.name == "PRIMARY"
    }

    /// Its columns, in their order.
    pub fn columns(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.column).collect()
    }
}

/// How a table is built and filled, as `information_schema` knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableBuild {
    /// The primary key first, then by name.
    pub indexes: Vec<Index>,
    pub auto_increment: Option<usize>,
    /// Columns that each UPDATE of a row changes (ON UPDATE CURRENT_TIMESTAMP).
    pub changed_by_updates: Vec<usize>,
    /// Of the rows, by InnoDB's estimate.
    pub data_bytes: u64,
}

impl MysqlSource {
    pub(crate) async fn table_build(&self, schema: &TableSchema) -> Result<TableBuild, SourceError> {
        let mut connection = self.session().take().await?;
        let name = (schema.name.schema.clone(), schema.name.table.clone());
        let parts = connection.rows_with("the indexes of a table", INDEXES, name.clone()).await?;
        let extras = connection.rows_with("the columns of a table", EXTRAS, name.clone()).await?;
        let sizes = connection.rows_with("the size of a table", SIZE, name).await?;
        self.session().give_back(connection).await;
        let with = |word: &str| -> Vec<usize> {
            let having = extras.iter().filter(|row| text_at(row, 1).to_ascii_lowercase().contains(word));
            having.filter_map(|row| schema.column_index(&text_at(row, 0))).collect()
        };
        Ok(TableBuild {
            indexes: indexes(schema, &parts),
            auto_increment: with("auto_increment").first().copied(),
            changed_by_updates: with("on update"),
            data_bytes: sizes.first().and_then(|row| number_at(row, 0)).unwrap_or(0),
        })
    }

    /// A table that this user may see, and whose name is like a given one, or the same in another database.
    pub(crate) async fn likely_table(&self, name: &TableName) -> Result<Option<TableName>, SourceError> {
        let mut connection = self.session().take().await?;
        let tables = format!("{TABLES} LIMIT {NAMES_MAX}");
        let rows = connection.rows_with("the names of tables", &tables, (name.schema.clone(),)).await?;
        let names: Vec<String> = rows.iter().map(|row| text_at(row, 0)).collect();
        let found = likely(&name.table, names.iter().map(String::as_str));
        let found = found.map(|table| TableName { schema: name.schema.clone(), table: table.to_owned() });
        let found = match found {
            Some(found) => Some(found),
            None => {
                let rows =
                    connection.rows_with("the names of tables", ELSEWHERE, (name.table.clone(),)).await?;
                let named = |row: &Row| TableName { schema: text_at(row, 0), table: text_at(row, 1) };
                rows.first().map(named)
            }
        };
        self.session().give_back(connection).await;
        Ok(found)
    }

    /// A number from `first` on that no server or replica of this source is connected with now.
    pub(crate) async fn free_server_id(&self, first: u32) -> Result<u32, SourceError> {
        let session = self.session();
        let statement = if session.version >= (8, 0, 22) { "SHOW REPLICAS" } else { "SHOW SLAVE HOSTS" };
        let replicas = session.query("the replicas", statement).await?;
        let own = session.query("the server's settings", "SELECT @@server_id").await?;
        let taken: Vec<u64> = replicas.iter().chain(&own).filter_map(|row| number_at(row, 0)).collect();
        Ok((first..u32::MAX).find(|id| !taken.contains(&u64::from(*id))).unwrap_or(first))
    }
}

/// `rows`: by index, in the order of their parts.
fn indexes(schema: &TableSchema, rows: &[Row]) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    for row in rows {
        let name = text_at(row, 0);
        if indexes.last().is_none_or(|last| last.name != name) {
            let is_unique = number_at(row, 3) == Some(0);
            indexes.push(Index { name, parts: Vec::new(), is_whole: true, is_unique });
        }
        let Some(index) = indexes.last_mut().filter(|index| index.is_whole) else { continue };
        let column = schema.column_index(&text_at(row, 1)).filter(|_| number_at(row, 2).is_none());
        match column {
            Some(column) => index.parts.push(IndexPart {
                column,
                descending: text_at(row, 5) == "D",
                distinct: number_at(row, 4).unwrap_or(0),
            }),
            None => index.is_whole = false,
        }
    }
    indexes.retain(|index| !index.parts.is_empty());
    indexes.sort_by_key(|index| !index.is_primary());
    indexes
}

const INDEXES: &str = "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART, NON_UNIQUE, CARDINALITY, COLLATION \
     FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_TYPE = 'BTREE' \
     AND IS_VISIBLE = 'YES' ORDER BY INDEX_NAME, SEQ_IN_INDEX";

const EXTRAS: &str = "SELECT COLUMN_NAME, EXTRA FROM information_schema.COLUMNS \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND EXTRA <> ''";

const SIZE: &str =
    "SELECT DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";

const TABLES: &str = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";

const ELSEWHERE: &str =
    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME = ? LIMIT 1";
