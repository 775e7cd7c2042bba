//! The mechanisms of the protocol, each of which can be turned off.

/// One mechanism. Its story is what an explorer finds with it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    SafeMark,
    MarkBeforeSelect,
    StartFromExecuted,
    StartWithoutHole,
    HalfSealedInProof,
    ProofByContainment,
    Fence,
    MarkAfterJoining,
    CoalescingByAddress,
    DeletesOfOwnInserts,
    IntermediateAddresses,
    NullMarkers,
    NoMarkerBesidePut,
    JournalFirst,
    IdenticalReplay,
    OwnerFence,
    CheckpointAfterWrite,
    CheckpointMovesBack,
    ResumeBehindRead,
    SkippedIsCopied,
    RecopyBehindTail,
    DoneAfterWrite,
    MarkersOutlive,
    ExtrasDeleted,
    LateWriteHorizon,
    RecopyUnderFreshMark,
    ScanAfterWrites,
    CellsWithCount,
    DeltaCompared,
    CountAfterCopy,
    CountMovesTick,
    MarkOfCounts,
    BinlogReadForVerdict,
    DefinitionByPosition,
    DefinitionAfterCommit,
    DefinitionLookedAhead,
    DefinitionBeforeRows,
    BytesOfBoth,
    ParkingStored,
    WireChecked,
    PassedAltersCount,
    MarkAfterEntry,
}

impl Mechanism {
    /// What holds, and what is done instead with the mechanism off.
    pub fn says(self) -> (&'static str, &'static str) {
        use Mechanism::*;
        match self {
            SafeMark => {
                ("a chunk writes with a mark that is safe (I3)", "a mark is used as soon as it is taken")
            }
            MarkBeforeSelect => (
                "the mark is safe before the SELECT (I3)",
                "the SELECT comes first, and then the newest safe mark is taken",
            ),
            StartFromExecuted => (
                "the tail starts from `gtid_executed`",
                "it starts from SHOW BINARY LOG STATUS, and takes everything before that for committed",
            ),
            StartWithoutHole => {
                ("`gtid_executed` is read again until it has no hole", "the first answer is taken as it is")
            }
            HalfSealedInProof => (
                "a transaction belongs to a mark's set as soon as its first part is sealed",
                "only transactions that are sealed in whole belong to it",
            ),
            ProofByContainment => (
                "a mark is safe when the executed set contains all of its set",
                "the highest numbers are compared",
            ),
            Fence => (
                "a chunk writes at a mark, below every change that its SELECT may have missed",
                "it writes at the time of sending, as a plain put is stamped",
            ),
            MarkAfterJoining => (
                "a list that joins a running tail is copied at a mark taken after it joined",
                "any safe mark will do",
            ),
            CoalescingByAddress => {
                ("a batch is coalesced by target address", "of each source row the last change is sent")
            }
            DeletesOfOwnInserts => (
                "the delete of an item that the batch itself created is sent",
                "an insert and its delete cancel each other out",
            ),
            IntermediateAddresses => (
                "every address that a batch mentions is sent",
                "an address where an item came and went within the batch is left out",
            ),
            NullMarkers => {
                ("a column that an update makes NULL gets a marker", "it is left out of the write")
            }
            NoMarkerBesidePut => (
                "no row gets a family marker and a put at one tick",
                "a delete and an insert of one batch are both sent",
            ),
            JournalFirst => (
                "nothing is sent with a tick before the journal holds it (I2)",
                "batches are sent, and journaled afterwards",
            ),
            IdenticalReplay => (
                "after a crash the journaled batches are cut again, with their ticks (I2)",
                "everything after the checkpoint is cut anew, with new ticks",
            ),
            OwnerFence => {
                ("a predecessor that wakes up cannot journal", "the journal takes entries of anybody")
            }
            CheckpointAfterWrite => (
                "the checkpoint never passes a change that is not written (I5)",
                "it moves as soon as a batch is journaled",
            ),
            CheckpointMovesBack => (
                "a replay with new ticks moves the checkpoint back in the commit that opens it",
                "the checkpoint stays where it was",
            ),
            ResumeBehindRead => (
                "a tail that is resumed continues behind the last transaction that it has read (I5)",
                "it continues from what is committed by then",
            ),
            SkippedIsCopied => (
                "what a skipped transaction may have changed is copied again, at a mark taken after the skip",
                "the tail goes on behind it, and that is all",
            ),
            RecopyBehindTail => (
                "a list that missed a skipped transaction joins again once the tail has passed what was committed before it",
                "it joins as soon as a person asks for it",
            ),
            DoneAfterWrite => {
                ("a chunk is done after its rows are acknowledged", "it is done when they are sent")
            }
            MarkersOutlive => (
                "delete markers outlive every write that could still arrive (I7)",
                "a compaction drops them at any time",
            ),
            ExtrasDeleted => {
                ("a re-copy deletes what HBase has and MySQL has not", "it writes what MySQL has")
            }
            LateWriteHorizon => ("a re-copy starts after the late-write horizon", "it starts at once"),
            RecopyUnderFreshMark => {
                ("a re-copy uses a mark taken after the list is tailed again", "a mark from before will do")
            }
            ScanAfterWrites => {
                ("TRUNCATE's scan begins when all batches below its tick are written", "it begins at once")
            }
            CellsWithCount => (
                "cells, `c:n` and `c:t` of a row are one write that is made where `c:t` is as it was read (I11)",
                "cells and count are two plain puts",
            ),
            DeltaCompared => (
                "a change of the number is compared with `c:t`, as an increment is not",
                "what comes and goes by a batch is added to the number, each time it is sent",
            ),
            CountAfterCopy => (
                "rows are counted when the copy is complete and the tail has written past the source's position of then",
                "the pass does not wait for the tail",
            ),
            CountMovesTick => ("whatever sets `c:n` moves `c:t` to its mark", "`c:t` is left as it was"),
            MarkOfCounts => {
                ("the pass's mark lies above nothing that is not written", "it is the newest tick")
            }
            BinlogReadForVerdict => (
                "a difference counts only when no change of the address, up to the binlog's head, is outside what the SELECT had for sure",
                "the executed set is trusted alone",
            ),
            DefinitionByPosition => (
                "a row is decoded by the definition of its own position",
                "each connection takes the definition that the server has then",
            ),
            DefinitionAfterCommit => (
                "the definition is read once the server has committed the ALTER",
                "it is read as soon as the binlog shows the ALTER",
            ),
            DefinitionLookedAhead => (
                "a definition is believed when the binlog up to its head shows no further statement",
                "it is believed at once",
            ),
            DefinitionBeforeRows => {
                ("a definition is stored before a row is decoded by it", "it is stored some time later")
            }
            BytesOfBoth => (
                "an ALTER is followed when the rows that are there keep their bytes",
                "every ALTER is followed whose definition is known",
            ),
            ParkingStored => {
                ("a parking is stored before the first row is left out", "it is known in this process")
            }
            WireChecked => (
                "a table map must fit the definition of its position",
                "what the table map says is not compared",
            ),
            PassedAltersCount => (
                "a re-copy proves its definition again when the tail has passed an ALTER meanwhile",
                "what the tail passes meanwhile is not looked at",
            ),
            MarkAfterEntry => (
                "a re-copy takes its mark once the tail decodes by the new definition",
                "it takes the mark that was safe when its proof began",
            ),
        }
    }
}
