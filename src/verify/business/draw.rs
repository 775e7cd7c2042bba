//! Which lists are asked about: the largest ones, those with the most changes lately, some of one item, some that became
//! empty, and a number of them at random.
//!
//! The random ones are drawn **uniformly, without replacement**, over all lists that MySQL has: one walk over the list keys
//! keeps the N lists whose SHA-256 of seed and encoded key is lowest. How often a list comes along in the walk, and how many
//! rows it has, does not matter: its hash is the same each time, and independent of them.

use super::super::Verification;
use super::super::under_way::Feed;
use crate::compare::ListsWalk;
use crate::model::{Mapping, Reached, Row, Value};
use crate::sink::SinkError;
use crate::sink::layout;
use crate::verify::VerifyError;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Lists of each group that is not drawn at random.
pub const OF_A_GROUP: usize = 20;
/// Lists whose sizes are remembered in a walk; twice as many for a moment.
const SIZES_MAX: usize = 100_000;
/// Rows of one piece of the walk.
const PIECE_ROWS: u32 = 20_000;

/// Why a list is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Largest,
    /// Changed most often in the part of the binlog that was looked at.
    Changed,
    /// Of one item.
    Single,
    /// Lost its last item in that part.
    Emptied,
    /// Drawn uniformly: only these count for the bound.
    Random,
}

impl Group {
    /// As the report names it.
    pub fn name(self) -> &'static str {
        match self {
            Group::Largest => "largest",
            Group::Changed => "changed",
            Group::Single => "single",
            Group::Emptied => "emptied",
            Group::Random => "random",
        }
    }
}

/// A list by its encoded key.
pub type Lists = BTreeMap<Vec<u8>, (Vec<Value>, Group)>;

/// The lists of one mapping that are asked about.
#[derive(Debug, Default)]
pub struct Drawn {
    /// Each list once; one of several groups counts as the last of them, so that the random ones are complete.
    pub lists: Lists,
    /// Whether the random ones are all lists that there are.
    pub is_all: bool,
}

/// Keeps those with the lowest hashes.
struct Lowest {
    seed: u64,
    most: usize,
    kept: BTreeMap<[u8; 32], (Vec<u8>, Vec<Value>)>,
    /// Whether one was left out.
    more: bool,
}

impl Lowest {
    fn new(seed: u64, most: usize) -> Lowest {
        Lowest { seed, most, kept: BTreeMap::new(), more: false }
    }

    fn see(&mut self, encoded: &[u8], key: &[Value]) {
        let hash: [u8; 32] =
            Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(encoded).finalize().into();
        let is_low =
            self.kept.len() < self.most || self.kept.last_key_value().is_some_and(|(last, _)| hash < *last);
        if !is_low {
            self.more |= !self.kept.contains_key(&hash);
            return;
        }
        self.kept.entry(hash).or_insert_with(|| (encoded.to_vec(), key.to_vec()));
        if self.kept.len() > self.most {
            self.kept.pop_last();
            self.more = true;
        }
    }
}

/// How often each list came; bounded, the rare ones are forgotten first.
#[derive(Default)]
struct Counts(FxHashMap<Vec<u8>, (u64, Vec<Value>)>);

impl Counts {
    fn add(&mut self, encoded: Vec<u8>, rows: u64, key: impl FnOnce() -> Vec<Value>) {
        self.0.entry(encoded).or_insert_with(|| (0, key())).0 += rows;
        if self.0.len() > 2 * SIZES_MAX {
            let mut counts: Vec<u64> = self.0.values().map(|(count, _)| *count).collect();
            let (_, least, _) = counts.select_nth_unstable(SIZES_MAX);
            let least = *least;
            self.0.retain(|_, (count, _)| *count > least);
        }
    }

    /// The most frequent ones, the most frequent first.
    fn most(self, count: usize) -> Vec<(Vec<u8>, Vec<Value>)> {
        let mut all: Vec<_> =
            self.0.into_iter().map(|(encoded, (count, key))| (count, encoded, key)).collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        all.into_iter().take(count).map(|(_, encoded, key)| (encoded, key)).collect()
    }
}

/// Draws from `mapping`: `random` lists by `seed`. `since`: where the part of the binlog begins that is looked at for
/// changes; without it there are none.
///
/// # Errors
/// What the source says, and `CannotJudge` where its binlog is not read in time.
pub async fn draw(
    with: &Verification,
    mapping: &Mapping,
    (random, seed): (usize, u64),
    since: Option<Reached>,
) -> Result<Drawn, VerifyError> {
    let mut lowest = Lowest::new(seed, random);
    let mut single = Lowest::new(!seed, OF_A_GROUP);
    let mut sizes = Counts::default();
    let mut walk = ListsWalk::new(with.source(mapping), PIECE_ROWS);
    while let Some(lists) = walk.next().await? {
        for (row, rows) in lists {
            let (encoded, key) = (layout::list_key(mapping, &row)?, key_of(mapping, &row));
            if !with.cohort.has(mapping, &encoded) {
                continue;
            }
            lowest.see(&encoded, &key);
            if rows == 1 {
                single.see(&encoded, &key);
            }
            sizes.add(encoded, rows, || key);
        }
    }
    let mut drawn = Drawn { lists: Lists::new(), is_all: !lowest.more };
    let mut put = |lists: Vec<(Vec<u8>, Vec<Value>)>, group| {
        drawn.lists.extend(lists.into_iter().map(|(encoded, key)| (encoded, (key, group))));
    };
    put(sizes.most(OF_A_GROUP), Group::Largest);
    put(single.kept.into_values().collect(), Group::Single);
    if let Some(since) = since {
        let (changed, emptied) = lately(with, mapping, since).await?;
        put(changed, Group::Changed);
        put(emptied, Group::Emptied);
    }
    put(lowest.kept.into_values().collect(), Group::Random);
    Ok(drawn)
}

