//! Digests of sets of items, by which two whole tables are proven equal with one scan of each.
//!
//! The items are spread over partitions by a checksum of their address. A partition's digest is the sum,
//! modulo 2^128, of the first 16 bytes of SHA-256 of each item: independent of the order of items, and of a
//! fixed size whatever their number. A sum and not an exclusive or, in which an item seen twice would vanish.
//! Two sets that differ in a partition have the same digest with a probability of 2^-128.

use super::sample::Draw;
use crate::sink::layout::Address;
use sha2::{Digest as _, Sha256};

/// Items that differ point to one partition each, so that among 200,000 items about three are looked at again
/// for each of them. 1.25 MiB a digest.
pub const PARTITIONS: usize = 1 << 16;

/// The digest of a set of items.
#[derive(Clone)]
pub struct SetDigest {
    draw: Draw,
    sums: Box<[u128]>,
    /// How many items each partition has.
    counts: Box<[u32]>,
    items: u64,
}

/// Partitions that are worth a closer look: of items, or of rows that items share.
#[derive(Clone)]
pub struct Suspects {
    draw: Draw,
    partitions: Box<[bool]>,
}

impl SetDigest {
    /// Of those items that are drawn.
    pub fn of(draw: Draw) -> SetDigest {
        let (sums, counts) = (vec![0; PARTITIONS].into_boxed_slice(), vec![0; PARTITIONS].into_boxed_slice());
        SetDigest { draw, sums, counts, items: 0 }
    }

    /// Takes in an item, where it is drawn: its address and its cells, as [`compare::cells`](crate::compare::difference::cells) lists them.
    pub fn add(&mut self, address: &Address, cells: &[(&[u8], &[u8])]) {
        if !self.draw.has(address) {
            return;
        }
        let at = partition_of(address);
        self.sums[at] = self.sums[at].wrapping_add(item_hash(&address.row, cells));
        self.counts[at] = self.counts[at].saturating_add(1);
        self.items += 1;
    }

    /// Appends the partitions that hold something: their number, and of each its number (2 bytes), sum (16) and count (4),
    /// big-endian.
    pub fn write(&self, to: &mut Vec<u8>) {
        let is_used = |at: &usize| self.sums[*at] != 0 || self.counts[*at] != 0;
        let used = || (0..PARTITIONS).filter(is_used);
        to.extend((used().count() as u32).to_be_bytes());
        for at in used() {
            to.extend((at as u16).to_be_bytes());
            to.extend(self.sums[at].to_be_bytes());
            to.extend(self.counts[at].to_be_bytes());
        }
        to.extend(self.items.to_be_bytes());
    }

    /// What [`SetDigest::write`] has written of all items, from the beginning of `bytes`, which it takes away; `None`: they
    /// are no such thing.
    pub fn read(bytes: &mut &[u8]) -> Option<SetDigest> {
        let mut digest = SetDigest::of(Draw::ALL);
        for _ in 0..take(bytes).map(u32::from_be_bytes)? {
            let at = usize::from(take(bytes).map(u16::from_be_bytes)?);
            digest.sums[at] = take(bytes).map(u128::from_be_bytes)?;
            digest.counts[at] = take(bytes).map(u32::from_be_bytes)?;
        }
        digest.items = take(bytes).map(u64::from_be_bytes)?;
        Some(digest)
    }

    /// How many items were taken in.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// How many items each partition has more than in `other`.
    pub fn surplus(&self, other: &SetDigest) -> Box<[i64]> {
        self.counts.iter().zip(&other.counts).map(|(a, b)| i64::from(*a) - i64::from(*b)).collect()
    }

    /// Partitions whose digests are not the same.
    pub fn differing(&self, other: &SetDigest) -> Suspects {
        let partitions = self.sums.iter().zip(&other.sums).map(|(a, b)| a != b).collect();
        Suspects { draw: self.draw, partitions }
    }
}

impl Suspects {
    pub fn none() -> Suspects {
        Suspects { draw: Draw::ALL, partitions: vec![false; PARTITIONS].into_boxed_slice() }
    }

    pub fn any(&self) -> bool {
        self.partitions.contains(&true)
    }

    /// Whether an item is drawn, and its partition suspect.
    pub fn has(&self, address: &Address) -> bool {
        self.partitions[partition_of(address)] && self.draw.has(address)
    }

    /// Their numbers.
    pub fn each(&self) -> impl Iterator<Item = usize> {
        self.partitions.iter().enumerate().filter_map(|(at, is_suspect)| is_suspect.then_some(at))
    }

    /// Partitions by their numbers. Those that are none are left out.
    pub fn of(partitions: impl IntoIterator<Item = usize>) -> Suspects {
        let mut suspects = Suspects::none();
        let places = partitions.into_iter();
        places.for_each(|at| _ = suspects.partitions.get_mut(at).map(|is_suspect| *is_suspect = true));
        suspects
    }

