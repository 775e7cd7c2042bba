//! What HBase must hold, made of what MySQL shows by its own SELECTs, against what a reader of the hunt's own finds there.

use super::column::quoted;
use super::formats::{Class, json_string, packed_map, packed_text, salt, signed};
use super::mapping::{Form, Mapping, Target};
use crate::support::thrift::{self, Cells};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use std::collections::BTreeMap;

/// How many differences are written out of each target.
const SAMPLES: usize = 4;

/// A row of MySQL: for each column its text, `None` for NULL.
type Item = BTreeMap<String, Option<String>>;

pub struct Side {
    classes: BTreeMap<String, Class>,
    items: Vec<Item>,
}

/// What a target must hold: cells, and how many items each of its rows has.
#[derive(Default)]
struct Expected {
    cells: Cells,
    rows: BTreeMap<Vec<u8>, u64>,
}

/// Compares every target of a mapping; what differs, in words.
///
/// # Errors
/// The table, or a column of the mapping, is not there any more, or HBase cannot be read.
pub async fn compare(
    conn: &mut Conn,
    gateway: &str,
    database: &str,
    mapping: &Mapping,
) -> Result<Vec<String>, String> {
    let side = Side::read(conn, database, mapping).await?;
    let mut found = Vec::new();
    for target in &mapping.targets {
        let expected = side.expected(mapping, target)?;
        let (gateway, name) = (gateway.to_owned(), target.table.clone());
        let counted = target.counted;
        let reading = tokio::task::spawn_blocking(move || {
            let counts = if counted { thrift::family(&gateway, &name, "c")? } else { Cells::new() };
            Ok::<_, String>((thrift::family(&gateway, &name, "f")?, counts))
        });
        let (cells, counts) = reading.await.map_err(|error| error.to_string())??;
        let differences = differences(&expected, cells, target);
        let wrong = if counted { wrong_counts(&expected, &counts) } else { Vec::new() };
        found.extend(
            differences
                .into_iter()
                .chain(wrong)
                .map(|text| format!("{} {}: {text}", mapping.name, target.table)),
        );
    }
    Ok(found)
}

impl Side {
    async fn read(conn: &mut Conn, database: &str, mapping: &Mapping) -> Result<Side, String> {
        let said = |error: mysql_async::Error| error.to_string();
        conn.query_drop("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = ''").await.map_err(said)?;
        let known: Vec<(String, String, String)> = conn
            .exec(
                "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
                (database, &mapping.table),
            )
            .await
            .map_err(said)?;
        if known.is_empty() {
            return Err(format!("there is no table {}", mapping.table));
        }
        let classes: BTreeMap<String, Class> =
            known.iter().map(|(name, data, column)| (name.clone(), Class::of(data, column))).collect();
        let columns: Vec<String> =
            known.iter().map(|(name, ..)| classes[name].select(&quoted(name))).collect();
        let query =
            format!("SELECT {} FROM {}.{}", columns.join(", "), quoted(database), quoted(&mapping.table));
        let rows: Vec<Row> = conn.query(query).await.map_err(said)?;
        let item = |row: Row| {
            let texts = row.unwrap().into_iter().map(|value| match value {
                mysql_async::Value::NULL => None,
                value => Some(mysql_async::from_value::<String>(value)),
            });
            known.iter().map(|(name, ..)| name.clone()).zip(texts).collect()
        };
        Ok(Side { items: rows.into_iter().map(item).collect(), classes })
    }

    /// Columns that values are made of. Where no configuration names them, a re-copy of a parked mapping may have taken
    /// those of its moment: cells of others are found by what HBase has beyond them.
    fn columns_of<'a>(&self, mapping: &'a Mapping, target: &'a Target) -> Vec<&'a String> {
        let mut columns = mapping.columns_of(target);
        if target.alone.is_none() && target.columns.is_none() {
            columns.retain(|column| self.classes.contains_key(*column));
        }
        columns
    }

    fn class(&self, column: &str) -> Result<Class, String> {
        self.classes.get(column).copied().ok_or_else(|| format!("there is no column {column}"))
    }

    fn parts(&self, item: &Item, columns: &[String], descending: bool) -> Result<Vec<u8>, String> {
        let mut parts = Vec::new();
        for column in columns {
            let text = item.get(column).ok_or_else(|| format!("there is no column {column}"))?;
            let text = text.as_ref().ok_or_else(|| format!("{column} of a key is NULL"))?;
            let part = self.class(column)?.part(text, descending);
            parts.extend(part.ok_or_else(|| format!("{column} of a key is {text}"))?);
        }
        Ok(parts)
    }

    fn expected(&self, mapping: &Mapping, target: &Target) -> Result<Expected, String> {
        let mut expected = Expected::default();
        for item in &self.items {
            let list = self.parts(item, &mapping.key, false)?;
            let order = match &mapping.order {
                Some((column, descending)) if target.ordered => {
                    self.parts(item, std::slice::from_ref(column), *descending)?
                }
                _ => Vec::new(),
            };
            let behind = [order, self.parts(item, &mapping.item, false)?].concat();
            let mut row = [vec![salt(&list, target.salt)], list].concat();
            if !target.wide {
                row.extend(behind);
                self.add_tall(&mut expected, row, item, (mapping, target))?;
                continue;
            }
            if let (Some((_, width)), Some((column, descending))) = (&target.segment, &mapping.order) {
                let text = item[column].as_ref().ok_or("the order is NULL")?;
                let number = self.class(column)?.order_number(text).ok_or("the order is no number")?;
                let segment =
                    signed(i64::try_from(number.div_euclid(*width)).map_err(|error| error.to_string())?);
                row.extend(segment.map(|byte| if *descending { !byte } else { byte }));
            }
            *expected.rows.entry(row.clone()).or_default() += 1;
            if expected.cells.insert((row, behind), self.packed(item, mapping, target)?).is_some() {
                return Err("two rows of MySQL have one address".into());
            }
        }
        Ok(expected)
    }

