//! The source server: settings, grants, undecided transactions. Judgements are pure; `look` asks.

use super::finding::{Finding, Group, Rule};
use crate::config::units::print_duration;
use crate::model::TableName;
use crate::retry::{Patience, Pauses};
use crate::source::facts_logging::{LogFilters, Logging};
use crate::source::preflight::{GLOBAL_PRIVILEGES, MissingGrant, Replica};
use crate::source::{Facts, MysqlSource, Source};
use std::time::Duration;

/// Rows a second that a backfill makes for sure, on any machine: a small part of what was measured.
const CAUTIOUS_ROWS_PER_SECOND: u64 = 2_000;
/// The binlog must outlast the backfill this many times: it is also needed for a pause.
const RETENTION_FACTOR: u64 = 3;
/// How long a first start waits for the server to drop the connection of a process that was killed.
const PREDECESSOR_LEAVES: Duration = Duration::from_secs(4);

/// What is known of this program's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing was tailed yet.
    First,
    /// There is a checkpoint.
    Again,
    /// A tailfill runs with this state now.
    Running,
}

/// What is looked at, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// `check`: everything.
    All,
    /// `init` and `run`: without what reads whole tables, except where nothing else proves it.
    Quick,
}

fn rule(name: &str, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Mysql, name, expected)
}

/// What later judgements need of the server, as far as it could be read.
#[derive(Clone, Debug, Default)]
pub struct Server {
    pub facts: Option<Facts>,
    pub logging: Option<Logging>,
}

/// The settings of a server that answers.
pub async fn check_settings(source: &MysqlSource, server_id: u32) -> (Server, Vec<Finding>) {
    let (mut server, mut findings) = (Server::default(), Vec::new());
    match source.facts().await {
        Ok(facts) => {
            findings.extend(settings(&facts, server_id));
            server.facts = Some(facts);
        }
        Err(error) => findings.push(rule("settings", "readable").unknown(error)),
    }
    match source.logging().await {
        Ok(logging) => {
            findings.extend(logged(&logging));
            server.logging = Some(logging);
        }
        Err(error) => findings.push(rule("logging", "readable").unknown(error)),
    }
    (server, findings)
}

/// Filters, grants, replicas, undecided transactions.
pub async fn check_rest(
    source: &MysqlSource,
    server_id: u32,
    tables: &[TableName],
    start: Start,
    depth: Depth,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match source.log_filters().await {
        Ok(filters) => filtered(&filters, tables),
        Err(_) => not_seen("binlog_filters", "no mapped database is excluded", "REPLICATION CLIENT"),
    });
    findings.extend(check_grants(source, tables).await);
    findings.push(check_replicas(source, server_id, start, depth).await);
    findings.push(match source.prepared_xa().await {
        Ok(prepared) => prepared_xa(prepared.len(), start),
        Err(_) => not_seen("xa_recover", "no XA transaction is prepared and undecided", "XA_RECOVER_ADMIN"),
    });
    findings.push(rule("sessions", "ROW format and sql_log_bin = 1 in every session that writes").note(
        "cannot be seen",
        "a change in statement format parks the mapped tables that it may touch; tailfill does not see a change with sql_log_bin = 0",
    ));
    findings
}

/// The missing grant has a finding of its own.
fn not_seen(name: &str, expected: &str, privilege: &str) -> Finding {
    rule(name, expected)
        .unknown_note(format!("unknown: the user lacks {privilege}"), "grant it, then check again")
}

