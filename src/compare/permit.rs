//! The right to read a piece of either side: whoever reads in bulk asks for it before each piece, and holds nothing
//! meanwhile that anybody else waits for.

/// Hears how many rows were read with a permit.
pub trait Settle: Send {
    /// So many rows were read, possibly none.
    fn used(self: Box<Self>, rows: u64);
}

/// The right to read some rows, or items. Dropped unused, it takes nothing from others.
pub struct ReadPermit {
    /// How many to read at once: at least 1.
    pub rows: usize,
    from: Option<Box<dyn Settle>>,
}

impl ReadPermit {
    /// Nobody limits the reader.
    pub fn free(rows: usize) -> ReadPermit {
        ReadPermit { rows, from: None }
    }

    /// Some rows, from somebody who wants to know what was read.
    pub fn from(rows: usize, from: Box<dyn Settle>) -> ReadPermit {
        ReadPermit { rows: rows.max(1), from: Some(from) }
    }

    /// So many rows were read with it.
    pub fn used(self, rows: usize) {
        if let Some(from) = self.from {
            from.used(rows as u64);
        }
    }
}
