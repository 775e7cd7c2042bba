//! What becomes durable together, where it lies, and what can go wrong.

/// The rooms of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Schema version, run id, highest tick, configuration fingerprint.
    Meta,
    /// Ticks and what they cover; key: the tick, 8 bytes big-endian.
    Journal,
    /// Durable positions; key: (source).
    Checkpoint,
    /// Chunk plan and progress; key: (source, mapping, cohort, target, chunk number).
    Chunk,
    /// Life cycle; key: (source, mapping, cohort, target).
    LifeCycle,
    /// How far the counts of a copy are; key: as for the life cycle.
    Counts,
    /// History: verification, positions.
    History,
    /// The definitions of source tables by position; key: (source, schema, table).
    Definitions,
}

impl Space {
    /// Every space, for stores that open one table for each.
    pub const ALL: [Space; 8] = [
        Space::Meta,
        Space::Journal,
        Space::Checkpoint,
        Space::Chunk,
        Space::LifeCycle,
        Space::Counts,
        Space::History,
        Space::Definitions,
    ];

    /// The table's name in an embedded store.
    pub fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Journal => "journal",
            Space::Checkpoint => "checkpoint",
            Space::Chunk => "chunk",
            Space::LifeCycle => "life_cycle",
            Space::Counts => "counts",
            Space::History => "history",
            Space::Definitions => "definitions",
        }
    }
}

/// A record to write: its space, key and bytes.
pub type Put = (Space, Vec<u8>, Vec<u8>);

/// Changes that become durable together, if every expectation holds.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What each key must hold now (`None`: nothing).
    pub expect: Vec<(Space, Vec<u8>, Option<Vec<u8>>)>,
    /// Written after the deletes.
    pub put: Vec<(Space, Vec<u8>, Vec<u8>)>,
    /// A key that is not there stays absent.
    pub delete: Vec<(Space, Vec<u8>)>,
    /// Deletes every key of the space in `first..=last`.
    pub delete_range: Vec<(Space, Vec<u8>, Vec<u8>)>,
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the state in {place} is in use by another tailfill")]
    Locked {
        /// The folder or file.
        place: String,
    },
    /// No command has created it yet.
    #[error("there is no state in {place} yet")]
    Missing {
        /// The folder.
        place: String,
    },
    /// Reading or writing failed (disk full).
    #[error("the state in {place}: {reason}")]
    Io {
        /// The folder or file.
        place: String,
        /// In the words of the operating system or of redb.
        reason: String,
    },
    /// The file is not what was written (its end is missing, bytes changed).
    #[error("the state in {place} is damaged: {reason}")]
    Damaged {
        /// The folder or file.
        place: String,
        /// In redb's words.
        reason: String,
    },
    /// A record is not what this version writes.
    #[error("a record of the state is damaged or from another version: {reason}")]
    Record {
        /// What about its bytes or its version.
        reason: String,
    },
}

/// Whether a commit was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is durable.
    Committed,
    /// An expectation did not hold; nothing was changed.
    Refused,
}

impl Outcome {
    /// All of it is durable.
    ///
    /// # Errors
    /// An expectation did not hold, as when another owner has the state.
    pub fn taken(self) -> Result<(), StoreError> {
        match self {
            Outcome::Committed => Ok(()),
            Outcome::Refused => Err(StoreError::Record { reason: "another owner changed the state".into() }),
        }
    }
}
