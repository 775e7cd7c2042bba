//! A part of all items, drawn uniformly over those of both sides.
//!
//! An item is drawn exactly if the first 8 bytes of SHA-256 of a seed and its address, read as a number, are below a bound.
//! Seed and bound are fixed before anything is scanned. So each address has the same probability, independent of all
//! others: whichever side has it, whatever is in it, however large its list is, and however often a scan comes upon it. That
//! is a Bernoulli sample; among all samples of the size that it comes to, each is equally probable.

use crate::sink::layout::Address;
use sha2::{Digest as _, Sha256};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleAsk {
    /// So many items of each target, or a few more.
    pub items: u64,
    pub seed: u64,
}

/// Which items are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    seed: u64,
    /// `None`: all of them are.
    below: Option<u64>,
}

/// Above what is asked for, in standard deviations of the size of a sample: fewer come once in three million samples.
const DEVIATIONS: f64 = 5.0;

impl Draw {
    /// Every item.
    pub const ALL: Draw = Draw { seed: 0, below: None };

    /// From a table of so many rows.
    pub fn of(ask: SampleAsk, rows: u64) -> Draw {
        let wanted = ask.items as f64 + DEVIATIONS * (ask.items as f64).sqrt();
        let probability = wanted / (rows as f64).max(1.0);
        let below = (probability < 1.0).then_some((probability * 2_f64.powi(64)) as u64);
        Draw { seed: ask.seed, below }
    }

    pub fn is_all(&self) -> bool {
        self.below.is_none()
    }

    pub fn has(&self, address: &Address) -> bool {
        self.below.is_none_or(|below| number(self.seed, address) < below)
    }
}

