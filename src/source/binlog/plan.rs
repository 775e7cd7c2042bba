//! How the row images of one table are read: built once for a TABLE_MAP, checked against the schema.

use super::cursor::{Cursor, Truncated};
use super::decode::{DecodeError, Decoder, prefixed};
use super::fits::{Mismatch, kind_fits, places_fit};
use super::table_map::{TableMap, WireColumn, wire};
use crate::failpoints::Failpoints;
use crate::model::{ColumnType, ColumnValue, Definition, TableId, TableSchema};
use crate::source::json::{Json, JsonError};
use crate::source::json_diff::apply;
use crate::source::named::{self, KeyCell};
use crate::source::text::Charsets;
use std::sync::Arc;

/// Decodes row images of one table id.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// Of the registry.
    pub table: TableId,
    /// Columns of a [`Row`]: those of the schema that the run was registered with.
    width: usize,
    columns: Vec<Planned>,
    /// Names rows that do not decode.
    schema: Arc<TableSchema>,
    keys: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Planned {
    wire: WireColumn,
    /// Where the value goes in the row, when the column is in use.
    target: Option<(usize, Decoder)>,
}

/// What a plan is made for.
pub struct PlanInput<'a> {
    /// Of the registry.
    pub table: TableId,
    /// The schema that rows are indexed by.
    pub registered: &'a Arc<TableSchema>,
    /// The definition of the position, which the TABLE_MAP must agree with.
    pub present: &'a Definition,
    /// Indexes into `registered.columns`.
    pub used: &'a [usize],
    /// Those of them that rows are found by again.
    pub keys: &'a [usize],
    /// With a table for each set of a used column that is not computed.
    pub charsets: &'a Charsets,
}

impl TablePlan {
    /// Matches a TABLE_MAP with the schema: by name when the server logs names, else by place,
    /// which needs the same number of columns.
    pub fn new(map: &TableMap, input: &PlanInput<'_>) -> Result<TablePlan, Mismatch> {
        let present = &input.present.schema.columns;
        if input.present.named_only && map.names.is_none() && !Failpoints::default().names_not_asked_for() {
            return Err(Mismatch::NoNames);
        }
        if map.names.is_none() && map.columns.len() != present.len() {
            return Err(Mismatch::ColumnCount { binlog: map.columns.len(), schema: present.len() });
        }
        if map.names.is_none() {
            places_fit(map, present)?;
        }
        let mut columns: Vec<Planned> =
            map.columns.iter().map(|wire| Planned { wire: *wire, target: None }).collect();
        for used in input.used {
            let decoder_at = decoder_for(map, input, *used)?;
            columns[decoder_at.0].target = Some((*used, decoder_at.1));
        }
        Ok(TablePlan {
            table: input.table,
            width: input.registered.columns.len(),
            columns,
            schema: input.registered.clone(),
            keys: input.keys.to_vec(),
        })
    }

    /// The column of a row image that has no value, the row, named by its key columns, and how to find all such rows
    /// (`named::all_like`). `None`: all have one, or the bytes are not those of such a row. `image` moves to the next one.
    #[cold]
    pub fn unreadable(&self, image: &mut Cursor<'_>) -> Option<(&str, String, String)> {
        let nulls = image.take(self.columns.len().div_ceil(8)).ok()?;
        let (mut fault, mut cells) = (None, Vec::new());
        for (i, column) in self.columns.iter().enumerate() {
            let null = nulls[i / 8] >> (i % 8) & 1 == 1;
            let value = if null { &[][..] } else { column.wire.value(image)? };
            let Some((target, decoder)) = &column.target else { continue };
            let cell = match decoder.decode(&mut Cursor::new(value)) {
                _ if null => KeyCell::Value(ColumnValue::Null),
                Ok(value) => KeyCell::Value(value),
                Err(_) => {
                    fault.get_or_insert(*target);
                    KeyCell::Bytes(decoder.text(value))
                }
            };
            cells.push((*target, cell));
        }
        let column = self.schema.columns.get(fault?)?;
        let keys = cells.into_iter().filter(|(target, _)| self.keys.contains(target));
        let row = named::condition(&self.schema, keys);
        Some((&column.name, row, named::all_like(&self.schema, &self.keys, fault?)))
    }

