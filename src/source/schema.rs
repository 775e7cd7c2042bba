//! A table's columns, primary key and unique keys, as `information_schema` describes them.

use super::SourceError;
use super::connection::{Connection, number_at, text_at};
use crate::model::{Column, ColumnType, Definition, TableName, TableSchema};
use mysql_async::Row;
use std::collections::BTreeSet;

const COLUMNS: &str = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, \
     COLLATION_NAME, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_MAXIMUM_LENGTH, EXTRA, \
     TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";

const SHOW_GENERATED_KEY: &str = "SET SESSION show_gipk_in_create_table_and_information_schema = ON";

/// Unique indexes, one row per column; SUB_PART is the length of a prefix, EXPRESSION a functional part.
const UNIQUE_KEYS: &str = "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART, NULLABLE \
     FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX";

/// Reads the present definition of `name`, under the name that the server stores: with `lower_case_table_names` it may
/// be spelled otherwise.
///
/// # Errors
/// `Schema` when the database or table is not there (or we may not see it), is a view, or has a
/// column of an unknown type.
pub(crate) async fn read(conn: &mut Connection, name: &TableName) -> Result<TableSchema, SourceError> {
    let key = (name.schema.clone(), name.table.clone());
    // a primary key that the server generated is in each row image, hidden or not
    match conn.run("a session setting", SHOW_GENERATED_KEY).await {
        Ok(()) | Err(SourceError::Refused { .. }) => {} // servers before 8.0.30 have none
        Err(error) => return Err(error),
    }
    let rows = conn.rows_with("the columns of a table", COLUMNS, key.clone()).await?;
    let Some(first) = rows.first() else { return Err(absent(conn, name).await?) };
    let stored = TableName { schema: text_at(first, 11), table: text_at(first, 12) };
    let mut columns = Vec::with_capacity(rows.len());
    for row in &rows {
        columns.push(column(name, row)?);
    }
    let mut schema = TableSchema { name: stored, columns, primary_key: Vec::new(), unique_keys: Vec::new() };
    let indexes = conn.rows_with("the unique keys of a table", UNIQUE_KEYS, key).await?;
    add_unique_keys(&mut schema, &indexes);
    Ok(schema)
}

/// The expressions of stored generated columns. Of virtual ones `check` refuses to map any.
const GENERATED: &str = "SELECT COLUMN_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND EXTRA LIKE '%STORED GENERATED%'";

/// Reads the present definition of `name` with all that the bytes of its rows depend on.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_definition(
    conn: &mut Connection,
    name: &TableName,
) -> Result<Definition, SourceError> {
    let mut definition = Definition::of(read(conn, name).await?);
    let key = (name.schema.clone(), name.table.clone());
    let generated = conn.rows_with("the generated columns of a table", GENERATED, key).await?;
    definition.generated = generated.iter().map(|row| (text_at(row, 0), text_at(row, 1))).collect();
    definition.unlogged = unlogged_cascades(conn, name).await?;
    Ok(definition)
}

/// Foreign keys that change rows of the table where the server does not log that.
async fn unlogged_cascades(conn: &mut Connection, name: &TableName) -> Result<BTreeSet<String>, SourceError> {
    let setting = "SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'";
    let native = conn.rows("the server's settings", setting).await?;
    // MySQL 9.6 and later log them, unless native foreign keys are switched on
    if native.first().is_some_and(|row| text_at(row, 1).eq_ignore_ascii_case("OFF")) {
        return Ok(BTreeSet::new());
    }
    let key = (name.schema.clone(), name.table.clone());
    let rows = conn.rows_with("the foreign keys", CASCADES, key).await?;
    Ok(rows.iter().map(|row| text_at(row, 0)).collect())
}

async fn absent(conn: &mut Connection, name: &TableName) -> Result<SourceError, SourceError> {
    let found = conn
        .rows_with(
            "the list of databases",
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
            (name.schema.clone(),),
        )
        .await?;
    let (reason, advice) = if found.is_empty() {
        let reason = format!("database {} does not exist, or this user may not see it", name.schema);
        (reason, "check the mapping's table and the user's grants".to_owned())
    } else {
        let reason = "the table does not exist, or this user may not see it".to_owned();
        let grant = format!("GRANT SELECT ON {} TO this user", name.quoted());
        (reason, format!("create it, check the mapping's table, or: {grant}"))
    };
    Ok(SourceError::Schema { table: name.clone(), reason, advice })
}

