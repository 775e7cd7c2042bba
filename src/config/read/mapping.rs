//! `[[mapping]]`, with its targets and queries.

use super::super::checked::{GatewayKind, Mapping, Order, Query};
use super::super::raw::Section;
use super::super::rules;
use super::target;
use crate::model::{QueryKind, TableName};
use crate::source::ApplicationSql;
use std::collections::BTreeSet;

/// What must be unique over all mappings.
struct Seen {
    names: BTreeSet<String>,
    targets: target::Seen,
}

/// Reads all mappings. `database` completes tables that are given without a schema; they are written through
/// gateways of this `kind`.
pub fn mappings(file: &mut Section<'_>, database: Option<&str>, kind: GatewayKind) -> Vec<Mapping> {
    let mut seen = Seen { names: BTreeSet::new(), targets: target::Seen::through(kind) };
    let sections = file.sections("mapping");
    if sections.is_empty() && !file.has("mapping") {
        file.fault("mapping", "is missing: give at least one [[mapping]]".to_owned());
    }
    sections.into_iter().map(|section| mapping(section, database, &mut seen)).collect()
}

fn mapping(mut section: Section<'_>, database: Option<&str>, seen: &mut Seen) -> Mapping {
    let name = section.required("name", "give the mapping a unique name", rules::mapping_name);
    if let Some(name) = &name
        && !seen.names.insert(name.clone())
    {
        section.fault("name", "is also the name of another mapping".to_owned());
    }
    let table = section.required("table", "give the MySQL table as schema.table", |value| {
        table_name(&rules::text(value)?, database)
    });
    let key = columns(&mut section, "key", "the columns that name a list");
    let item = columns(&mut section, "item", "the columns that name an item in its list");
    for (index, column) in item.iter().enumerate() {
        if rules::contains(&key, column) {
            section.fault_in("item", index, "must not also be a column of `key`".to_owned());
        }
    }
    let order = order(section.section("order"), &key);
    let targets = target::targets(&mut section, order.is_some(), &mut seen.targets);
    let queries = queries(&mut section, order.is_some(), (&key, &item));
    section.close();
    Mapping {
        name: name.unwrap_or_default(),
        table: table.unwrap_or_else(|| TableName { schema: String::new(), table: String::new() }),
        key,
        item,
        order,
        targets,
        queries,
    }
}

/// `schema.table`, or `table` in the URL's database. A part may stand in backquotes, as MySQL quotes it.
fn table_name(text: &str, database: Option<&str>) -> Result<TableName, String> {
    const RULE: &str =
        "must be schema.table; put a name with a dot or a backquote in backquotes: `my.db`.`t`";
    let (first, rest) = name_part(text).ok_or(RULE)?;
    if rest.is_empty() {
        let database = database.ok_or("must be schema.table, because source.url names no database")?;
        return Ok(TableName { schema: database.to_owned(), table: first });
    }
    let second = rest.strip_prefix('.').and_then(name_part);
    match second {
        Some((table, "")) => Ok(TableName { schema: first, table }),
        _ => Err(RULE.to_owned()),
    }
}

/// The name that `text` begins with, and what is behind it. A backquote inside backquotes is doubled.
fn name_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return (!name.is_empty() && !name.contains('`')).then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, behind) = rest.split_once('`')?;
        name.push_str(part);
        match behind.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, behind)),
        }
    }
}

/// A required list of different columns.
fn columns(section: &mut Section<'_>, key: &'static str, advice: &str) -> Vec<String> {
    let advice = format!("give {advice}");
    let columns = section.required_list(key, "column names", &advice, rules::text).unwrap_or_default();
    rules::refuse_repeated(section, key, &columns);
    columns
}

