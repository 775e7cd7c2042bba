//! What must hold of the whole tree, or of several rooms at once.

pub mod advice;
pub mod arrows;
pub mod causes;
pub mod comparison;
pub mod imports;
pub mod package;
pub mod positions;
pub mod promises;
pub mod words;