fn column(table: &TableName, row: &Row) -> Result<Column, SourceError> {
    let name = text_at(row, 0);
    let declared = text_at(row, 2);
    let column_type = column_type(row, &declared).ok_or_else(|| SourceError::Schema {
        table: table.clone(),
        reason: format!("column {name} has the unknown type {declared}"),
        advice: "report it; tables with this type cannot be mapped".into(),
    })?;
    Ok(Column {
        name,
        column_type,
        nullable: text_at(row, 3) == "YES",
        declared,
        virtual_generated: text_at(row, 10).contains("VIRTUAL GENERATED"),
    })
}

fn column_type(row: &Row, declared: &str) -> Option<ColumnType> {
    let data_type = text_at(row, 1).to_ascii_lowercase();
    let unsigned = declared.to_ascii_lowercase().contains(" unsigned");
    let integer = |bytes| ColumnType::Integer { bytes, unsigned };
    let small = |column| number_at(row, column).and_then(|n| u8::try_from(n).ok());
    let fraction = || small(8).unwrap_or(0);
    Some(match data_type.as_str() {
        "tinyint" => integer(1),
        "smallint" => integer(2),
        "mediumint" => integer(3),
        "int" => integer(4),
        "bigint" => integer(8),
        "year" => ColumnType::Year,
        "decimal" => ColumnType::Decimal { precision: small(6)?, scale: small(7)? },
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "bit" => ColumnType::Bit { bits: small(6)? },
        "date" => ColumnType::Date,
        "time" => ColumnType::Time { fraction: fraction() },
        "datetime" => ColumnType::DateTime { fraction: fraction() },
        "timestamp" => ColumnType::Timestamp { fraction: fraction() },
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            ColumnType::Text { charset: text_at(row, 4), collation: text_at(row, 5) }
        }
        "binary" => ColumnType::Binary { length: number_at(row, 9).and_then(|n| u32::try_from(n).ok())? },
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnType::VarBinary,
        "enum" => ColumnType::Enum { labels: labels(declared)? },
        "set" => ColumnType::Set { labels: labels(declared)? },
        "json" => ColumnType::Json,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => ColumnType::Geometry,
        "vector" => ColumnType::Vector,
        _ => return None,
    })
}

/// The labels in `enum('a','b''c')`. information_schema doubles quotes and writes `\\`, `\n`, `\r`
/// and `\0` with a backslash (append_unescaped in the server's sql/).
fn labels(declared: &str) -> Option<Vec<String>> {
    let list = declared.split_once('(')?.1.strip_suffix(')')?;
    let mut labels = Vec::new();
    let mut chars = list.chars().peekable();
    while let Some(opening) = chars.next() {
        if opening != '\'' {
            return None;
        }
        let mut label = String::new();
        loop {
            match chars.next()? {
                '\'' if chars.next_if_eq(&'\'').is_some() => label.push('\''),
                '\'' => break,
                '\\' => label.push(match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    '0' => '\0',
                    other => other,
                }),
                other => label.push(other),
            }
        }
        labels.push(label);
        match chars.next() {
            None => break,
            Some(',') => {}
            Some(_) => return None,
        }
    }
    Some(labels)
}

fn add_unique_keys(schema: &mut TableSchema, rows: &[Row]) {
    let mut names: Vec<String> = rows.iter().map(|row| text_at(row, 0)).collect();
    names.dedup();
    for name in names {
        let parts: Option<Vec<usize>> = rows
            .iter()
            .filter(|row| text_at(row, 0) == name)
            .map(|row| {
                let whole = number_at(row, 2).is_none() && text_at(row, 3) != "YES";
                schema.column_index(&text_at(row, 1)).filter(|_| whole)
            })
            .collect();
        let Some(parts) = parts else { continue };
        if name == "PRIMARY" {
            schema.primary_key = parts.clone();
        }
        schema.unique_keys.push(parts);
    }
}

pub(super) const CASCADES: &str = "SELECT CONSTRAINT_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, DELETE_RULE, \
     UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS \
     WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ? \
     AND (DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_with_their_quotes_commas_and_escapes() {
        assert_eq!(labels("enum('a','b''c','d,e','')").unwrap(), ["a", "b'c", "d,e", ""]);
        assert_eq!(labels(r"set('x\\y','(z)')").unwrap(), [r"x\y", "(z)"]);
        for bad in ["enum", "enum('a", "enum(a)", "enum('a'x)"] {
            assert_eq!(labels(bad), None, "{bad}");
        }
    }
}
