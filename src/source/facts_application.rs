//! What `tailfill check` wants to know about a SELECT of the application: whether MySQL takes it, and how it would find a
//! list. Nothing of it is run.

use super::connection::text_at;
use super::mysql::MysqlSource;
use super::snapshot::application::{prepared, returns};
use super::{ApplicationSql, SourceError};
use crate::model::table::quote;
use crate::model::{ColumnType, Mapping, QueryKind};
use mysql_async::{Row, Value as Param};

/// How MySQL would run the SELECT for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationPlan {
    /// The tables, as the SELECT calls them, that it would read whole because no index serves. `None`: the table of the
    /// mapping has no row to ask about.
    pub read_whole: Option<Vec<String>>,
}

impl MysqlSource {
    /// Has MySQL prepare the SELECT and explain it for one row of the table.
    ///
    /// # Errors
    /// `Refused`, with the name of the query: MySQL does not take it, or its result has not what answers the question.
    pub async fn application_plan(
        &self,
        mapping: &Mapping,
        sql: &ApplicationSql,
        kind: QueryKind,
    ) -> Result<ApplicationPlan, SourceError> {
        let mut connection = self.session().open().await?;
        connection.run("a read-only session", "SET SESSION TRANSACTION READ ONLY").await?;
        let asked: &[usize] = if kind == QueryKind::Has { &mapping.item } else { &[] };
        let columns = [mapping.key.as_slice(), asked].concat();
        let result = prepared(&mut connection, sql, columns.len()).await?;
        returns(sql, mapping, kind, &result)?;
        let rows = connection.rows("a row of a table", &one_row(mapping, &columns)).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(ApplicationPlan { read_whole: None }) };
        let explain = format!("EXPLAIN FORMAT=TRADITIONAL {}", sql.text());
        let values: Vec<Param> = row.unwrap();
        let plan = connection.rows_with(&sql.what(), &explain, values).await?;
        Ok(ApplicationPlan { read_whole: Some(plan.iter().filter_map(read_whole).collect()) })
    }
}

/// Texts as the application's driver would send them.
fn one_row(mapping: &Mapping, columns: &[usize]) -> String {
    let value = |&index: &usize| {
        let column = &mapping.schema.columns[index];
        match column.column_type {
            ColumnType::Text { .. } => format!("CONVERT({} USING utf8mb4)", quote(&column.name)),
            _ => quote(&column.name),
        }
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    format!("SELECT {} FROM {} LIMIT 1", values.join(", "), mapping.schema.name.quoted())
}

/// The table of a line of EXPLAIN that is read whole, and for which there is no index. One in angle brackets is a result.
fn read_whole(line: &Row) -> Option<String> {
    let text = |name: &str| {
        let place = line.columns_ref().iter().position(|column| column.name_str() == name);
        place.map(|place| text_at(line, place)).unwrap_or_default()
    };
    let table = text("table");
    let is_whole = matches!(text("type").as_str(), "ALL" | "index") && text("possible_keys").is_empty();
    (is_whole && !table.starts_with('<')).then_some(table)
}
