//! `tailfill run`.

use super::args::{RunArgs, Until};
use super::usage::usage;
use super::{keys, position};
use crate::app::{self, ListSelection, RunMode, RunOptions};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;

pub async fn run(config: &Config, args: RunArgs) -> Result<Exit, Failure> {
    let mode = match (args.tail_only, args.backfill_only) {
        (true, _) => RunMode::TailOnly,
        (_, true) => RunMode::BackfillOnly,
        _ => RunMode::TailAndBackfill,
    };
    let from = args.from.as_deref().map(position::parse).transpose()?;
    let until_caught_up = matches!(args.until, Some(Until::CaughtUp));
    let only = if args.only.is_empty() {
        Vec::new()
    } else {
        selections(&args.only, &app::mappings(config).await?)?
    };
    let RunArgs { dry_run, resume, summary, accept_unanswered, accept_gap, .. } = args;
    let options = RunOptions {
        mode,
        from,
        until_caught_up,
        only,
        dry_run,
        resume,
        summary,
        accept_unanswered,
        accept_gap,
    };
    app::run(config, options).await
}

/// The lists that `--only` names. KEY alone names a list of the only mapping.
fn selections(only: &[String], mappings: &[Mapping]) -> Result<Vec<ListSelection>, Failure> {
    only.iter()
        .flat_map(|text| keys::split(text))
        .map(|text| {
            let (mapping, key) = mapping_of(text, mappings)?;
            let key = keys::parse("--only", key, &mapping.schema, &mapping.key)?;
            Ok(ListSelection { mapping: mapping.name.clone(), key })
        })
        .collect()
}

fn mapping_of<'t, 'm>(text: &'t str, mappings: &'m [Mapping]) -> Result<(&'m Mapping, &'t str), Failure> {
    let named = text.split_once('=').and_then(|(name, key)| {
        let mapping = mappings.iter().find(|mapping| mapping.name == name)?;
        Some((mapping, key))
    });
    match (named, mappings) {
        (Some(named), _) => Ok(named),
        (None, [only]) => Ok((only, text)),
        _ => Err(usage("--only works with one mapping in the configuration")
            .with_help("put the pilot's mapping into a configuration of its own")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::keys::tests::mapping;
    use crate::model::{ColumnType, Value};

    #[test]
    fn only_names_lists_of_the_one_mapping_or_of_a_named_one() {
        let id = || ColumnType::Integer { bytes: 8, unsigned: true };
        let one = mapping("followers", vec![id()]);
        let two = mapping("replies", vec![id(), id()]);
        let keys = |only: &[&str], mappings: &[Mapping]| {
            let only: Vec<String> = only.iter().map(|text| (*text).to_owned()).collect();
            selections(&only, mappings)
        };
        let lists = keys(&["1,2", "followers=3"], std::slice::from_ref(&one)).unwrap();
        let values: Vec<_> = lists.into_iter().map(|list| list.key).collect();
        assert_eq!(values, [[Value::UInt(1)], [Value::UInt(2)], [Value::UInt(3)]]);

        let both = [one, two];
        let lists = keys(&["replies=[1,2],followers=3"], &both).unwrap();
        assert_eq!(
            lists.iter().map(|list| list.mapping.as_str()).collect::<Vec<_>>(),
            ["replies", "followers"]
        );
        assert_eq!(keys(&["1"], &both).unwrap_err().exit, Exit::Usage);
    }
}
