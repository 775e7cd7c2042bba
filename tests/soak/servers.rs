//! Faults of the servers: MySQL, memcached and a gateway of the soak's own, and HBase's regions.

use super::bag::{Bag, between, dice};
use super::tally::Tally;
use crate::support::memcached::flush_all;
use crate::support::mysql;
use crate::support::own::Own;
use crate::support::shell;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What a server may take on a busy machine until it accepts connections.
pub const START_LIMIT: Duration = Duration::from_secs(120);

/// Waits, unless it is over before; whether it is not.
async fn wait(stop: &CancellationToken, time: Duration) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(time)).await.is_some()
}

/// Memcached restarts and forgets.
pub async fn disturb_memcached(
    mut own: Own,
    tally: Tally,
    seed: u64,
    round: u64,
    stop: CancellationToken,
) -> Own {
    let mut dice = dice(seed, round, "memcached");
    let mut bag = Bag::of(vec!["memcached: killed and restarted", "memcached: flush_all"]);
    while wait(&stop, between(&mut dice, 4_000, 20_000)).await {
        let kind = bag.draw(&mut dice);
        if kind == "memcached: flush_all" {
            flush_all(&own.address()).await;
        } else {
            own.kill();
            tokio::time::sleep(between(&mut dice, 0, 4_000)).await;
            own.start();
            until_it_accepts(&own).await;
        }
        tally.add(kind);
    }
    own
}

async fn until_it_accepts(own: &Own) {
    let begin = Instant::now();
    while tokio::net::TcpStream::connect(own.address()).await.is_err() {
        assert!(begin.elapsed() < START_LIMIT, "nothing listens at {}", own.address());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The gateway dies and comes back.
pub async fn disturb_gateway(
    mut own: Own,
    tally: Tally,
    seed: u64,
    round: u64,
    stop: CancellationToken,
) -> Own {
    let mut dice = dice(seed, round, "gateway");
    let mut pause = between(&mut dice, 10_000, 40_000);
    while wait(&stop, pause).await {
        // while it is away nothing can be written, so it stays for longer
        pause = between(&mut dice, 40_000, 100_000);
        own.kill();
        tokio::time::sleep(between(&mut dice, 0, 3_000)).await;
        own.start();
        until_it_accepts(&own).await;
        tally.add("hbase: gateway killed and restarted");
    }
    own
}

/// MySQL ends the connections of `user`, begins new binlog files, and is restarted.
pub async fn disturb_mysql(
    mut own: Own,
    user: String,
    tally: Tally,
    (seed, round): (u64, u64),
    stop: CancellationToken,
) -> Own {
    let mut dice = dice(seed, round, "mysql");
    let mut bag = Bag::of(vec![
        "mysql: connections killed",
        "mysql: binlog rotated",
        "mysql: killed and restarted",
        "mysql: restarted cleanly",
    ]);
    while wait(&stop, between(&mut dice, 4_000, 30_000)).await {
        let kind = bag.draw(&mut dice);
        let met = match kind {
            "mysql: connections killed" => kill_connections(own.port, &user, &mut dice).await > 0,
            "mysql: binlog rotated" => {
                let mut conn = mysql::connect_when_up(own.port, None).await;
                conn.query_drop("FLUSH BINARY LOGS").await.expect("the binlog can be rotated");
                true
            }
            _ => {
                if kind == "mysql: restarted cleanly" {
                    own.terminate().await
                } else {
                    own.kill()
                }
                tokio::time::sleep(between(&mut dice, 0, 3_000)).await;
                own.start();
                mysql::connect_when_up(own.port, None).await;
                true
            }
        };
        if met {
            tally.add(kind);
        }
    }
    own
}

/// Kills all connections of the user, or about half; returns how many.
async fn kill_connections(port: u16, user: &str, dice: &mut StdRng) -> usize {
    let mut conn = mysql::connect_when_up(port, None).await;
    let query = format!("SELECT id FROM information_schema.processlist WHERE user = '{user}'");
    let connections: Vec<u64> = conn.query(query).await.expect("connections are listed");
    let all = dice.random_ratio(1, 2);
    let mut killed = 0;
    for id in connections {
        // one that has ended meanwhile cannot be killed
        if (all || dice.random_ratio(1, 2)) && conn.query_drop(format!("KILL {id}")).await.is_ok() {
            killed += 1;
        }
    }
    killed
}

/// HBase writes its tables to disk, rewrites them and splits regions.
pub async fn disturb_regions(
    tables: Vec<String>,
    tally: Tally,
    seed: u64,
    round: u64,
    stop: CancellationToken,
) {
    let mut dice = dice(seed, round, "regions");
    let mut bag = Bag::of(tables);
    while wait(&stop, between(&mut dice, 10_000, 25_000)).await {
        let (one, other) = (bag.draw(&mut dice), bag.draw(&mut dice));
        let done = shell::run(&statements(&one, &other, &mut dice)).await;
        for (word, kind) in [
            ("flushed", "hbase: table flushed"),
            ("compacted", "hbase: table major-compacted"),
            ("split", "hbase: region split"),
        ] {
            if done.lines().any(|line| line.trim() == format!("soak: {word}")) {
                tally.add(kind);
            }
        }
        // each costs the machine a Java process
        if !wait(&stop, between(&mut dice, 20_000, 60_000)).await {
            break;
        }
    }
}

/// Ruby of HBase's shell. A region is split in the middle of a salt's range, at a place that the seed chooses; the split
/// counts when the table has one region more.
fn statements(one: &str, other: &str, dice: &mut StdRng) -> String {
    let (salt, at) = (dice.random_range(0..4), dice.random_range(1..120));
    let key = format!("\\x{salt:02x}\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x{at:02x}");
    format!(
        r#"
def regions(table)
  admin = @hbase.instance_variable_get(:@connection).getAdmin
  admin.getRegions(org.apache.hadoop.hbase.TableName.valueOf(table)).size
end
begin; flush '{one}'; puts 'soak: flushed'; rescue => e; puts "soak refused: #{{e.message}}"; end
begin
  before = regions('{other}')
  split '{other}', "{key}"
  40.times {{ break if regions('{other}') > before; sleep 0.25 }}
  puts(regions('{other}') > before ? 'soak: split' : 'soak refused: no more regions than before')
rescue => e
  puts "soak refused: #{{e.message}}"
end
begin; major_compact '{one}'; puts 'soak: compacted'; rescue => e; puts "soak refused: #{{e.message}}"; end
"#
    )
}
