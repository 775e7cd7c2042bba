//! Planning: which chunks come next, which lists they have, and so in which parts they are copied.
//!
//! Runs ahead of the copy, in one worker at a time, without any lease. That list keys are older than the SELECT
//! of their rows loses nothing: a row of a list that was not there yet was inserted after the start of the tail,
//! which writes it.

use crate::lock::ListId;
use crate::model::Value;
use crate::pipeline::copies::chunks::{Chunk, ChunkRange};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::copies::span::{self, ListSize, Piece, PieceRows};
use crate::pipeline::parts::settings::Settings;
use crate::protocol::ProtocolError;
use crate::sink::layout::{self, Codec};
use crate::source::{KeyRange, Snapshot};
use std::collections::VecDeque;

/// Spans under way at most: one that is copied, one that comes next, and two that wait for a busy list.
const SPANS_MAX: usize = 4;
/// Spans that have something to take, below which the next one is planned.
const SPANS_READY: usize = 2;

/// Whether a span should be planned now.
pub async fn is_wanted(copy: &Copy) -> bool {
    let wanted = {
        let spans = copy.spans();
        spans.len() < SPANS_MAX && spans.ready() < SPANS_READY
    };
    wanted && !copy.chunks.lock().await.all_taken()
}

/// Bytes that the rows of a chunk may have, about: a worker holds them all.
const CHUNK_BYTES: u64 = 16 << 20;

/// Rows of a chunk: as many as the limits say now, or fewer where rows are long.
pub async fn chunk_rows(copy: &Copy, snapshot: &mut dyn Snapshot, wanted: u32) -> Result<u32, ProtocolError> {
    if let Some(rows) = copy.rows_by_size.get() {
        return Ok(wanted.clamp(1, *rows));
    }
    let row_bytes = snapshot.row_bytes(copy.mapping.table).await?.max(1);
    let rows = u32::try_from(CHUNK_BYTES / row_bytes).unwrap_or(u32::MAX).max(1);
    Ok(wanted.clamp(1, *copy.rows_by_size.get_or_init(|| rows)))
}

/// Takes the next chunks, planning them if none waits: as many as a span has, none at the end of the table.
pub async fn next_chunks(
    copy: &Copy,
    snapshot: &mut dyn Snapshot,
    settings: &Settings,
    rows: u32,
) -> Result<Vec<Chunk>, ProtocolError> {
    let from = {
        let mut chunks = copy.chunks.lock().await;
        let taken = chunks.take(settings.span_chunks);
        match chunks.to_plan() {
            Some(from) if taken.is_empty() => from.map(<[Value]>::to_vec),
            _ => return Ok(taken),
        }
    };
    let mut ends = Vec::with_capacity(settings.span_chunks);
    let mut after = from;
    for _ in 0..settings.span_chunks.max(1) {
        after = snapshot.chunk_end(copy.mapping.table, after.as_deref(), rows).await?;
        ends.push(after.clone());
        if after.is_none() {
            break;
        }
    }
    let mut chunks = copy.chunks.lock().await;
    // I8: bounds are durable before anything is done with them
    chunks.plan(ends).await?;
    Ok(chunks.take(settings.span_chunks))
}

/// The pieces of consecutive chunks, in the order of their HBase rows where the table allows it.
pub async fn pieces(
    copy: &Copy,
    chunks: &[Chunk],
    snapshot: &mut dyn Snapshot,
    rows_max: u64,
) -> Result<VecDeque<Piece>, ProtocolError> {
    let mapping = &copy.mapping;
    let (mut ranges, mut pieces) = (Vec::new(), VecDeque::new());
    for chunk in chunks {
        match &chunk.what {
            ChunkRange::Keys(range) => ranges.push(range.clone()),
            ChunkRange::List(key) => pieces.extend(pieces_of_list(copy, key, snapshot, rows_max).await?),
        }
    }
    if ranges.is_empty() {
        return Ok(pieces);
    }
    if mapping.list_key_leads() {
        let lists = list_sizes(copy, &span::joined(&ranges), snapshot).await?;
        return Ok(span::pieces_by_list(mapping, &ranges, lists, rows_max));
    }
    for range in ranges {
        let found = list_sizes(copy, &range, snapshot).await?;
        if found.is_empty() && !copy.brings_all() {
            continue; // a list that has rows here later than now has them from the tail
        }
        let rows = found.iter().map(|size| size.rows).sum();
        let lists = found.into_iter().map(|size| size.list).collect();
        pieces.push_back(Piece { lists, what: PieceRows::Range(range), rows, put_off: 0 });
    }
    Ok(pieces)
}

/// A list of a pilot in pieces of `rows_max` rows, the first and the last of them unbounded: the lease is given back in
/// between, and memory does not grow with the list.
async fn pieces_of_list(
    copy: &Copy,
    key: &[Value],
    snapshot: &mut dyn Snapshot,
    rows_max: u64,
) -> Result<Vec<Piece>, ProtocolError> {
    let mapping = &copy.mapping;
    let list = ListId::new(mapping.id.0, &layout::list_key_of(mapping, key)?);
    let rows = u32::try_from(rows_max).unwrap_or(u32::MAX).max(1);
    let (mut pieces, mut after) = (Vec::new(), None);
    loop {
        let up_to = snapshot.list_end(mapping, key, after.as_deref(), rows).await?;
        let range = KeyRange { after, up_to: up_to.clone() };
        let what = PieceRows::List { key: key.to_vec(), range };
        pieces.push(Piece { lists: [list].into(), what, rows: rows_max, put_off: 0 });
        if up_to.is_none() {
            return Ok(pieces);
        }
        after = up_to;
    }
}

/// The lists of the copy that have rows in a range, by a scan of it.
pub async fn list_sizes(
    copy: &Copy,
    range: &KeyRange,
    snapshot: &mut dyn Snapshot,
) -> Result<Vec<ListSize>, ProtocolError> {
    let mapping = &copy.mapping;
    let codec = Codec::of(mapping, &copy.target);
    let found = snapshot.lists(mapping, range).await?;
    let mut sizes = Vec::with_capacity(found.len());
    for (row, rows) in found {
        let list_key = match layout::list_key(mapping, &row) {
            Ok(list_key) if copy.brings(&list_key) => list_key,
            Err(cause) if copy.brings_all() => return Err(copy.refused(cause)),
            // the lists of a pilot all have a key
            _ => continue,
        };
        let key = mapping.key.iter().map(|column| row[*column].clone()).collect();
        let prefix = codec.list_prefix(&list_key);
        sizes.push(ListSize { list: ListId::new(mapping.id.0, &list_key), key, prefix, rows });
    }
    Ok(sizes)
}