/// Global settings.
pub fn settings(facts: &Facts, server_id: u32) -> Vec<Finding> {
    let set = |name: &str, wanted: &str, actual: &str, mend: &str| {
        rule(name, wanted).must(actual.eq_ignore_ascii_case(wanted), shown(actual), mend)
    };
    let json = rule("binlog_row_value_options", "empty");
    let metadata = rule("binlog_row_metadata", "FULL");
    let checksum = rule("binlog_checksum", "CRC32");
    let order = rule("binlog_order_commits", "ON");
    let mend_row = "SET PERSIST binlog_format = 'ROW', then let every session that writes reconnect";
    vec![
        rule("version", "MySQL 8.0 or later").must(
            !facts.version.starts_with("5."),
            &facts.version,
            "upgrade the server, or tail a replica of 8.0 or later",
        ),
        set("log_bin", "ON", &facts.log_bin, "start the server with --log-bin"),
        set("binlog_format", "ROW", &facts.binlog_format, mend_row),
        set(
            "binlog_row_image",
            "FULL",
            &facts.binlog_row_image,
            "SET PERSIST binlog_row_image = 'FULL', then let every session that writes reconnect",
        ),
        match facts.binlog_row_value_options.as_str() {
            "" => json.ok("empty"),
            options => json.note(options, "MySQL logs updates of JSON columns as differences; the tail applies them"),
        },
        match facts.binlog_row_metadata.as_str() {
            "FULL" => metadata.ok("FULL"),
            other => metadata.note(
                shown(other),
                "with SET PERSIST binlog_row_metadata = 'FULL' tailfill reads columns by their names, also where they \
                 changed places without an ALTER in the binlog (sql_log_bin = 0)",
            ),
        },
        set("gtid_mode", "ON", &facts.gtid_mode, "turn GTIDs on step by step (manual: Enabling GTID Transactions Online)"),
        set(
            "enforce_gtid_consistency",
            "ON",
            &facts.enforce_gtid_consistency,
            "SET PERSIST enforce_gtid_consistency = ON",
        ),
        match facts.binlog_checksum.as_str() {
            "CRC32" => checksum.ok("CRC32"),
            other => checksum.note(
                shown(other),
                "the server adds checksums only when it sends events: nothing detects damage in its binlog files",
            ),
        },
        order.should(
            facts.binlog_order_commits.eq_ignore_ascii_case("ON"),
            shown(&facts.binlog_order_commits),
            "SET PERSIST binlog_order_commits = ON: without it a start waits longer for a position without holes",
        ),
        rule("server_id", format!("source.server_id ({server_id}) is not the server's own")).must(
            facts.server_id != u64::from(server_id),
            facts.server_id.to_string(),
            "give source.server_id another number",
        ),
    ]
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "not known to this version" } else { value }
}

/// What reaches the binlog, beside its format.
pub fn logged(logging: &Logging) -> Vec<Finding> {
    let compression = rule("binlog_transaction_compression", "ON or OFF");
    let updates = rule("log_replica_updates", "ON");
    vec![
        compression.ok(shown(&logging.transaction_compression)),
        match logging.log_replica_updates.as_str() {
            "OFF" => updates.warning(
                "OFF",
                "if this server is itself a replica, what it receives is not in its binlog: start it with \
                 --log-replica-updates, or tail its source",
            ),
            other => updates.ok(shown(other)),
        },
    ]
}

/// binlog-do-db and binlog-ignore-db.
pub fn filtered(filters: &LogFilters, tables: &[TableName]) -> Finding {
    let rule = rule("binlog_filters", "no mapped database is excluded");
    let mut hidden: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    hidden.retain(|schema| !filters.pass(schema));
    hidden.dedup();
    if hidden.is_empty() {
        return rule.ok("none is");
    }
    rule.refusal(
        format!("excluded: {}", hidden.join(", ")),
        "start the server without binlog-do-db and binlog-ignore-db for them",
    )
}

/// Whether the binlog outlasts the backfill. `rows`: estimated, of all mapped tables.
pub fn retention(facts: &Facts, logging: &Logging, rows: u64) -> Finding {
    let needed = (rows / CAUTIOUS_ROWS_PER_SECOND * RETENTION_FACTOR).max(3_600);
    let needed = needed.div_ceil(3_600) * 3_600;
    let expected = format!(
        "at least {} ({RETENTION_FACTOR} x {rows} rows at {CAUTIOUS_ROWS_PER_SECOND} rows/s)",
        print_duration(Duration::from_secs(needed))
    );
    let rule = rule("binlog_expire_logs_seconds", expected);
    let kept = facts.binlog_expire_logs_seconds;
    if kept == 0 || logging.expires_by_age.eq_ignore_ascii_case("OFF") {
        return rule.ok("kept until purged by hand");
    }
    let actual = format!("{kept} ({})", print_duration(Duration::from_secs(kept)));
    rule.should(
        kept >= needed,
        actual,
        format!(
            "SET PERSIST binlog_expire_logs_seconds = {needed}: a run cannot continue from a purged position"
        ),
    )
}

