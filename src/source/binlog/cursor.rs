//! A bounds-checked reader over the bytes of an event: what is not there is `Truncated`, never a panic.

/// The bytes ended before a field did, or a length points outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes end early")]
pub struct Truncated;

/// Reads little-endian fields from the front of `rest`.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Begins with the first byte.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether every byte was taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_le_bytes)
    }

    /// A little-endian integer of 1 to 8 bytes.
    #[inline]
    pub fn uint(&mut self, bytes: usize) -> Result<u64, Truncated> {
        let mut wide = [0; 8];
        wide.get_mut(..bytes).ok_or(Truncated)?.copy_from_slice(self.take(bytes)?);
        Ok(u64::from_le_bytes(wide))
    }

    /// A big-endian integer of 0 to 8 bytes.
    #[inline]
    pub fn uint_be(&mut self, bytes: usize) -> Result<u64, Truncated> {
        let mut wide = [0; 8];
        let from = 8_usize.checked_sub(bytes).ok_or(Truncated)?;
        wide[from..].copy_from_slice(self.take(bytes)?);
        Ok(u64::from_be_bytes(wide))
    }

    /// A length-encoded integer (MySQL client/server protocol, "Integer Types").
    pub fn lenenc(&mut self) -> Result<u64, Truncated> {
        match self.u8()? {
            0xFC => self.uint(2),
            0xFD => self.uint(3),
            0xFE => self.uint(8),
            0xFB | 0xFF => Err(Truncated),
            small => Ok(u64::from(small)),
        }
    }

    /// [`lenenc`](Cursor::lenenc) as a length of something that follows.
    pub fn length(&mut self) -> Result<usize, Truncated> {
        let length = usize::try_from(self.lenenc()?).map_err(|_| Truncated)?;
        if length > self.rest.len() { Err(Truncated) } else { Ok(length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_are_read_and_missing_bytes_are_an_error() {
        let mut cursor = Cursor::new(&[1, 2, 3, 0xFC, 1, 1, 9, 9]);
        assert_eq!(cursor.uint(3), Ok(0x03_02_01));
        assert_eq!(cursor.lenenc(), Ok(0x0101));
        assert_eq!(cursor.uint_be(2), Ok(0x0909));
        assert_eq!(cursor.uint_be(0), Ok(0));
        assert_eq!(cursor.u8(), Err(Truncated));
        assert_eq!(Cursor::new(&[5, 1]).length(), Err(Truncated));
        assert_eq!(Cursor::new(&[0; 20]).uint(9), Err(Truncated));
    }
}
