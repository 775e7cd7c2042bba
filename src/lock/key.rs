//! The names of leases.

use sha2::{Digest, Sha256};
use std::fmt;

/// A list of a mapping, by the first 16 bytes of the SHA-256 of its encoded list key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId {
    pub mapping: u16,
    pub hash: [u8; 16],
}

impl ListId {
    pub fn new(mapping: u16, list_key: &[u8]) -> ListId {
        let digest = Sha256::digest(list_key);
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        ListId { mapping, hash }
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
    pub fn new(mapping_name: &str, list: ListId) -> LeaseKey {
        LeaseKey(format!("tf1:{mapping_name}:{}", hex::encode(list.hash)))
    }
}
