//! Positions of MySQL's binlog, noted while the application works, to start from later.

use crate::support::mysql;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row};
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(2);

/// One moment: what the engine had committed, and where the binlog ended, which is at or past it.
#[derive(Clone, Debug)]
struct BinlogEnd {
    gtids: String,
    file_offset: String,
}

/// Positions in the order of time.
#[derive(Clone, Default)]
pub struct BinlogEnds {
    noted: Arc<Mutex<Vec<BinlogEnd>>>,
}

impl BinlogEnds {
    /// Notes positions until it is stopped.
    pub async fn note(self, port: u16, stop: CancellationToken) {
        let mut conn = mysql::connect_when_up(port, None).await;
        loop {
            match now(&mut conn).await {
                Ok(place) => self.noted.lock().expect("noting does not panic").push(place),
                Err(error) if mysql::is_lost(&error) => conn = mysql::connect_when_up(port, None).await,
                Err(error) => panic!("{error}"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// A GTID set, or a `FILE:OFFSET`, that the checkpoint is past. Mostly one of the last, at times any.
    /// None too where MySQL is away.
    pub async fn older_than(
        &self,
        port: u16,
        checkpoint: &str,
        file_offset: bool,
        dice: &mut StdRng,
    ) -> Option<String> {
        let noted = self.noted.lock().expect("noting does not panic").clone();
        let mut conn = mysql::connect_when_up(port, None).await;
        let mut older = Vec::new();
        // what ended the binlog at one moment is committed by the next
        for pair in noted.windows(2) {
            let contained = if file_offset { &pair[1] } else { &pair[0] };
            let query = format!("SELECT GTID_SUBSET('{}', '{checkpoint}')", contained.gtids);
            if conn.query_first::<u8, _>(query).await.ok()? != Some(1) {
                break;
            }
            older.push(if file_offset { pair[0].file_offset.clone() } else { pair[0].gtids.clone() });
        }
        let last = if dice.random_ratio(1, 4) { older.len() } else { older.len().min(15) };
        let chosen = older.len().checked_sub(1 + dice.random_range(0..last.max(1)))?;
        Some(older.swap_remove(chosen))
    }
}

async fn now(conn: &mut Conn) -> Result<BinlogEnd, Error> {
    let gtids: Option<String> = conn.query_first("SELECT @@gtid_executed").await?;
    let row: Option<Row> = conn.query_first("SHOW BINARY LOG STATUS").await?;
    let row = row.expect("there is a binlog");
    let (file, offset): (String, u64) = (row.get(0).expect("a file"), row.get(1).expect("an offset"));
    let gtids = gtids.unwrap_or_default().replace('\n', "");
    Ok(BinlogEnd { gtids, file_offset: format!("{file}:{offset}") })
}
