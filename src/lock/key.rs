//! The names of leases.

use sha2::{Digest, Sha256};
use std::fmt;
use std::hash::{Hash, Hasher};

/// What every lease's key begins with.
const PREFIX: &str = "tf1:";

/// A list of a mapping, by the first 16 bytes of the SHA-256 of its encoded list key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListId {
    /// [`MappingId`](crate::model::MappingId) of the run.
    pub mapping: u16,
    /// The first 16 bytes of the SHA-256 of the encoded list key.
    pub hash: [u8; 16],
}

impl ListId {
    /// `list_key`: as the sink encodes it at the start of a row key, without the salt.
    pub fn new(mapping: u16, list_key: &[u8]) -> ListId {
        let digest = Sha256::digest(list_key);
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        ListId { mapping, hash }
    }
}

/// Hash maps take a part of the hash that is there already.
impl Hash for ListId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (half, _) = self.hash.split_first_chunk().expect("16 bytes hold 8");
        state.write_u64(u64::from_le_bytes(*half) ^ u64::from(self.mapping));
    }
}

impl fmt::Debug for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.mapping, hex::encode(self.hash))
    }
}

/// The Memcache key of a list's lease: `tf1:MAPPING:` and the 32 hex digits of its hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseKey(pub String);

impl LeaseKey {
    /// The same bytes as [`KeyNames`] gives; other programs that take part in leases build them like this.
    pub fn new(mapping_name: &str, list: ListId) -> LeaseKey {
        LeaseKey(format!("{PREFIX}{mapping_name}:{}", hex::encode(list.hash)))
    }
}

/// What the keys of each mapping's lists begin with.
#[derive(Clone, Debug)]
pub struct KeyNames {
    /// `tf1:MAPPING:`, by [`ListId::mapping`].
    prefixes: Vec<String>,
}

impl KeyNames {
    /// `names`: the mappings' names by [`ListId::mapping`].
    pub fn new(names: impl IntoIterator<Item = impl fmt::Display>) -> KeyNames {
        KeyNames { prefixes: names.into_iter().map(|name| format!("{PREFIX}{name}:")).collect() }
    }

    /// The keys of the lists' leases.
    pub fn of<'a>(&'a self, lists: &'a [ListId]) -> LeaseKeys<'a> {
        LeaseKeys { names: self, lists }
    }
}

/// The keys of some lists' leases, in order; written where they are needed, because there are thousands of
/// them in a call. A list of a mapping without a name panics.
#[derive(Clone, Copy, Debug)]
pub struct LeaseKeys<'a> {
    names: &'a KeyNames,
    lists: &'a [ListId],
}

impl<'a> LeaseKeys<'a> {
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Writes the key in this place behind what `out` holds.
    pub fn put(&self, place: usize, out: &mut Vec<u8>) {
        let list = &self.lists[place];
        let mut digits = [0; 32];
        hex::encode_to_slice(list.hash, &mut digits).expect("16 bytes are 32 digits");
        out.extend_from_slice(self.names.prefixes[usize::from(list.mapping)].as_bytes());
        out.extend_from_slice(&digits);
    }

    /// Allocates each key; the client of Memcache writes with [`LeaseKeys::put`] instead.
    pub fn iter(self) -> impl Iterator<Item = LeaseKey> + 'a {
        self.lists.iter().map(move |list| {
            let prefix = &self.names.prefixes[usize::from(list.mapping)];
            LeaseKey(format!("{prefix}{}", hex::encode(list.hash)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_same_whichever_way_it_is_written() {
        let names = KeyNames::new(["followers", "orders"]);
        let lists = [ListId::new(1, b"a"), ListId::new(0, b"b")];
        let keys = names.of(&lists);
        let expected = [LeaseKey::new("orders", lists[0]), LeaseKey::new("followers", lists[1])];
        assert!(keys.iter().eq(expected.iter().cloned()));
        for (place, key) in expected.iter().enumerate() {
            let mut out = b"mg ".to_vec();
            keys.put(place, &mut out);
            assert_eq!(out, format!("mg {}", key.0).into_bytes());
        }
    }

    #[test]
    fn a_key_is_what_other_programs_compute() {
        // the first 32 digits of `printf 42 | sha256sum`
        let expected = "tf1:followers:73475cb40a568e8da8a045ced110137e";
        assert_eq!(LeaseKey::new("followers", ListId::new(0, b"42")).0, expected);
    }
}
