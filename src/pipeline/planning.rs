//! Planning: which chunks come next, which lists they have, and so in which parts they are copied.
//!
//! Runs ahead of the copy, in one worker at a time, without any lease. That list keys are older than the SELECT
//! of their rows loses nothing: a row of a list that was not there yet was inserted after the start of the tail,
//! which writes it.

use super::chunks::{Chunk, ChunkRange};
use super::copy::Copy;
use super::settings::Settings;
use super::span::{self, ListSize, Piece, What};
use crate::lock::ListId;
use crate::model::Value;
use crate::protocol::ProtocolError;
use crate::sink::layout;
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

/// Takes the next chunks, planning them if none waits: as many as a span has, none at the end of the table.
pub async fn next_chunks(
    copy: &Copy,
    snapshot: &mut dyn Snapshot,
    settings: &Settings,
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
        after = snapshot.chunk_end(copy.mapping.table, after.as_deref(), settings.chunk_rows).await?;
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
            ChunkRange::List(key) => {
                let list = ListId::new(mapping.id.0, &layout::list_key_of(mapping, key)?);
                let (lists, what) = ([list].into(), What::List(key.clone()));
                pieces.push_back(Piece { lists, what, rows: rows_max });
            }
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
        let rows = found.iter().map(|size| size.rows).sum();
        let lists = found.into_iter().map(|size| size.list).collect();
        pieces.push_back(Piece { lists, what: What::Range(range), rows });
    }
    Ok(pieces)
}

async fn list_sizes(
    copy: &Copy,
    range: &KeyRange,
    snapshot: &mut dyn Snapshot,
) -> Result<Vec<ListSize>, ProtocolError> {
    let mapping = &copy.mapping;
    let found = snapshot.lists(mapping, range).await?;
    let mut sizes = Vec::with_capacity(found.len());
    for (row, rows) in found {
        let list_key = layout::list_key(mapping, &row).map_err(|cause| copy.refused(cause))?;
        let key = mapping.key.iter().map(|column| row[*column].clone()).collect();
        let prefix = layout::list_prefix(&copy.target, &list_key);
        sizes.push(ListSize { list: ListId::new(mapping.id.0, &list_key), key, prefix, rows });
    }
    Ok(sizes)
}
