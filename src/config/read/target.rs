//! `[[mapping.target]]`.

use super::super::checked::{GatewayKind, SegmentWidth, Target};
use super::super::raw::Section;
use super::super::{rules, units};
use crate::model::{CellForm, Layout, ValueEncoding};
use std::collections::BTreeSet;
use toml::de::DeValue;

/// What must be unique over all targets, and the gateways that all are written through.
pub struct Seen {
    kind: GatewayKind,
    families: BTreeSet<(String, String)>,
    /// Tables with counts: one family holds them.
    counted: BTreeSet<String>,
}

impl Seen {
    /// No target yet.
    pub fn through(kind: GatewayKind) -> Seen {
        Seen { kind, families: BTreeSet::new(), counted: BTreeSet::new() }
    }
}

pub fn targets(mapping: &mut Section<'_>, has_order: bool, seen: &mut Seen) -> Vec<Target> {
    let sections = mapping.sections("target");
    if sections.is_empty() && !mapping.has("target") {
        mapping.fault("target", "is missing: give at least one [[mapping.target]]".to_owned());
    }
    sections.into_iter().map(|section| target(section, has_order, seen)).collect()
}

fn target(mut section: Section<'_>, has_order: bool, seen: &mut Seen) -> Target {
    let table = section.required("table", "give the HBase table", rules::hbase_table).unwrap_or_default();
    let layouts = [("tall", Layout::Tall), ("wide", Layout::Wide)];
    let layout = section.optional("layout", rules::one_of(&layouts)).unwrap_or(Layout::Tall);
    let family = section.optional("family", rules::family).unwrap_or_else(|| "f".to_owned());
    let plain = table.strip_prefix("default:").unwrap_or(&table).to_owned();
    if !table.is_empty() && !seen.families.insert((plain.clone(), family.clone())) {
        let rule = format!(
            "has another target with the family \"{family}\" too: give one of them another table or family"
        );
        section.fault("table", rule);
    }
    let columns = section.list("columns", "column names", rules::text);
    rules::refuse_repeated(&section, "columns", columns.as_deref().unwrap_or_default());
    let encodings = [("utf8", ValueEncoding::Utf8), ("bytes", ValueEncoding::Bytes)];
    let values = section.optional("values", rules::one_of(&encodings));
    let (form, alone) = form(&mut section, layout);
    let salt_buckets = section.optional("salt_buckets", rules::integer(1..=256));
    let ordered = section.optional("ordered", rules::boolean);
    if ordered == Some(true) && !has_order {
        section.fault("ordered", "must not be true in a mapping without `order`".to_owned());
    }
    let ordered = ordered.unwrap_or(has_order);
    let segment = segment(&mut section, layout, ordered);
    let counted = section.optional("count", rules::boolean).unwrap_or(false);
    if counted && layout != Layout::Wide {
        section.fault(
            "count",
            "must not be true with layout = \"tall\": tailfill counts only wide rows".to_owned(),
        );
    } else if counted && seen.kind == GatewayKind::Thrift1 {
        let rule = "must not be true with hbase.kind = \"thrift1\": Thrift1 cannot compare and write a row in one call";
        section.fault("count", rule.to_owned());
    } else if counted && !seen.counted.insert(plain) {
        let rule = "must not be true for two targets of one table: their counts would share the family \"c\"";
        section.fault("count", rule.to_owned());
    }
    section.close();
    Target {
        table,
        layout,
        family,
        columns: alone.map(|column| vec![column]).or(columns),
        form,
        values: values.unwrap_or(ValueEncoding::Utf8),
        salt_buckets: salt_buckets.unwrap_or(16),
        ordered,
        segment,
        counted,
    }
}

/// What an item's cells hold, and the column that stands alone.
fn form(section: &mut Section<'_>, layout: Layout) -> (CellForm, Option<String>) {
    let forms = [("msgpack", CellForm::Msgpack), ("json", CellForm::Json)];
    let packed = section.optional("value", rules::one_of(&forms));
    let alone = section.optional("value_column", rules::text);
    if section.has("value") && section.has("value_column") {
        let rule = "must not be given together with `value`: that holds all columns".to_owned();
        section.fault("value_column", rule);
    }
    if alone.is_some() && section.has("columns") {
        section.fault_without_value("columns", "must not be given together with `value_column`".to_owned());
    }
    let is_packed = packed.is_some() || (layout == Layout::Wide && alone.is_none());
    if is_packed && section.has("values") {
        let rule = "must not be given for packed values: `value` decides how their columns are written";
        section.fault("values", rule.to_owned());
    }
    match (packed, alone) {
        (Some(form), alone) => (form, alone),
        (None, Some(column)) => (CellForm::Alone, Some(column)),
        (None, None) if layout == Layout::Wide => (CellForm::Msgpack, None),
        (None, None) => (CellForm::Columns, None),
    }
}

fn segment(section: &mut Section<'_>, layout: Layout, ordered: bool) -> Option<SegmentWidth> {
    let width = section.optional("segment", segment_width)?;
    if layout != Layout::Wide {
        let rule = "must not be given with layout = \"tall\": there, each item has its own row".to_owned();
        section.fault("segment", rule);
        return None;
    }
    if !ordered {
        let rule = "must not be given in a target without order: a segment is a part of the order".to_owned();
        section.fault("segment", rule);
        return None;
    }
    Some(width)
}

/// A duration, or a whole number.
fn segment_width(value: &DeValue<'_>) -> Result<SegmentWidth, String> {
    if value.as_integer().is_some() {
        return rules::integer(1..=i64::MAX)(value).map(|units| SegmentWidth::Units(units.unsigned_abs()));
    }
    let duration = value.as_str().and_then(|text| units::parse_duration(text).ok());
    duration.filter(|duration| !duration.is_zero()).map(SegmentWidth::Duration).ok_or_else(|| {
        "must be a duration above 0, like \"30d\" (for a date), or a whole number above 0 (for an integer)".to_owned()
    })
}
