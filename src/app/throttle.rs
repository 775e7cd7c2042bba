//! `tailfill throttle`: shows the limits of the copy, and changes them: through the run that has the state, or in the state
//! for the next run.

use super::levers::account;
use super::state::open_for_lever;
use super::{connect, output, status};
use crate::admin::Client;
use crate::clock::{Clock, SteadyClock};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{DateTime, LimitsAsk};
use crate::pipeline::jobs::{levers, limits};
use crate::status::{LimitShown, Origin, ThrottleShown};
use crate::store::redb::RedbStore;

/// Prints all limits.
pub async fn show(config: &Config, json: bool) -> Result<Exit, Failure> {
    let shown = match status::running(config).await? {
        Some(_) => Client::open(&config.state_dir)?.throttle().await?,
        None => {
            let store = RedbStore::open_read_only(&config.state_dir).await?;
            connect::throttle(config).shown(&levers::stored(&store).await?, false)
        }
    };
    match json {
        true => {
            let text = serde_json::to_string_pretty(&shown);
            output::answer(&text.map_err(|error| Failure::new(Exit::Failed, error))?);
        }
        false => lines(&shown).iter().for_each(|line| output::answer(line)),
    }
    Ok(Exit::Done)
}

/// Changes limits, and prints what holds now.
pub async fn change(config: &Config, ask: LimitsAsk) -> Result<Exit, Failure> {
    let ask = LimitsAsk { by: account(), ..ask };
    let shown = match status::running(config).await? {
        Some(_) => Client::open(&config.state_dir)?.change_limits(&ask).await??,
        None => {
            let store = open_for_lever(&config.state_dir).await?;
            let now_ms = SteadyClock::start().now_ms();
            let (_, control) = limits::change_in(&store, &config.limits, &ask, now_ms).await?;
            connect::throttle(config).shown(&control, false)
        }
    };
    let asked = |limit: &&LimitShown| ask.set.contains_key(&limit.key) || ask.unset.contains(&limit.key);
    for limit in shown.keys.iter().filter(asked) {
        output::answer(&format!("{} is {} ({})", limit.key, limit.value, origin(limit)));
    }
    if !shown.live {
        output::answer("no run is up: the next one starts like this");
    }
    Ok(Exit::Done)
}

/// A table for people.
fn lines(shown: &ThrottleShown) -> Vec<String> {
    let pace = match (shown.live, shown.rows_per_second) {
        (false, _) => "no run has this state now".to_owned(),
        (true, None) => "as many rows a second as it can".to_owned(),
        (true, Some(0.0)) => "nothing is copied now".to_owned(),
        (true, Some(rows)) => format!("{rows:.0} rows a second at most"),
    };
    let mut lines = vec![format!("pace     {pace}")];
    lines.extend(shown.holding.iter().map(|held| format!("held by  {}", held.words)));
    lines.push(String::new());
    let rows: Vec<[String; 4]> = std::iter::once(["limit", "value", "now", "from"].map(str::to_owned))
        .chain(shown.keys.iter().map(|limit| {
            let figure = limit.figure.clone().unwrap_or_else(|| "-".to_owned());
            [limit.key.clone(), limit.value.clone(), figure, origin(limit)]
        }))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (key, value, figure) = (width(0), width(1), width(2));
    lines.extend(
        rows.iter().map(|row| format!("{:key$}  {:value$}  {:figure$}  {}", row[0], row[1], row[2], row[3])),
    );
    lines
}

fn origin(limit: &LimitShown) -> String {
    match limit.origin {
        Origin::Default => "default".to_owned(),
        Origin::File => "the configuration".to_owned(),
        Origin::Set => {
            let at = DateTime::from_ms_since_epoch(limit.at_ms.unwrap_or_default()).in_seconds();
            let reason = limit.reason.as_deref().filter(|reason| !reason.is_empty());
            let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            format!("set by {} at {at}{why}", limit.by.as_deref().unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_a_line_with_value_figure_and_origin() {
        let shown = ThrottleShown {
            live: true,
            rows_per_second: Some(1_500.4),
            keys: vec![LimitShown {
                key: "throttle.tail_lag".into(),
                value: "2s".into(),
                origin: Origin::Set,
                by: Some("ann".into()),
                at_ms: Some(0),
                reason: Some("peak".into()),
                figure: Some("150ms".into()),
            }],
            ..ThrottleShown::default()
        };
        let text = lines(&shown).join("\n");
        assert!(text.starts_with("pace     1500 rows a second at most\n\nlimit "), "{text}");
        assert!(
            text.ends_with("throttle.tail_lag  2s     150ms  set by ann at 1970-01-01 00:00:00 UTC: peak"),
            "{text}"
        );
    }
}