fn order(mut section: Section<'_>, key: &[String]) -> Option<Order> {
    if !section.is_given() {
        return None;
    }
    let by = section.required("by", "give the column that orders a list", rules::text).unwrap_or_default();
    if rules::contains(key, &by) {
        section.fault("by", "must not be a column of `key`: `key` is the same for a whole list".to_owned());
    }
    let descending = section.optional("descending", rules::boolean).unwrap_or(false);
    section.close();
    Some(Order { by, descending })
}

fn queries(mapping: &mut Section<'_>, has_order: bool, columns: (&[String], &[String])) -> Vec<Query> {
    let mut names = BTreeSet::new();
    let sections = mapping.sections("query");
    sections.into_iter().filter_map(|section| query(section, has_order, columns, &mut names)).collect()
}

fn query(
    mut section: Section<'_>,
    has_order: bool,
    columns: (&[String], &[String]),
    names: &mut BTreeSet<String>,
) -> Option<Query> {
    let name = section.required("name", "give the query a unique name", rules::text);
    if let Some(name) = &name
        && !names.insert(name.clone())
    {
        section.fault("name", "is also the name of another query of this mapping".to_owned());
    }
    let kinds = [
        ("latest", QueryKind::Latest),
        ("first", QueryKind::First),
        ("page", QueryKind::Page),
        ("has", QueryKind::Has),
        ("count", QueryKind::Count),
    ];
    let kind = section.required("kind", "give the kind of query", rules::one_of(&kinds));
    let limit = section.optional("limit", rules::integer(1..=1_000_000));
    match kind {
        Some(kind) if kind.returns_items() && !section.has("limit") => {
            section.fault("limit", "is missing: give the most items that the query returns".to_owned());
        }
        Some(kind) if !kind.returns_items() && section.has("limit") => {
            section.fault("limit", "must not be given for a query that returns no items".to_owned());
        }
        _ => {}
    }
    if kind == Some(QueryKind::Latest) && !has_order {
        section.fault("kind", "must not be \"latest\" in a mapping without `order`".to_owned());
    }
    let (sql, path) = (sql(&mut section, kind, columns), section.path_of("sql"));
    section.close();
    let (name, kind) = (name?, kind?);
    let sql = sql.map(|sql| sql.named(&name, &path));
    Some(Query { name, kind, limit, sql })
}

/// What the application asks MySQL with; its `?` stand for columns of key and item.
fn sql(
    section: &mut Section<'_>,
    kind: Option<QueryKind>,
    (key, item): (&[String], &[String]),
) -> Option<ApplicationSql> {
    let sql = section.optional("sql", |value| ApplicationSql::parse(&rules::text(value)?))?;
    match kind? {
        QueryKind::Page => {
            let rule =
                "must not be given for a query of kind \"page\": where a page begins has no one form in SQL";
            section.fault("sql", rule.to_owned());
        }
        // these columns have a fault of their own
        _ if key.is_empty() || item.is_empty() => {}
        kind => {
            let asked = if kind == QueryKind::Has { item } else { &[] };
            let (places, wanted) = (sql.places(), key.len() + asked.len());
            if places != wanted {
                let columns = [key, asked].concat().join(", ");
                let rule =
                    format!("must have {wanted} `?` outside of quotes, for {columns}, and has {places}");
                section.fault("sql", rule);
            }
        }
    }
    Some(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_read_plain_and_in_backquotes() {
        for (text, schema, table) in [
            ("social.follows", "social", "follows"),
            ("follows", "url", "follows"),
            ("`my.db`.`t`", "my.db", "t"),
            ("social.`a``.b`", "social", "a`.b"),
            ("`a b`", "url", "a b"),
            ("my db.my table", "my db", "my table"),
        ] {
            let name = table_name(text, Some("url")).expect(text);
            assert_eq!((name.schema.as_str(), name.table.as_str()), (schema, table), "{text}");
        }
        for text in ["", ".", "a.", ".a", "a.b.c", "`a", "`a`b", "``.b", "a`b", "`a`.b`c"] {
            table_name(text, Some("url")).expect_err(text);
        }
        table_name("follows", None).expect_err("there is no database");
    }
}
