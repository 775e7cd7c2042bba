//! `tailfill get`.

use super::args::{GetArgs, Side, WhatArgs};
use super::keys;
use super::usage::{mapping, usage};
use crate::app::{self, GetOptions};
use crate::config::checked::Query;
use crate::config::{Config, fault};
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Cursor, Mapping, QueryKind, Value};
use crate::verify::{self, Question};

/// How many items are shown when nothing is asked in particular.
const ITEMS_SHOWN: u32 = 20;

pub async fn get(config: &Config, args: GetArgs) -> Result<Exit, Failure> {
    let mapping = mapping(config, &args.mapping).await?;
    let key = keys::parse("KEY", &args.key, &mapping.schema, &mapping.key)?;
    let queries = config.mapping(&mapping.name).map_or(&[][..], |mapping| &mapping.queries);
    let what = what(args.what, &mapping, queries)?;
    let from = match args.from {
        Side::Mysql => verify::Side::Mysql,
        Side::Hbase => verify::Side::Hbase,
        Side::Both => verify::Side::Both,
    };
    let (table, stats, json) = (args.target, args.stats, args.json);
    app::get(config, &mapping, GetOptions { key, what, from, table, stats, json }).await
}

fn what(args: WhatArgs, mapping: &Mapping, queries: &[Query]) -> Result<Question, Failure> {
    match args {
        WhatArgs { query: Some(name), has, after, .. } => by_name(&name, has, after, mapping, queries),
        WhatArgs { latest: Some(_), .. } if mapping.order.is_none() => {
            Err(usage(format!("--latest needs an order, and mapping {} has no `order`", mapping.name))
                .with_help("use --first N"))
        }
        WhatArgs { first: Some(count), .. } => Ok(Question::First(count)),
        WhatArgs { latest: Some(count), .. } => Ok(Question::Latest(count)),
        WhatArgs { count: true, .. } => Ok(Question::Count),
        WhatArgs { has: Some(text), .. } => Ok(Question::Has(item(&text, mapping)?)),
        _ if mapping.order.is_some() => Ok(Question::Latest(ITEMS_SHOWN)),
        _ => Ok(Question::First(ITEMS_SHOWN)),
    }
}

/// What a query of the configuration asks.
fn by_name(
    name: &str,
    has: Option<String>,
    after: Option<String>,
    mapping: &Mapping,
    queries: &[Query],
) -> Result<Question, Failure> {
    let query =
        queries.iter().find(|query| query.name == name).ok_or_else(|| unknown(name, mapping, queries))?;
    let (kind, limit) = (query.kind, query.limit.unwrap_or(ITEMS_SHOWN));
    for (option, given, wanted) in
        [("--has", has.is_some(), QueryKind::Has), ("--after", after.is_some(), QueryKind::Page)]
    {
        if given && kind != wanted {
            let text = format!("{option} works only with a query of kind \"{}\"", wanted.name());
            return Err(usage(format!("{text}; {name:?} is of kind \"{}\"", kind.name())));
        }
    }
    match kind {
        QueryKind::Latest => Ok(Question::Latest(limit)),
        QueryKind::First => Ok(Question::First(limit)),
        QueryKind::Count => Ok(Question::Count),
        QueryKind::Page => {
            let after = after.map(|text| cursor(&text, mapping)).transpose()?;
            Ok(Question::Page { limit, after })
        }
        QueryKind::Has => {
            let text = has.ok_or_else(|| usage(format!("query {name:?} needs an item: give --has ITEM")))?;
            Ok(Question::Has(item(&text, mapping)?))
        }
    }
}

fn unknown(name: &str, mapping: &Mapping, queries: &[Query]) -> Failure {
    let names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    let help = match (fault::likely(name, names.iter().copied()), names.is_empty()) {
        (Some(likely), _) => format!("did you mean {likely}?"),
        (None, true) => {
            "add a [[mapping.query]] to the configuration, or use --latest, --first, --has or --count"
                .to_owned()
        }
        (None, false) => format!("its queries: {}", names.join(", ")),
    };
    usage(format!("{name:?} is not a query of mapping {}", mapping.name)).with_help(help)
}

fn item(text: &str, mapping: &Mapping) -> Result<Vec<Value>, Failure> {
    keys::parse("ITEM", text, &mapping.schema, &mapping.item)
}

/// Order value, where the mapping has an order, and item.
fn cursor(text: &str, mapping: &Mapping) -> Result<Cursor, Failure> {
    let order = mapping.order.map(|order| order.column);
    let columns: Vec<usize> = order.into_iter().chain(mapping.item.iter().copied()).collect();
    let mut values = keys::parse("--after", text, &mapping.schema, &columns)?;
    let item = values.split_off(usize::from(order.is_some()));
    Ok(Cursor { order: values.pop(), item })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::keys::tests;
    use crate::model::{ColumnType, OrderKey};

    fn mapping() -> Mapping {
        let id = ColumnType::Integer { bytes: 8, unsigned: true };
        let mut mapping = tests::mapping("followers", vec![id.clone(), id]);
        mapping.key = vec![0];
        mapping.order = Some(OrderKey { column: 1, descending: true });
        mapping
    }

    fn queries() -> Vec<Query> {
        let query = |name: &str, kind, limit| Query { name: name.into(), kind, limit, sql: None };
        vec![
            query("newest", QueryKind::Latest, Some(5_000)),
            query("pages", QueryKind::Page, Some(50)),
            query("follows", QueryKind::Has, None),
            query("size", QueryKind::Count, None),
        ]
    }

    fn named(name: &str, has: Option<&str>, after: Option<&str>) -> Result<Question, Failure> {
        by_name(name, has.map(str::to_owned), after.map(str::to_owned), &mapping(), &queries())
    }

    #[test]
    fn a_query_is_asked_by_its_name() {
        assert_eq!(named("newest", None, None).unwrap(), Question::Latest(5_000));
        assert_eq!(named("size", None, None).unwrap(), Question::Count);
        assert_eq!(named("follows", Some("7"), None).unwrap(), Question::Has(vec![Value::UInt(7)]));
        assert_eq!(named("pages", None, None).unwrap(), Question::Page { limit: 50, after: None });
        let after = Cursor { order: Some(Value::UInt(3)), item: vec![Value::UInt(7)] };
        let page = Question::Page { limit: 50, after: Some(after) };
        assert_eq!(named("pages", None, Some("[3,\"7\"]")).unwrap(), page);
    }

    #[test]
    fn what_does_not_fit_the_query_is_a_usage_error() {
        let cases = [
            (named("newst", None, None), "\"newst\" is not a query of mapping followers"),
            (named("follows", None, None), "query \"follows\" needs an item: give --has ITEM"),
            (
                named("size", Some("7"), None),
                "--has works only with a query of kind \"has\"; \"size\" is of kind \"count\"",
            ),
            (
                named("newest", None, Some("[3,7]")),
                "--after works only with a query of kind \"page\"; \"newest\" is of kind \"latest\"",
            ),
            (
                named("pages", None, Some("7")),
                "--after: give a JSON array of 2 values (k1, item), like [7,\"eu\"]",
            ),
        ];
        for (outcome, sentence) in cases {
            let failure = outcome.unwrap_err();
            assert_eq!((failure.exit, failure.error.to_string().as_str()), (Exit::Usage, sentence));
        }
        assert_eq!(named("newst", None, None).unwrap_err().help.as_deref(), Some("did you mean newest?"));
    }
}
