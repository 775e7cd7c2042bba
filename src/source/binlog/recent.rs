//! Where the newest transactions of the binlog begin, without reading it: for a look at the last minutes.

use super::scan::{Scan, Step};
use crate::model::Reached;
use crate::model::gtid::{GtidSet, Interval};
use crate::source::SourceError;
use crate::source::session::Session;

/// Files that are asked when they were begun, from the newest one back.
const FILES_MAX: usize = 4;

/// The newest transactions, and everything that was committed before them.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub before: Reached,
    pub newest: Reached,
}

/// The newest `transactions_max` of each origin at most, of the newest files: as many of these as it takes to reach back to
/// `micros`. The server searches its files for them, and sends no others.
pub(crate) async fn newest(
    session: &Session,
    micros: u64,
    transactions_max: u64,
) -> Result<Newest, SourceError> {
    let executed = session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?;
    let mut in_files = Reached::default();
    for file in session.binlog_files().await?.iter().rev().take(FILES_MAX) {
        let (begun_micros, before_file) = head(session, &file.name).await?;
        in_files = executed.minus(&before_file);
        if begun_micros <= micros {
            break;
        }
    }
    let newest = Reached::from(newest_of(in_files.gtids(), transactions_max));
    Ok(Newest { before: executed.minus(&newest), newest })
}

/// When a file was begun, and everything before it.
async fn head(session: &Session, file: &str) -> Result<(u64, Reached), SourceError> {
    let mut scan = Scan::open(session, file).await?;
    while let Step::Inside = scan.step().await? {}
    Ok((scan.created_micros, scan.gtids))
}

/// The highest numbers of each origin.
fn newest_of(set: &GtidSet, most: u64) -> GtidSet {
    let mut newest = GtidSet::default();
    for (origin, intervals) in set.iter() {
        let mut left = most;
        for interval in intervals.iter().rev() {
            let numbers = (interval.last - interval.first + 1).min(left);
            if numbers == 0 {
                break;
            }
            left -= numbers;
            newest.insert_interval(
                origin,
                Interval { first: interval.last - numbers + 1, last: interval.last },
            );
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_numbers_of_each_origin_are_the_newest() {
        let (a, b) = ("3e11fa47-71ca-11e1-9e33-c80aa9429562", "3e11fa47-71ca-11e1-9e33-c80aa9429563");
        let set: Reached = format!("{a}:1-10:20-25,{b}:7").parse().expect("a set");
        let newest = |most| Reached::from(newest_of(set.gtids(), most)).to_string();
        assert_eq!(newest(8), format!("{a}:9-10:20-25,{b}:7"));
        assert_eq!(newest(2), format!("{a}:24-25,{b}:7"));
        assert_eq!(newest(100), set.to_string());
    }
}
