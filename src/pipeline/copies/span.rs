//! Spans: consecutive chunks whose rows are written in the order of HBase's row keys instead of MySQL's.
//!
//! A salt spreads the rows of a chunk over all regions, and what HBase pays for a call grows with the regions
//! that it touches. So the lists of many chunks are put in the order of their HBase rows, and taken from there
//! in *parts*, each about as many rows as a chunk has: the rows of a part lie in one or two regions, while the
//! leases that it needs are still those of a chunk's worth of rows. A span's chunks are done when all of its
//! parts are (I8).
//!
//! Pure: no tasks, no time, nothing that waits.

use crate::lock::ListId;
use crate::model::{Mapping, Value};
use crate::pipeline::copies::chunks::Chunk;
use crate::source::KeyRange;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What is copied together at least.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The lists that it is known to have rows of.
    pub lists: BTreeSet<ListId>,
    pub what: PieceRows,
    /// Rows, about.
    pub rows: u64,
    /// How often it was put off because a list of it was busy.
    pub put_off: u32,
}

/// How often a piece is put off before it waits for its lists.
const PUT_OFF_MAX: u32 = 3;

impl Piece {
    /// Whether it was put off so often that it waits for its lists now.
    pub fn waits(&self) -> bool {
        self.put_off >= PUT_OFF_MAX
    }

    /// Whether the rows of both are read together.
    pub fn reads_with(&self, other: &Piece) -> bool {
        match (&self.what, &other.what) {
            (PieceRows::OfList { range, .. }, PieceRows::OfList { range: other, .. }) => range == other,
            _ => false,
        }
    }

    /// Whether it is of a list that a scan has shown.
    pub fn is_list(&self) -> bool {
        matches!(self.what, PieceRows::OfList { .. })
    }

    /// The key of the one list that it is of.
    pub fn list_key(&self) -> Option<&[Value]> {
        match &self.what {
            PieceRows::OfList { key, .. } | PieceRows::List { key, .. } => Some(key),
            PieceRows::Range(_) => None,
        }
    }
}

/// The rows of a piece.
#[derive(Clone, Debug, PartialEq)]
pub enum PieceRows {
    /// Those that one list has in a range of primary keys.
    OfList { key: Vec<Value>, range: Arc<KeyRange> },
    /// All in a range of primary keys, whatever their lists: where the primary key does not begin with the
    /// list key.
    Range(KeyRange),
    /// Those that one list of a pilot has in a range.
    List { key: Vec<Value>, range: KeyRange },
}

/// A list in a span's range.
#[derive(Clone, Debug, PartialEq)]
pub struct ListSize {
    pub list: ListId,
    pub key: Vec<Value>,
    /// What its HBase rows begin with.
    pub prefix: Bytes,
    pub rows: u64,
}

/// The pieces of consecutive `chunks` in the order of their HBase rows. A list with more than `rows_max` rows is
/// cut where a chunk ends inside it, so that its lease is given back in between.
///
/// Together they are all rows that `lists` have from the first chunk's beginning to the last one's end: the cuts
/// of a list are consecutive bounds, whichever of them are found.
pub fn pieces_by_list(
    mapping: &Mapping,
    chunks: &[KeyRange],
    mut lists: Vec<ListSize>,
    rows_max: u64,
) -> VecDeque<Piece> {
    lists.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    let whole = Arc::new(joined(chunks));
    let mut pieces = VecDeque::with_capacity(lists.len());
    for ListSize { list, key, rows, .. } in lists {
        let ranges = match rows > rows_max {
            true => cut(mapping, chunks, &whole, &key),
            false => vec![whole.clone()],
        };
        let rows = rows.div_ceil(ranges.len() as u64);
        pieces.extend(ranges.into_iter().map(|range| Piece {
            lists: [list].into(),
            what: PieceRows::OfList { key: key.clone(), range },
            rows,
            put_off: 0,
        }));
    }
    pieces
}

/// From the first chunk's beginning to the last one's end.
pub fn joined(chunks: &[KeyRange]) -> KeyRange {
    KeyRange {
        after: chunks.first().and_then(|chunk| chunk.after.clone()),
        up_to: chunks.last().and_then(|chunk| chunk.up_to.clone()),
    }
}

/// The range `whole` of `chunks`, cut at those of their ends that lie in the list.
fn cut(mapping: &Mapping, chunks: &[KeyRange], whole: &KeyRange, key: &[Value]) -> Vec<Arc<KeyRange>> {
    let inner = chunks.split_last().map_or(&[][..], |(_, inner)| inner);
    let in_list =
        |end: &&Vec<Value>| mapping.list_of_primary_key(end).is_some_and(|of| of.into_iter().eq(key.iter()));
    let mut after = whole.after.clone();
    let mut ranges = Vec::new();
    for end in inner.iter().filter_map(|chunk| chunk.up_to.as_ref()).filter(in_list) {
        let range = KeyRange { after: after.replace(end.clone()), up_to: Some(end.clone()) };
        ranges.push(Arc::new(range));
    }
    ranges.push(Arc::new(KeyRange { after, up_to: whole.up_to.clone() }));
    ranges
}

/// Pieces that a worker copies together.
#[derive(Debug)]
pub struct Part {
    span: u64,
    pub pieces: Vec<Piece>,
}

impl Part {
    pub fn lists(&self) -> BTreeSet<ListId> {
        self.pieces.iter().flat_map(|piece| &piece.lists).copied().collect()
    }

