//! Isolation from panics in code that reads foreign bytes and is not ours.

use crate::isolation::caught;

/// Runs `read`; a panic in it becomes an error. mysql_common indexes into event bytes without
/// looking (0.37), which a damaged event would turn into the end of the process.
pub fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    caught(read).unwrap_or_else(|_| Err("the decoder of tailfill panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let out_of_bounds: &[u8] = &[];
        assert!(guarded(|| Ok(out_of_bounds[std::hint::black_box(3)])).is_err());
        assert_eq!(guarded(|| Ok(1)), Ok(1));
    }
}
