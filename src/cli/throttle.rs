//! `tailfill throttle`.

use super::args::{ThrottleArgs, ThrottleCommand};
use crate::app;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::LimitsAsk;
use std::collections::BTreeMap;

pub async fn throttle(config: &Config, args: ThrottleArgs) -> Result<Exit, Failure> {
    match args.what {
        ThrottleCommand::Show { json } => app::show_limits(config, json).await,
        ThrottleCommand::Set { limits, reason } => {
            let (set, reason) = (pairs(&limits)?, reason.unwrap_or_default());
            app::change_limits(config, LimitsAsk { set, reason, ..LimitsAsk::default() }).await
        }
        ThrottleCommand::Unset { keys } => {
            app::change_limits(config, LimitsAsk { unset: keys, ..LimitsAsk::default() }).await
        }
    }
}

/// A value may have `=` in it.
fn pairs(limits: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for limit in limits {
        let Some((key, value)) = limit.split_once('=') else {
            return Err(Failure::new(Exit::Usage, format!("{limit} is not KEY=VALUE")));
        };
        if pairs.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(Failure::new(Exit::Usage, format!("{key} is given twice")));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_split_at_the_first_sign() {
        let own = |text: &str| vec![text.to_owned()];
        let found = pairs(&own("throttle.query=SELECT a = 1 FROM t")).expect("a pair");
        assert_eq!(found["throttle.query"], "SELECT a = 1 FROM t");
        assert_eq!(pairs(&own("throttle.query")).expect_err("no pair").exit, Exit::Usage);
    }
}
