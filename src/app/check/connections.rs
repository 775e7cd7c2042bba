//! How many connections to MySQL a run needs, and whether it gets them.

use super::finding::{Finding, Group, Rule};
use crate::config::Config;
use crate::source::MysqlSource;
use crate::source::facts_connections::Connections;

/// Beside one for each worker of the backfill: one for the binlog, one for the proof that the run is alone, up to three
/// for small queries at once, two that look ahead in the binlog after an ALTER, one of a re-copy.
pub const BESIDE_WORKERS: u64 = 8;

/// The most that a run has at once.
pub fn needed(workers: usize) -> u64 {
    workers as u64 + BESIDE_WORKERS
}

pub async fn finding(source: &MysqlSource, config: &Config) -> Finding {
    match source.connections().await {
        Ok(found) => judge(&found, config.limits.limits.workers),
        Err(error) => rule(needed(config.limits.limits.workers)).unknown(error),
    }
}

fn rule(needed: u64) -> Rule {
    let expected = format!("room for {needed} (backfill.workers + {BESIDE_WORKERS})");
    Rule::new(Group::Mysql, "connections", expected)
}

pub fn judge(found: &Connections, workers: usize) -> Finding {
    let needed = needed(workers);
    let rule = rule(needed);
    let (account, server) = (found.of_account, found.of_server);
    if account > 0 && account < needed {
        return rule.refusal(
            format!("MAX_USER_CONNECTIONS of this account is {account}"),
            format!("ALTER USER ... WITH MAX_USER_CONNECTIONS {needed}, or lower backfill.workers"),
        );
    }
    if server < needed {
        return rule.refusal(
            format!("max_connections is {server}"),
            format!("SET PERSIST max_connections = {}, or lower backfill.workers", needed + found.now),
        );
    }
    let free = server.saturating_sub(found.now);
    rule.should(
        free >= needed,
        format!("{free} of {server} are free"),
        format!("SET PERSIST max_connections = {}, or lower backfill.workers", needed + found.now),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn a_bound_below_what_a_run_needs_is_refused_with_the_number() {
        let found = |of_account, of_server, now| Connections { of_account, of_server, now };
        assert_eq!(judge(&found(0, 151, 3), 4).exit, None);
        let account = judge(&found(11, 151, 3), 4);
        assert_eq!(account.exit, Some(Exit::Refused));
        assert!(account.advice.contains("MAX_USER_CONNECTIONS 12"), "{account:?}");
        let server = judge(&found(0, 11, 3), 4);
        assert_eq!(server.exit, Some(Exit::Refused));
        let full = judge(&found(0, 20, 12), 4);
        assert!(full.exit.is_none() && full.advice.contains("max_connections = 24"), "{full:?}");
    }
}
