//! How many connections to MySQL a run needs, and whether it gets them.

use super::finding::{Finding, Group, Rule};
use crate::config::Config;
use crate::source::MysqlSource;
use crate::source::facts_connections::Connections;

/// Beside one for each worker of the backfill: one for the binlog, one for the proof that the run is alone, up to three
/// for small queries at once, two that look ahead in the binlog after an ALTER, one of a re-copy.
const BESIDE_WORKERS: u64 = 8;
/// And for a continuous verification: one for SELECTs, one for the binlog.
const CONTINUOUS: u64 = 2;

/// The most that a run has at once.
#[derive(Clone, Copy)]
pub struct Needed {
    workers: u64,
    beside: u64,
}

impl Needed {
    fn of(workers: usize, continuous: bool) -> Needed {
        Needed { workers: workers as u64, beside: BESIDE_WORKERS + if continuous { CONTINUOUS } else { 0 } }
    }
}

pub async fn finding(source: &MysqlSource, config: &Config) -> Finding {
    let needed = Needed::of(config.limits.limits.workers, config.verify.continuous);
    match source.connections().await {
        Ok(found) => judge(&found, needed),
        Err(error) => rule(needed).unknown(error),
    }
}

fn rule(Needed { workers, beside }: Needed) -> Rule {
    let expected = format!("room for {} (backfill.workers + {beside})", workers + beside);
    Rule::new(Group::Mysql, "connections", expected)
}

fn judge(found: &Connections, needed: Needed) -> Finding {
    let rule = rule(needed);
    let needed = needed.workers + needed.beside;
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
        assert_eq!(judge(&found(0, 151, 3), Needed::of(4, false)).exit, None);
        let account = judge(&found(11, 151, 3), Needed::of(4, false));
        assert_eq!(account.exit, Some(Exit::Refused));
        assert!(account.advice.contains("MAX_USER_CONNECTIONS 12"), "{account:?}");
        let server = judge(&found(0, 11, 3), Needed::of(4, false));
        assert_eq!(server.exit, Some(Exit::Refused));
        let full = judge(&found(0, 20, 12), Needed::of(4, false));
        assert!(full.exit.is_none() && full.advice.contains("max_connections = 24"), "{full:?}");
        let continuous = judge(&found(13, 151, 3), Needed::of(4, true));
        assert!(continuous.advice.contains("MAX_USER_CONNECTIONS 14"), "{continuous:?}");
    }
}