async fn check_grants(source: &MysqlSource, tables: &[TableName]) -> Vec<Finding> {
    let mut findings = match source.missing_grants(&[]).await {
        Ok(missing) => global_grants(&missing),
        Err(error) => vec![rule("grants", "readable").unknown(error)],
    };
    findings.extend(source.sees_statements().await.ok().map(statement_grants));
    for table in tables {
        findings.push(match source.missing_grants(std::slice::from_ref(table)).await {
            Ok(missing) => select_grant(table, &missing),
            // A table that is not there has a finding among the mappings.
            Err(error) => {
                grant_rule(&format!("SELECT on {table}"), "the backfill").unknown_note(error.to_string(), "")
            }
        });
    }
    findings
}

fn grant_rule(privilege: &str, needed_for: &str) -> Rule {
    rule(&format!("grant {privilege}"), format!("held: {needed_for}"))
}

/// The privileges on everything.
pub fn global_grants(missing: &[MissingGrant]) -> Vec<Finding> {
    let judge = |(privilege, needed_for): &(&str, &str)| {
        let missing = missing.iter().find(|grant| grant.privilege == *privilege);
        grant(grant_rule(privilege, needed_for), missing)
    };
    GLOBAL_PRIVILEGES.iter().map(judge).collect()
}

/// What proves that a change in statement format leaves the mapped tables alone.
pub fn statement_grants(held: bool) -> Finding {
    let rule = rule("grant SELECT, TRIGGER", "held on *.* where sessions use statement format");
    match held {
        true => rule.ok("held"),
        false => rule.note(
            "missing",
            "without it, each change in statement format parks the mappings, because MySQL cannot prove that it is harmless: if \
             sessions do that (pt-table-checksum), GRANT SELECT, TRIGGER ON *.* to this user",
        ),
    }
}

/// SELECT on one table.
pub fn select_grant(table: &TableName, missing: &[MissingGrant]) -> Finding {
    let missing = missing.iter().find(|grant| grant.privilege == "SELECT");
    grant(grant_rule(&format!("SELECT on {table}"), "the backfill"), missing)
}

fn grant(rule: Rule, missing: Option<&MissingGrant>) -> Finding {
    match missing {
        None => rule.ok("held"),
        Some(missing) => rule.refusal("missing", format!("{};", missing.statement)),
    }
}

/// A first start gives the server time to notice that an earlier process was killed.
async fn check_replicas(source: &MysqlSource, server_id: u32, start: Start, depth: Depth) -> Finding {
    let mut looks = Patience::with_one(PREDECESSOR_LEAVES, Pauses::OF_QUESTIONS);
    loop {
        let Ok(others) = source.replicas_with_our_id().await else {
            return not_seen("replicas", &replicas_expected(server_id), "REPLICATION SLAVE");
        };
        if others.is_empty() || start != Start::First || !looks.again().await {
            return replicas(&others, server_id, start, depth);
        }
    }
}

fn replicas_expected(server_id: u32) -> String {
    format!("no other replica is connected as {server_id}")
}

/// Other replicas with our server_id.
pub fn replicas(others: &[Replica], server_id: u32, start: Start, depth: Depth) -> Finding {
    let rule = rule("replicas", replicas_expected(server_id));
    let Some(other) = others.first() else { return rule.ok("none") };
    let host = if other.host.is_empty() { "an unnamed host" } else { &other.host };
    let actual = format!("replica {} on {host}", other.uuid);
    let advice = "give source.server_id another number";
    match (start, depth) {
        (Start::First, _) => rule.refusal(actual, advice),
        (Start::Running, _) => rule.note(actual, "the run with this state"),
        // The server notices only after a second that the last run has ended.
        (Start::Again, Depth::Quick) => rule.note(actual, "likely the last run's own connection"),
        (Start::Again, Depth::All) => {
            rule.warning(actual, format!("if it is not the last run's own connection, {advice}"))
        }
    }
}

/// Transactions that XA RECOVER lists.
pub fn prepared_xa(count: usize, start: Start) -> Finding {
    let rule = rule("xa_recover", "no XA transaction is prepared and undecided");
    match (count, start) {
        (0, _) => rule.ok("none"),
        (count, Start::First) => rule.refusal(
            format!("{count} prepared"),
            "commit or roll back each of them before the first start (XA RECOVER lists them; XA COMMIT, XA \
             ROLLBACK): their rows come before the start, and their commit after it",
        ),
        (count, _) => rule.note(
            format!("{count} prepared"),
            "an XA transaction that changes a mapped table parks it at its XA COMMIT",
        ),
    }
}

#[cfg(test)]
#[path = "mysql_tests.rs"]
mod tests;