    pub(crate) fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Decodes one row image into `row`: a NULL bit per column, then the values that are not NULL.
    pub fn row<'a>(
        &'a self,
        cursor: &mut Cursor<'a>,
        row: &mut Vec<ColumnValue<'a>>,
    ) -> Result<(), DecodeError> {
        self.image(cursor, row, |_, _, _| Ok(None))
    }

    /// As [`row`](TablePlan::row), but asks `special` before each value that is not NULL (column, how
    /// many JSON columns stand before it, the bytes from it on): `Some` replaces the value, whose
    /// bytes are consumed then.
    #[inline]
    fn image<'a>(
        &'a self,
        cursor: &mut Cursor<'a>,
        row: &mut Vec<ColumnValue<'a>>,
        mut special: impl FnMut(usize, usize, &mut Cursor<'a>) -> Result<Option<ColumnValue<'a>>, DecodeError>,
    ) -> Result<(), DecodeError> {
        let nulls = cursor.take(self.columns.len().div_ceil(8))?;
        row.clear();
        row.resize(self.width, ColumnValue::Null);
        let mut json_columns = 0;
        for (i, column) in self.columns.iter().enumerate() {
            let json_index = json_columns;
            json_columns += usize::from(column.is_json());
            if nulls[i / 8] >> (i % 8) & 1 == 1 {
                continue;
            }
            match (special(i, json_index, cursor)?, &column.target) {
                (Some(value), Some((target, _))) => row[*target] = value,
                (Some(_), None) => {}
                (None, Some((target, decoder))) => row[*target] = decoder.decode(cursor)?,
                (None, None) => column.wire.skip(cursor)?,
            }
        }
        Ok(())
    }
}

impl Planned {
    fn is_json(&self) -> bool {
        self.wire.wire_type == wire::JSON
    }
}

fn decoder_for(map: &TableMap, input: &PlanInput<'_>, used: usize) -> Result<(usize, Decoder), Mismatch> {
    let wanted = &input.registered.columns[used];
    let gone = || Mismatch::Column(wanted.name.clone());
    let at = match &map.names {
        Some(names) => names.iter().position(|name| name.eq_ignore_ascii_case(&wanted.name)),
        None => input.present.schema.column_index(&wanted.name),
    };
    let at = at.ok_or_else(gone)?;
    let wire = *map.columns.get(at).ok_or_else(gone)?;
    let schema = &input.present.schema;
    let present = schema.column_index(&wanted.name).map_or(wanted, |i| &schema.columns[i]);
    let column_type = &present.column_type;
    let charset = match column_type {
        ColumnType::Text { charset, .. } => {
            let found = input
                .charsets
                .find(charset)
                .ok_or_else(|| Mismatch::Charset { column: wanted.name.clone(), charset: charset.clone() })?;
            Some(if input.keys.contains(&used) { found.of_key() } else { found })
        }
        _ => None,
    };
    let decoder = Decoder::new(wire, column_type, charset).ok_or_else(gone)?;
    kind_fits(map, at, present)?;
    Ok((at, decoder))
}