    fn add_tall(
        &self,
        expected: &mut Expected,
        row: Vec<u8>,
        item: &Item,
        (mapping, target): (&Mapping, &Target),
    ) -> Result<(), String> {
        *expected.rows.entry(row.clone()).or_default() += 1;
        if expected.rows[&row] > 1 {
            return Err("two rows of MySQL have one address".into());
        }
        if target.form != Form::Columns {
            expected.cells.insert((row, Vec::new()), self.packed(item, mapping, target)?);
            return Ok(());
        }
        let mut is_empty = true;
        for column in self.columns_of(mapping, target) {
            let class = self.class(column)?;
            if let Some(text) = &item[column] {
                expected.cells.insert((row.clone(), column.clone().into_bytes()), one(class, text, target)?);
                is_empty = false;
            }
        }
        if is_empty {
            expected.cells.insert((row, Vec::new()), Vec::new());
        }
        Ok(())
    }

    fn packed(&self, item: &Item, mapping: &Mapping, target: &Target) -> Result<Vec<u8>, String> {
        let mut columns = Vec::new();
        for column in self.columns_of(mapping, target) {
            let class = self.class(column)?;
            if let Some(text) = &item[column] {
                columns.push((column, class, text));
            }
        }
        Ok(match target.form {
            Form::Alone | Form::Columns => match columns.first() {
                Some((_, class, text)) => one(*class, text, target)?,
                None => Vec::new(),
            },
            Form::Msgpack => {
                let pair = |(name, class, text): &(&String, Class, &String)| {
                    [packed_text(name.as_bytes()), class.msgpack(text)].concat()
                };
                [packed_map(columns.len()), columns.iter().flat_map(pair).collect()].concat()
            }
            Form::Json => {
                let pair = |(name, class, text): &(&String, Class, &String)| {
                    [json_string(name.as_bytes()), vec![b':'], class.json(text)].concat()
                };
                let pairs: Vec<Vec<u8>> = columns.iter().map(pair).collect();
                [vec![b'{'], pairs.join(&b','), vec![b'}']].concat()
            }
        })
    }
}

fn one(class: Class, text: &str, target: &Target) -> Result<Vec<u8>, String> {
    match target.bytes {
        true => class.bytes(text).ok_or_else(|| format!("{text} has no form in bytes")),
        false => Ok(class.utf8(text)),
    }
}

/// The one row that is none (docs/formats.md).
const CLOCK_ROW: [u8; 1] = [0xff];

fn differences(expected: &Expected, mut cells: Cells, target: &Target) -> Vec<String> {
    cells.retain(|(row, qualifier), _| *row != CLOCK_ROW || !qualifier.starts_with(b"tailfill.clock."));
    if target.form == Form::Columns {
        // the mark of an item without cells may stay behind when it gets one
        let marks = |(row, qualifier): &(Vec<u8>, Vec<u8>), value: &Vec<u8>| {
            qualifier.is_empty()
                && value.is_empty()
                && expected.rows.contains_key(row)
                && !expected.cells.contains_key(&(row.clone(), Vec::new()))
        };
        cells.retain(|address, value| !marks(address, value));
    }
    let show = |(row, qualifier): &(Vec<u8>, Vec<u8>)| match target.wide {
        true => format!("{} {}", hex::encode(row), hex::encode(qualifier)),
        false => format!("{} {}", hex::encode(row), String::from_utf8_lossy(qualifier)),
    };
    let (mut only_mysql, mut only_hbase, mut different) = (Vec::new(), Vec::new(), Vec::new());
    for (address, value) in &expected.cells {
        match cells.get(address) {
            None => only_mysql.push(show(address)),
            Some(found) if found != value => {
                let values =
                    format!("{} is {} and must be {}", show(address), hex::encode(found), hex::encode(value));
                different.push(values);
            }
            Some(_) => {}
        }
    }
    only_hbase.extend(cells.keys().filter(|address| !expected.cells.contains_key(address)).map(show));
    let sorts = [("only in MySQL", only_mysql), ("only in HBase", only_hbase), ("different", different)];
    let say = |(what, found): (&str, Vec<String>)| {
        let samples = found[..found.len().min(SAMPLES)].join("; ");
        format!("{} of {} cells {what}: {samples}", found.len(), expected.cells.len())
    };
    sorts.into_iter().filter(|(_, found)| !found.is_empty()).map(say).collect()
}

fn wrong_counts(expected: &Expected, counts: &Cells) -> Vec<String> {
    let mut found = Vec::new();
    for (row, items) in &expected.rows {
        let count = counts.get(&(row.clone(), b"n".to_vec()));
        if count.map(Vec::as_slice) != Some(&items.to_be_bytes()) {
            found.push(format!(
                "row {} has {items} items and is counted as {:?}",
                hex::encode(row),
                count.map(hex::encode)
            ));
        }
    }
    for ((row, qualifier), count) in counts {
        let is_zero = count.iter().all(|byte| *byte == 0);
        if qualifier == b"n" && !expected.rows.contains_key(row) && !is_zero {
            found.push(format!(
                "row {} has no items and is counted as {}",
                hex::encode(row),
                hex::encode(count)
            ));
        }
    }
    found.truncate(SAMPLES);
    found
}