    /// Makes the partition of a row suspect.
    pub fn mark_row(&mut self, row: &[u8]) {
        self.partitions[partition(row, None)] = true;
    }

    pub fn has_row(&self, row: &[u8]) -> bool {
        self.partitions[partition(row, None)]
    }
}

/// The first bytes, which are taken away; `None`: there are fewer.
pub fn take<const BYTES: usize>(bytes: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

/// The partition of an item, below [`PARTITIONS`].
pub fn partition_of(address: &Address) -> usize {
    partition(&address.row, address.cell.as_deref())
}

fn partition(row: &[u8], cell: Option<&[u8]>) -> usize {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(row);
    checksum.update(cell.unwrap_or_default());
    checksum.finalize() as usize % PARTITIONS
}

/// Every part with its length, so that no two items are hashed from the same bytes. In the wide layout the rest of
/// the address is the name of the only cell.
pub fn item_hash(row: &[u8], cells: &[(&[u8], &[u8])]) -> u128 {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(row);
    for (qualifier, value) in cells {
        part(qualifier);
        part(value);
    }
    let whole = hash.finalize();
    whole[..16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::difference::tests::{stored, write};
    use crate::compare::difference::{difference, expected_cells, stored_cells};
    use proptest::prelude::*;

    fn tall(row: &'static [u8]) -> Address {
        Address { row: row.into(), cell: None }
    }

    fn digest(rows: &[&'static [u8]]) -> SetDigest {
        let mut digest = SetDigest::of(Draw::ALL);
        for row in rows {
            digest.add(&tall(row), &[(b"q", b"v")]);
        }
        digest
    }

    #[test]
    fn the_order_of_items_does_not_matter_and_their_number_does() {
        let two = digest(&[b"a", b"b"]);
        assert!(!two.differing(&digest(&[b"b", b"a"])).any());
        assert_eq!(two.items(), 2);
        for others in [&[&b"a"[..]][..], &[], &[b"a", b"b", b"b"], &[b"a", b"b", b"b", b"b"], &[b"a", b"c"]] {
            assert!(two.differing(&digest(others)).any());
        }
    }

    #[test]
    fn only_the_partition_of_an_item_that_differs_is_suspect() {
        let suspects = digest(&[b"a", b"b"]).differing(&digest(&[b"a"]));
        assert!(suspects.has(&tall(b"b")));
        assert!(!suspects.has(&tall(b"a")));
    }

    #[test]
    fn the_items_of_one_row_are_spread_too() {
        let wide = |cell: &'static [u8]| Address { row: b"r"[..].into(), cell: Some(cell.into()) };
        let digest = |cells: &[&'static [u8]]| {
            let mut digest = SetDigest::of(Draw::ALL);
            cells.iter().for_each(|cell| digest.add(&wide(cell), &[(cell, b"v")]));
            digest
        };
        let suspects = digest(&[b"a", b"b"]).differing(&digest(&[b"a"]));
        assert!(suspects.has(&wide(b"b")));
        assert!(!suspects.has(&wide(b"a")));
        let mut rows = Suspects::none();
        rows.mark_row(b"r");
        assert!(rows.any() && rows.has_row(b"r") && !rows.has_row(b"s"));
    }

    #[test]
    fn bytes_do_not_move_between_key_qualifier_and_value() {
        let rows: [(&[u8], &[u8], &[u8]); 4] =
            [(b"ab", b"", b""), (b"a", b"b", b""), (b"a", b"", b"b"), (b"", b"ab", b"")];
        let hashes: std::collections::BTreeSet<u128> =
            rows.iter().map(|(row, qualifier, value)| item_hash(row, &[(qualifier, value)])).collect();
        assert_eq!(hashes.len(), rows.len());
    }

    fn some_cells() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
        let names = proptest::sample::subsequence(vec!["", "a", "b", "ab"], 1..=4);
        let values = proptest::collection::vec(proptest::sample::select(vec!["", "a", "b"]), 4);
        (names, values).prop_map(|(names, values)| names.into_iter().zip(values).collect())
    }

    proptest! {
        #[test]
        fn rows_hash_alike_exactly_when_they_do_not_differ(expected in some_cells(), in_hbase in some_cells()) {
            let expected: Vec<_> = expected.into_iter().filter(|(name, _)| !name.is_empty()).collect();
            let (write, stored) = (write(&expected), stored(&in_hbase));
            let hashes = (item_hash(b"r", &expected_cells(&write)), item_hash(b"r", &stored_cells(&stored)));
            prop_assert_eq!(difference(Some(&write), Some(&stored)).is_none(), hashes.0 == hashes.1);
        }
    }
}
