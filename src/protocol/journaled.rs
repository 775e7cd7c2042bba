//! The right to send something, as a type.

/// Something whose tick is durably journaled: the only thing that may be sent.
#[derive(Clone, Debug)]
pub struct Journaled<T>(T);

impl<T> Journaled<T> {
    /// For this room only: whoever calls it holds the proof.
    pub(super) fn with_proof(content: T) -> Journaled<T> {
        Journaled(content)
    }

    /// To read; what was proven about it stays with the whole.
    pub fn get(&self) -> &T {
        &self.0
    }
}
