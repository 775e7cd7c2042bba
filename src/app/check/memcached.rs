//! Memcache: whether leases work there. No delete depends on it (DESIGN section 2), so most of what is
//! wrong with it is a warning.

use super::finding::{Finding, Group, Rule};
use crate::config::Config;
use crate::config::checked::{LeaseKind, OnLoss};
use crate::config::units::{print_duration, print_size};
use crate::lock::LockError;
use crate::lock::memcache::MemcacheLeases;
use crate::lock::probe::ServerFacts;
use std::time::Duration;

/// Rows a second that one chunk is read and written with, for sure.
const CHUNK_ROWS_PER_SECOND: u64 = 500;
/// Connections that a run may open to a server (`lock::memcache`).
const CONNECTIONS: u64 = 64;

fn rule(name: impl Into<String>, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Memcached, name, expected)
}

/// Everything about the lease servers, of which `None` means that leases stay in this process.
pub async fn findings(config: &Config, server: Option<&MemcacheLeases>) -> Vec<Finding> {
    let mut findings = vec![expiry(config.lease.expiry, config.limits.limits.chunk_rows)];
    match (config.lease.kind, server) {
        (LeaseKind::Memcache, Some(server)) => {
            for (address, facts) in server.probe().await {
                findings.extend(judge(&address, facts, config.lease.on_loss));
            }
        }
        _ => findings.push(
            rule("lease.kind", "memcache or local")
                .note("local", "no other program can take part in the leases"),
        ),
    }
    findings
}

/// One server.
pub fn judge(address: &str, facts: Result<ServerFacts, LockError>, on_loss: OnLoss) -> Vec<Finding> {
    let answers = rule(format!("{address} answers"), "memcached 1.6 or later");
    let facts = match facts {
        Err(error) => return vec![silent(answers, &error, on_loss)],
        Ok(facts) => facts,
    };
    let version = format!("memcached {}", facts.version);
    if !facts.speaks_meta() {
        let advice = "leases need the meta commands: upgrade memcached";
        return vec![match on_loss {
            OnLoss::Degrade => answers.warning(version, advice),
            OnLoss::Wait => answers.refusal(version, advice),
        }];
    }
    let evictions = rule(format!("{address} evictions"), "none");
    let room = facts.connections_max.saturating_sub(facts.connections_open);
    vec![
        answers.ok(version),
        rule(format!("{address} cas"), "enabled").must(
            facts.cas_enabled,
            if facts.cas_enabled { "enabled" } else { "disabled" },
            "start it without -C: without CAS, tailfill cannot release a lease safely",
        ),
        match (facts.evicts, facts.evictions_total) {
            (true, 0) => evictions.ok("none so far"),
            (true, count) => evictions.note(
                format!("{count} since its start"),
                "an evicted lease costs work, but no delete; give memcached more memory if other programs rely on leases",
            ),
            (false, _) => evictions.warning(
                "it was started with -M",
                "when memcached is full, tailfill gets no lease, and lists wait: start it without -M, or for leases alone",
            ),
        },
        rule(format!("{address} memory"), "any")
            .ok(format!("{} of {} in use", print_mib(facts.used_bytes), print_mib(facts.limit_bytes))),
        rule(format!("{address} connections"), format!("{CONNECTIONS} to spare")).should(
            room >= CONNECTIONS,
            format!("{} of {} open", facts.connections_open, facts.connections_max),
            "start it with a higher -c",
        ),
    ]
}

fn print_mib(bytes: u64) -> String {
    print_size(bytes >> 20 << 20).replacen("0B", "less than 1MiB", usize::from(bytes < 1 << 20))
}

fn silent(rule: Rule, error: &LockError, on_loss: OnLoss) -> Finding {
    let advice = "check that Memcache is up, and that lease.servers names it";
    match on_loss {
        OnLoss::Degrade => {
            let text = format!(
                "{advice}; until then, leases hold in this process only (lease.on_loss = \"degrade\")"
            );
            rule.warning(error.to_string(), text)
        }
        OnLoss::Wait => rule.failed(LockError { server: error.server.clone(), reason: error.reason.clone() }),
    }
}

/// A chunk has to be read and written while its leases hold.
pub fn expiry(expiry: Duration, chunk_rows: u32) -> Finding {
    let needed = Duration::from_secs(u64::from(chunk_rows).div_ceil(CHUNK_ROWS_PER_SECOND) + 3);
    rule(
        "lease.expiry",
        format!("at least {} ({} rows a chunk)", print_duration(needed), chunk_rows),
    )
    .should(
        expiry >= needed,
        print_duration(expiry),
        "raise lease.expiry or lower backfill.chunk_rows: if the leases of a chunk end before it is written, it starts again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::check::finding::Level;

    fn facts() -> ServerFacts {
        ServerFacts {
            version: "1.6.18".into(),
            uptime_seconds: 1,
            connections_max: 1024,
            connections_open: 2,
            limit_bytes: 64 << 20,
            used_bytes: 3 << 20,
            evicts: true,
            evictions_total: 0,
            cas_enabled: true,
        }
    }

    fn level(findings: &[Finding], name: &str) -> Level {
        let found = findings.iter().find(|finding| finding.name().ends_with(name));
        found.unwrap_or_else(|| panic!("no finding {name}")).level
    }

    fn judged(facts: ServerFacts) -> Vec<Finding> {
        judge("h:1", Ok(facts), OnLoss::Degrade)
    }

    #[test]
    fn a_plain_server_is_fine() {
        let findings = judged(facts());
        assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        assert_eq!(findings[3].actual, "3MiB of 64MiB in use");
    }

    #[test]
    fn each_setting_that_hurts_leases_is_told() {
        let warned = |facts, name| level(&judged(facts), name);
        assert_eq!(warned(ServerFacts { evicts: false, ..facts() }, "evictions"), Level::Warning);
        assert_eq!(warned(ServerFacts { evictions_total: 7, ..facts() }, "evictions"), Level::Note);
        assert_eq!(warned(ServerFacts { connections_open: 1_000, ..facts() }, "connections"), Level::Warning);
        assert_eq!(warned(ServerFacts { cas_enabled: false, ..facts() }, "cas"), Level::Refusal);
        assert_eq!(warned(ServerFacts { version: "1.5.22".into(), ..facts() }, "answers"), Level::Warning);
    }

    #[test]
    fn a_server_that_is_away_refuses_only_where_leases_are_relied_on() {
        let away = || Err(LockError { server: "h:1".into(), reason: "connection refused".into() });
        let degraded = judge("h:1", away(), OnLoss::Degrade);
        assert_eq!((level(&degraded, "answers"), degraded[0].exit), (Level::Warning, None));
        let waiting = judge("h:1", away(), OnLoss::Wait);
        assert_eq!(
            (level(&waiting, "answers"), waiting[0].exit),
            (Level::Refusal, Some(crate::error::Exit::Failed))
        );
    }

    #[test]
    fn a_chunk_must_fit_into_a_lease() {
        let with = |chunk_rows| expiry(Duration::from_secs(10), chunk_rows).level;
        assert_eq!(with(2_000), Level::Ok);
        assert_eq!(with(3_500), Level::Ok);
        assert_eq!(with(3_501), Level::Warning);
    }
}
