//! `tailfill get`.

use super::args::{GetArgs, Side, WhatArgs};
use super::keys;
use crate::app::{self, GetOptions, GetSide, GetWhat};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;

/// How many items are shown when nothing is asked in particular.
const ITEMS_SHOWN: u32 = 20;

pub async fn get(config: &Config, args: GetArgs) -> Result<Exit, Failure> {
    let mapping = super::mapping(config, &args.mapping).await?;
    let key = keys::parse("KEY", &args.key, &mapping.schema, &mapping.key)?;
    let what = what(args.what, &mapping)?;
    let from = match args.from {
        Side::Mysql => GetSide::Mysql,
        Side::Hbase => GetSide::Hbase,
        Side::Both => GetSide::Both,
    };
    app::get(config, &mapping, GetOptions { key, what, from, json: args.json }).await
}

fn what(args: WhatArgs, mapping: &Mapping) -> Result<GetWhat, Failure> {
    match args {
        WhatArgs { latest: Some(_), .. } if mapping.order.is_none() => Err(super::usage(format!(
            "--latest needs a mapping with `order`, which {} has not",
            mapping.name
        ))
        .with_help("ask for --first N")),
        WhatArgs { first: Some(count), .. } => Ok(GetWhat::First(count)),
        WhatArgs { latest: Some(count), .. } => Ok(GetWhat::Latest(count)),
        WhatArgs { count: true, .. } => Ok(GetWhat::Count),
        WhatArgs { has: Some(item), .. } => {
            Ok(GetWhat::Has(keys::parse("ITEM", &item, &mapping.schema, &mapping.item)?))
        }
        _ if mapping.order.is_some() => Ok(GetWhat::Latest(ITEMS_SHOWN)),
        _ => Ok(GetWhat::First(ITEMS_SHOWN)),
    }
}
