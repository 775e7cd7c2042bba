//! Digests of sets of rows, by which two whole tables are proven equal with one scan of each.
//!
//! The rows are spread over partitions by a checksum of their row key. A partition's digest is the sum,
//! modulo 2^128, of the first 16 bytes of SHA-256 of each row: independent of the order of rows, and of a
//! fixed size whatever their number. A sum and not an exclusive or, in which a row seen twice would vanish.
//! Two sets that differ in a partition have the same digest with a probability of 2^-128.

use sha2::{Digest as _, Sha256};

/// Rows that differ point to one partition each, so that among 200,000 rows about three are looked at again
/// for each of them. 1 MiB a digest.
pub const PARTITIONS: usize = 1 << 16;

/// The digest of a set of rows.
pub struct SetDigest {
    sums: Box<[u128]>,
    rows: u64,
}

/// The partitions in which two sets differ.
pub struct Suspects {
    partitions: Box<[bool]>,
}

impl SetDigest {
    pub fn new() -> SetDigest {
        SetDigest { sums: vec![0; PARTITIONS].into_boxed_slice(), rows: 0 }
    }

    /// Takes in a row: its key and its cells, as [`compare::cells`](super::compare::cells) lists them.
    pub fn add(&mut self, row: &[u8], cells: &[(&[u8], &[u8])]) {
        let sum = &mut self.sums[partition(row)];
        *sum = sum.wrapping_add(row_hash(row, cells));
        self.rows += 1;
    }

    /// How many rows were taken in.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn differing(&self, other: &SetDigest) -> Suspects {
        Suspects { partitions: self.sums.iter().zip(&other.sums).map(|(a, b)| a != b).collect() }
    }
}

impl Suspects {
    pub fn any(&self) -> bool {
        self.partitions.contains(&true)
    }

    pub fn has(&self, row: &[u8]) -> bool {
        self.partitions[partition(row)]
    }
}

fn partition(row: &[u8]) -> usize {
    crc32fast::hash(row) as usize % PARTITIONS
}

/// Every part with its length, so that no two rows are hashed from the same bytes.
pub fn row_hash(row: &[u8], cells: &[(&[u8], &[u8])]) -> u128 {
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

    fn digest(rows: &[&[u8]]) -> SetDigest {
        let mut digest = SetDigest::new();
        for row in rows {
            digest.add(row, &[(b"q", b"v")]);
        }
        digest
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_their_number_does() {
        let two = digest(&[b"a", b"b"]);
        assert!(!two.differing(&digest(&[b"b", b"a"])).any());
        assert_eq!(two.rows(), 2);
        for others in [&[&b"a"[..]][..], &[], &[b"a", b"b", b"b"], &[b"a", b"b", b"b", b"b"], &[b"a", b"c"]] {
            assert!(two.differing(&digest(others)).any());
        }
    }

    #[test]
    fn only_the_partition_of_a_row_that_differs_is_suspect() {
        let suspects = digest(&[b"a", b"b"]).differing(&digest(&[b"a"]));
        assert!(suspects.has(b"b"));
        assert!(!suspects.has(b"a"));
    }

    #[test]
    fn bytes_do_not_move_between_key_qualifier_and_value() {
        let rows: [(&[u8], &[u8], &[u8]); 4] =
            [(b"ab", b"", b""), (b"a", b"b", b""), (b"a", b"", b"b"), (b"", b"ab", b"")];
        let hashes: std::collections::BTreeSet<u128> =
            rows.iter().map(|(row, qualifier, value)| row_hash(row, &[(qualifier, value)])).collect();
        assert_eq!(hashes.len(), rows.len());
    }
}