/// Evenly spread over all numbers, and the same for the same address.
fn number(seed: u64, Address { row, cell }: &Address) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    // with its length, so that no two addresses are hashed from the same bytes
    hash.update((row.len() as u64).to_be_bytes());
    hash.update(row);
    if let Some(cell) = cell {
        hash.update([1]);
        hash.update(cell);
    }
    let whole = hash.finalize();
    whole[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{World, edge, other_layouts};
    use super::super::{VerifyReport, full};
    use super::*;
    use crate::error::Exit;
    use bytes::Bytes;

    /// The addresses of some lists, of 1, 2, 4 ... items: half of all items lie in the last one. Every other list is a wide
    /// row, whose items share a row key.
    fn skewed() -> Vec<(usize, Address)> {
        let lists = (0..10_usize).flat_map(|list| (0..1_u32 << list).map(move |item| (list, item)));
        let address = |(list, item): (usize, u32)| {
            let (key, item) = (Bytes::copy_from_slice(&list.to_be_bytes()), item.to_be_bytes());
            let tall = Bytes::from([&key[..], &item].concat());
            let (row, cell) =
                if list % 2 == 0 { (tall, None) } else { (key, Some(Bytes::copy_from_slice(&item))) };
            (list, Address { row, cell })
        };
        lists.map(address).collect()
    }

    /// Pearson's chi-square of how often each thing was drawn, where each draw has this probability.
    fn chi_square(times: &[(u64, f64)], probability: f64) -> f64 {
        let part = |(seen, tries): &(u64, f64)| {
            let expected = tries * probability;
            (*seen as f64 - expected).powi(2) / (expected * (1.0 - probability))
        };
        times.iter().map(part).sum()
    }

    /// The sum has as many degrees of freedom as there are things: about that is expected, with a standard deviation of the
    /// root of twice that.
    fn is_usual(chi: f64, things: usize) -> bool {
        let things = things as f64;
        (chi - things).abs() < 4.5 * (2.0 * things).sqrt()
    }

    #[test]
    fn every_item_is_drawn_equally_often_however_large_its_list_is() {
        const SEEDS: u64 = 600;
        let items = skewed();
        let ask = |seed| SampleAsk { items: 100, seed };
        let probability = 150.0 / items.len() as f64;
        let mut of_item = vec![(0, SEEDS as f64); items.len()];
        let mut of_list = [(0, 0.0); 10];
        for seed in 0..SEEDS {
            let draw = Draw::of(ask(seed), items.len() as u64);
            for ((list, address), of_item) in items.iter().zip(&mut of_item) {
                let drawn = u64::from(draw.has(address));
                of_item.0 += drawn;
                of_list[*list].0 += drawn;
                of_list[*list].1 += 1.0;
            }
        }
        let chi = chi_square(&of_item, probability);
        assert!(is_usual(chi, items.len()), "{chi} of items");
        let chi = chi_square(&of_list, probability);
        assert!(is_usual(chi, of_list.len()), "{chi} of lists: {of_list:?}");
        // a draw that prefers items of small lists is noticed
        let unfair: Vec<_> =
            of_list.iter().enumerate().map(|(list, of)| (of.0 - of.0 * list as u64 / 90, of.1)).collect();
        assert!(!is_usual(chi_square(&unfair, probability), of_list.len()), "{unfair:?}");
    }

    #[test]
    fn a_sample_is_hardly_ever_smaller_than_what_was_asked_for() {
        let items: Vec<Address> = (0..20_000_u32)
            .map(|item| Address { row: Bytes::copy_from_slice(&item.to_be_bytes()), cell: None })
            .collect();
        for seed in 0..20 {
            let draw = Draw::of(SampleAsk { items: 1_000, seed }, items.len() as u64);
            let drawn = items.iter().filter(|address| draw.has(address)).count();
            assert!((1_000..1_350).contains(&drawn), "{drawn}");
        }
        assert!(Draw::of(SampleAsk { items: 1_000, seed: 1 }, 1_000).is_all());
        assert!(Draw::of(SampleAsk { items: 1, seed: 1 }, 0).is_all());
    }

    fn verify(world: &World, sample: Option<SampleAsk>) -> VerifyReport {
        let mut verification = world.verification(true);
        verification.settings.sample = sample;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async { full(&verification).await.unwrap() })
    }

    fn filled(world: World) -> World {
        for (followee, follower) in (0..5).flat_map(|list| (0..60).map(move |item| (list, item))) {
            world.change((followee, follower), Some(edge(followee, follower, follower as i64, Some("note"))));
        }
        world
    }

    #[test]
    fn a_sample_of_equal_sides_is_equal_and_gives_a_bound() {
        for world in [World::new(), World::of(other_layouts())] {
            let world = filled(world);
            let report = verify(&world, Some(SampleAsk { items: 40, seed: 7 }));
            assert_eq!((report.exit(), report.equal), (Exit::Done, true), "{report}");
            for target in &report.targets {
                let share = target.share;
                assert!(
                    (40..120).contains(&share.compared) && share.compared == target.items_compared,
                    "{report}"
                );
                assert!(
                    !share.is_all && share.bound > 0.02 && share.missing_for_six_nines > 2_000_000,
                    "{share:?}"
                );
                assert_eq!((target.mysql_rows_counted, target.hbase_items_scanned), (300, 300), "{report}");
            }
            let all = verify(&world, Some(SampleAsk { items: 300, seed: 7 }));
            assert!(
                all.targets.iter().all(|target| target.share.is_all && target.share.compared == 300),
                "{all}"
            );
        }
    }

    /// 50 items are missing, 50 extra, and 50 have another cell, of 350 on both sides.
    #[test]
    fn the_share_of_a_sample_is_that_of_all_items_on_both_sides() {
        let world = filled(World::new());
        let target = world.mapping.targets[0].clone();
        let address = |row: &crate::model::Row| {
            crate::sink::layout::Codec::of(&world.mapping, &target).address(row).unwrap().row
        };
        let note = || vec![(Bytes::from("note"), Bytes::from("other"))];
        for follower in 0..50 {
            world.lose(&target, &edge(0, follower, follower as i64, None));
            world.write(&target, address(&edge(1, follower, follower as i64, None)), note(), vec![]);
            world.write(&target, address(&edge(9, follower, 1, None)), note(), vec![]);
        }
        let (mut compared, mut confirmed, mut above) = (0, 0, 0);
        for seed in 0..40 {
            let report = verify(&world, Some(SampleAsk { items: 60, seed }));
            assert_eq!((report.judged, report.unexplained), (true, 0), "{report}");
            let share = report.targets[0].share;
            assert_eq!(report.targets[1].share.confirmed, 0, "{report}");
            compared += share.compared;
            confirmed += share.confirmed;
            above += u64::from(share.bound < 150.0 / 350.0);
        }
        let (share, truth) = (confirmed as f64 / compared as f64, 150.0 / 350.0);
        let deviation = (truth * (1.0 - truth) / compared as f64).sqrt();
        assert!(
            (share - truth).abs() < 4.0 * deviation,
            "{confirmed} of {compared}: {share}, and not {truth}"
        );
        assert!(above <= 6, "the bound was too low {above} times of 40");
    }
}