type Keyed = Vec<(Vec<u8>, Vec<Value>)>;

/// The lists that the binlog changes most often behind `since`, and some of those that lost rows and have none now.
async fn lately(
    with: &Verification,
    mapping: &Mapping,
    since: Reached,
) -> Result<(Keyed, Keyed), VerifyError> {
    let (mut changed, mut lost) = (Counts::default(), Counts::default());
    let mut bad: Option<SinkError> = None;
    Feed::open(with, since)
        .await?
        .read(|_, change| {
            if change.table != mapping.table {
                return;
            }
            for (image, is_before) in [(change.before, true), (change.after, false)] {
                let Some(row) = image else { continue };
                match layout::list_key(mapping, row) {
                    Ok(encoded) if !with.cohort.has(mapping, &encoded) => {}
                    Ok(encoded) => {
                        let key =
                            || mapping.key.iter().map(|&column| row[column].clone().into_owned()).collect();
                        if is_before && change.after.is_none() {
                            lost.add(encoded.clone(), 1, key);
                        }
                        changed.add(encoded, 1, key);
                    }
                    Err(error) => drop(bad.get_or_insert(error)),
                }
            }
        })
        .await?;
    if let Some(error) = bad {
        return Err(error.into());
    }
    let mut emptied = Vec::new();
    let mut source = with.source(mapping);
    for (encoded, key) in lost.most(OF_A_GROUP * 10) {
        let asked = &key;
        let select = |mut snapshot: Box<dyn crate::source::Snapshot>| async move {
            let count = snapshot.list_count(mapping, asked).await?;
            Ok((count, snapshot))
        };
        if source.select(select).await? == 0 {
            emptied.push((encoded, key));
        }
        if emptied.len() == OF_A_GROUP {
            break;
        }
    }
    Ok((changed.most(OF_A_GROUP), emptied))
}

fn key_of(mapping: &Mapping, row: &Row) -> Vec<Value> {
    mapping.key.iter().map(|&column| row[column].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, most: usize, lists: impl IntoIterator<Item = u64>) -> Lowest {
        let mut lowest = Lowest::new(seed, most);
        for list in lists {
            lowest.see(&list.to_be_bytes(), &[Value::UInt(list)]);
        }
        lowest
    }

    fn keys(lowest: &Lowest) -> Vec<u64> {
        let number = |key: &Vec<Value>| match key[..] {
            [Value::UInt(list)] => list,
            _ => panic!("{key:?}"),
        };
        lowest.kept.values().map(|(_, key)| number(key)).collect()
    }

    #[test]
    fn a_list_that_comes_often_is_not_drawn_more_often() {
        // every third list comes a thousand times
        let lists =
            || (0..30).flat_map(|list| std::iter::repeat_n(list, if list % 3 == 0 { 1_000 } else { 1 }));
        let once = (0..50).map(|seed| keys(&drawn(seed, 5, 0..30)));
        let often = (0..50).map(|seed| keys(&drawn(seed, 5, lists())));
        assert!(once.eq(often));
    }

    /// Pearson's chi-square over how often each of 50 lists, which come 1 to 5 times, was among 5 drawn by 500 seeds: 49
    /// degrees of freedom, whose 99.999 % quantile is 103.
    #[test]
    fn every_list_is_drawn_equally_often_whatever_its_size() {
        const LISTS: u64 = 50;
        const SEEDS: u64 = 500;
        const DRAWN: usize = 5;
        let mut times = [0_u64; LISTS as usize];
        for seed in 0..SEEDS {
            let pieces = (0..LISTS).flat_map(|list| std::iter::repeat_n(list, 1 + (list / 10) as usize));
            for list in keys(&drawn(seed, DRAWN, pieces)) {
                times[list as usize] += 1;
            }
        }
        let expected = SEEDS as f64 * DRAWN as f64 / LISTS as f64;
        // drawn without replacement, the spread is a little below that of independent draws
        let chi: f64 = times.iter().map(|&times| (times as f64 - expected).powi(2) / expected).sum();
        assert!(chi < 103.0, "chi-square {chi}: {times:?}");
        assert!(chi > 15.0, "chi-square {chi} is too good to be a draw");
    }

    #[test]
    fn all_lists_are_known_to_be_drawn() {
        assert!(!drawn(7, 30, 0..30).more);
        assert!(drawn(7, 29, 0..30).more);
        assert!(!drawn(7, 30, (0..30).chain(0..30)).more);
    }
}