/// Reads the next change of a PARTIAL_UPDATE_ROWS event (`binlog_row_value_options = PARTIAL_JSON`):
/// an update whose after image begins with options (lenenc) and, when bit 0 of them is set, a bit per
/// JSON column that says whether a difference to the before image stands instead of its value
/// (WL#2955).
fn partial_change<'a>(
    plan: &'a TablePlan,
    cursor: &mut Cursor<'a>,
    before: &mut Vec<ColumnValue<'a>>,
    after: &mut Vec<ColumnValue<'a>>,
) -> Result<(), DecodeError> {
    const PARTIAL_JSON: u64 = 1;
    let mut documents = vec![None; plan.columns.len()];
    plan.image(cursor, before, |column, _, cursor| {
        if plan.columns[column].is_json() {
            documents[column] = Some(prefixed(&mut cursor.clone(), JSON_LENGTH_BYTES)?);
        }
        Ok(None)
    })?;
    let json_columns = plan.columns.iter().filter(|column| column.is_json()).count();
    let bits = match cursor.lenenc()? & PARTIAL_JSON {
        0 => &[][..],
        _ => cursor.take(json_columns.div_ceil(8))?,
    };
    plan.image(cursor, after, |column, json_index, cursor| {
        let differs = bits.get(json_index / 8).is_some_and(|byte| byte >> (json_index % 8) & 1 == 1);
        if !differs || !plan.columns[column].is_json() {
            return Ok(None);
        }
        let differences = prefixed(cursor, JSON_LENGTH_BYTES)?;
        let document = documents[column].ok_or(JsonError::Difference)?;
        let mut document = Json::from_jsonb(document)?;
        apply(&mut document, differences)?;
        Ok(Some(ColumnValue::Text(document.to_text().into())))
    })
}

/// JSON values and differences stand behind a length of four bytes.
const JSON_LENGTH_BYTES: usize = 4;

/// The kinds of rows events, by event type: WRITE, UPDATE, DELETE, in version 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsKind {
    /// WRITE: one image a row, the one behind it.
    Insert,
    /// UPDATE: two images a row, before and behind it.
    Update,
    /// An update whose JSON columns may stand as differences.
    PartialUpdate,
    /// DELETE: one image a row, the one before it.
    Delete,
}

/// The head of a rows event.
///
/// Layout (MySQL source, libs/mysql/binlog/event/rows_event.h): table id (6), flags (2), in version
/// 2 the length of extra data (2, itself included) and the data, column count (lenenc), a bitmap of
/// the columns present (two for an update), then the row images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowsHead {
    pub table_id: u64,
    pub column_count: usize,
    /// Every image has every column (`binlog_row_image = FULL`).
    pub full_images: bool,
    /// Where the row images begin in the event's data.
    pub rows_at: usize,
}

/// The id of a rows event that only ends a statement and has no table.
pub const DUMMY_TABLE_ID: u64 = 0x00FF_FFFF;

impl RowsHead {
    pub fn parse(data: &[u8], kind: RowsKind, version: u8) -> Result<RowsHead, Truncated> {
        let mut cursor = Cursor::new(data);
        let table_id = cursor.uint(6)?;
        cursor.take(2)?;
        if version == 2 {
            let extra = usize::from(cursor.u16()?);
            cursor.take(extra.saturating_sub(2))?;
        }
        let count = usize::try_from(cursor.lenenc()?).map_err(|_| Truncated)?;
        let bitmaps = if matches!(kind, RowsKind::Update | RowsKind::PartialUpdate) { 2 } else { 1 };
        let mut full_images = true;
        for _ in 0..bitmaps {
            let bitmap = cursor.take(count.div_ceil(8))?;
            full_images &= (0..count).all(|i| bitmap[i / 8] >> (i % 8) & 1 == 1);
        }
        let rows_at = data.len() - cursor.rest().len();
        Ok(RowsHead { table_id, column_count: count, full_images, rows_at })
    }
}

/// Reads the next change of a rows event: its images into `before` and `after`, as far as the kind has them.
pub fn next_change<'a>(
    plan: &'a TablePlan,
    kind: RowsKind,
    cursor: &mut Cursor<'a>,
    before: &mut Vec<ColumnValue<'a>>,
    after: &mut Vec<ColumnValue<'a>>,
) -> Result<(), DecodeError> {
    match kind {
        RowsKind::Insert => plan.row(cursor, after),
        RowsKind::Delete => plan.row(cursor, before),
        RowsKind::Update => {
            plan.row(cursor, before)?;
            plan.row(cursor, after)
        }
        RowsKind::PartialUpdate => partial_change(plan, cursor, before, after),
    }
}
