//! What the decoder makes of the bytes, held against what was written.

use super::super::tally::Thrown;
use super::super::world::Process;
use std::sync::Arc;
use tailfill::model::RowChange;
use tailfill::source::{BinlogPlace, Changes, StreamEvent};

/// What one stream has reported.
pub struct Truth {
    process: Arc<Process>,
    open: Option<Open>,
}

/// The transaction that is read.
struct Open {
    number: u64,
    written: Arc<Vec<RowChange>>,
    reported: usize,
    /// The table has another definition by now.
    is_of_before: bool,
}

impl Truth {
    pub fn new(process: &Arc<Process>) -> Truth {
        Truth { process: process.clone(), open: None }
    }

    pub fn begins(&mut self, number: u64, written: Arc<Vec<RowChange>>, is_of_before: bool) {
        self.open = Some(Open { number, written, reported: 0, is_of_before });
    }

    /// Gives the event back, at its place of the server's binlog.
    pub fn holds_against(&mut self, event: StreamEvent, place: BinlogPlace) -> StreamEvent {
        match event {
            StreamEvent::Changes(changes) => {
                self.rows(&changes);
                StreamEvent::Changes(changes)
            }
            StreamEvent::End { transaction, .. } => {
                self.ends();
                StreamEvent::End { transaction, place }
            }
            StreamEvent::Heartbeat { .. } => StreamEvent::Heartbeat { place },
            other => {
                self.standing(&other);
                other
            }
        }
    }

    /// Whether rows are left out from now on: the sealer does that also behind a reconnect, until the table is brought back.
    fn standing(&self, event: &StreamEvent) {
        let (process, world) = (&self.process, &self.process.world);
        let mut parked_at = process.parked_at();
        match event {
            StreamEvent::Begin { transaction, .. } if parked_at.as_ref() == Some(transaction) => {
                *parked_at = None
            }
            StreamEvent::Parked { parking, .. } => {
                parked_at.clone_from(&parking.transaction);
                world.tally(Thrown::ParkedByStatement, 1);
                world.trace.note(format_args!("rows are left out from here on: {parking}"));
            }
            StreamEvent::Defined { since, .. } => {
                if parked_at.as_ref().is_some_and(|gtid| since.contains(gtid)) {
                    *parked_at = None;
                    world.tally(Thrown::ReadAgain, 1);
                    world.books().columns_may_have_exchanged_values();
                }
                world.trace.note(format_args!("a definition holds since {since}"));
            }
            _ => {}
        }
    }

    fn rows(&mut self, changes: &Changes) {
        let Some(open) = &mut self.open else { return };
        let is_left_out = self.process.parked_at().is_some();
        let decoded = changes.to_vec();
        let count = decoded.as_ref().map_or(0, Vec::len);
        let written = open.written.get(open.reported..open.reported + count);
        let is_right = decoded.as_ref().is_ok_and(|decoded| written == Some(&decoded[..]));
        if !is_left_out && !is_right {
            let text = format!(
                "rows of transaction {} are read by another definition than they were written under: {decoded:?}, \
                 and not {written:?}",
                open.number
            );
            self.process.world.books().violation(text);
        }
        open.reported += count;
    }

    fn ends(&mut self) {
        let Some(open) = self.open.take() else { return };
        let world = &self.process.world;
        if open.written.is_empty() {
            return;
        }
        if open.reported < open.written.len() || self.process.parked_at().is_some() {
            world.tally(Thrown::LeftOutRows, 1);
            world.books().leaves_out(open.number);
        } else if open.is_of_before {
            world.tally(Thrown::ReadBehind, 1);
        }
        let kind = if world.profile.full_metadata { Thrown::ReadByNames } else { Thrown::ReadByPlaces };
        world.tally(kind, 1);
    }
}
