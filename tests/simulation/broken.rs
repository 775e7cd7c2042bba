//! Broken on purpose.