    /// Whether it waits for its lists, and stands in the queue for them.
    pub fn waits(&self) -> bool {
        self.pieces.iter().any(Piece::waits)
    }

    /// Its rows, about.
    pub fn rows(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.rows).sum()
    }
}

/// The spans of one copy that are begun and not done.
#[derive(Debug, Default)]
pub struct Spans {
    spans: BTreeMap<u64, Span>,
    next_number: u64,
    /// Lists of parts that were taken, so that workers do not queue for each other's.
    taken: BTreeSet<ListId>,
}

#[derive(Debug)]
struct Span {
    chunks: Vec<Chunk>,
    waiting: VecDeque<Piece>,
    parts_taken: usize,
    rows: u64,
}

/// A span whose last part is copied.
#[derive(Debug, PartialEq)]
pub struct SpanDone {
    pub chunks: Vec<Chunk>,
    /// Rows copied.
    pub rows: u64,
}

impl Spans {
    /// Begins a span. One without pieces is done at once.
    pub fn add(&mut self, chunks: Vec<Chunk>, pieces: VecDeque<Piece>) -> Option<SpanDone> {
        if pieces.is_empty() {
            return Some(SpanDone { chunks, rows: 0 });
        }
        self.spans.insert(self.next_number, Span { chunks, waiting: pieces, parts_taken: 0, rows: 0 });
        self.next_number += 1;
        None
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Spans with something to take now.
    pub fn ready(&self) -> usize {
        self.spans.values().filter(|span| span.waiting.iter().any(|piece| self.is_free(piece))).count()
    }

    /// Pieces of the oldest span that has some, with about `rows_max` rows (one piece, if that has more), in the
    /// order of their HBase rows; none of a list that another part has. One that waits for its lists comes alone: all lists
    /// of its part are kept from others meanwhile.
    pub fn take(&mut self, rows_max: u64) -> Option<Part> {
        let Spans { spans, taken, .. } = self;
        for (number, span) in spans.iter_mut() {
            let pieces = span.take(taken, rows_max);
            if !pieces.is_empty() {
                span.parts_taken += 1;
                let part = Part { span: *number, pieces };
                taken.append(&mut part.lists());
                return Some(part);
            }
        }
        None
    }

    /// Gives a part back that was not copied. What was put off is taken after all others of its span. The span, when nothing
    /// was left of the part, and others have copied the rest meanwhile.
    pub fn give_back(&mut self, part: Part) -> Option<SpanDone> {
        self.free(&part);
        let span = self.spans.get_mut(&part.span).expect("a span lasts as long as its parts");
        span.parts_taken -= 1;
        let number = part.span;
        for piece in part.pieces.into_iter().rev() {
            match piece.put_off {
                0 => span.waiting.push_front(piece),
                _ => span.waiting.push_back(piece),
            }
        }
        self.end(number)
    }

    /// Puts off those pieces of a part that were not `granted`, by their places: others of the span come first.
    pub fn put_off(&mut self, part: &mut Part, granted: &[bool]) {
        let mut granted = granted.iter();
        let is_granted = |_: &Piece| granted.next().copied().unwrap_or(false);
        let (kept, busy): (Vec<_>, Vec<_>) =
            std::mem::take(&mut part.pieces).into_iter().partition(is_granted);
        part.pieces = kept;
        let kept = part.lists();
        let span = self.spans.get_mut(&part.span).expect("a span lasts as long as its parts");
        for mut piece in busy {
            for list in piece.lists.difference(&kept) {
                self.taken.remove(list);
            }
            piece.put_off += 1;
            span.waiting.push_back(piece);
        }
    }

    /// Notes that a part is written; the span, when that was its last one.
    pub fn finish(&mut self, part: &Part, rows: u64) -> Option<SpanDone> {
        self.free(part);
        let span = self.spans.get_mut(&part.span).expect("a span lasts as long as its parts");
        span.parts_taken -= 1;
        span.rows += rows;
        self.end(part.span)
    }

    /// The span, once no part of it is under way and nothing of it waits.
    fn end(&mut self, number: u64) -> Option<SpanDone> {
        let is_over = |span: &Span| span.parts_taken == 0 && span.waiting.is_empty();
        let span = self.spans.get(&number).is_some_and(is_over).then(|| self.spans.remove(&number))??;
        Some(SpanDone { chunks: span.chunks, rows: span.rows })
    }

    fn is_free(&self, piece: &Piece) -> bool {
        piece.lists.is_disjoint(&self.taken)
    }

    fn free(&mut self, part: &Part) {
        for list in part.lists() {
            self.taken.remove(&list);
        }
    }
}

impl Span {
    fn take(&mut self, taken: &BTreeSet<ListId>, rows_max: u64) -> Vec<Piece> {
        let Some(first) = self.waiting.iter().position(|piece| piece.lists.is_disjoint(taken)) else {
            return Vec::new();
        };
        let (mut rows, mut count) = (0, 0);
        let alone = self.waiting[first].waits();
        for piece in self.waiting.iter().skip(first) {
            if count > 0
                && (alone || piece.waits() || rows + piece.rows > rows_max || !piece.lists.is_disjoint(taken))
            {
                break;
            }
            (rows, count) = (rows + piece.rows, count + 1);
        }
        self.waiting.drain(first..first + count).collect()
    }
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
