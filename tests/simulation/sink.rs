//! The gateway: every write goes as the real one does in two calls, markers first; each may fail, lose its
//! reply, be applied in part, land late, or hang. What was sent is applied by a task of its own, which
//! neither the end of the call nor the death of the process stops.

use super::books::{Part, has_markers};
use super::schema::{Item, address_of, item_at, items_of_counted, list_in, list_of_row};
use super::world::{AwayServer, Process, World};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tailfill::model::{Target, TargetId};
use tailfill::sink::{
    CellNames, CellRange, CountedRow, CountedWrite, PackedRows, PackedWrite, ReadCounts, ReadRows, RowWrite,
    ScanRange, SinkError, StoredRow, TableState, Tables, WriteRows,
};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// One process's way to the gateway.
pub struct Gateway {
    pub process: Arc<Process>,
    /// From asking for a lease to its deadline.
    pub live_for: Duration,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Done,
    FailsBefore,
    ReplyLost,
    PartlyDone,
    FailsAndLandsLate,
    Hangs,
}

impl Gateway {
    async fn call(&self, target: TargetId, rows: Vec<RowWrite>, part: Part) -> Result<(), SinkError> {
        let world = &self.process.world;
        let fate = self.fate();
        world.books().send(&self.process, target, &rows, self.live_for);
        self.note(target, &rows, part, fate);
        match fate {
            Fate::FailsBefore => {
                self.pause().await;
                return Err(unavailable("refused"));
            }
            Fate::FailsAndLandsLate => {
                self.send_off(target, rows, part, world.dice.millis(1, world.profile.latest_ms));
                self.pause().await;
                return Err(unavailable("broken pipe"));
            }
            Fate::Hangs => {
                self.send_off(target, rows, part, world.dice.millis(1, world.profile.latest_ms));
                sleep(Duration::from_secs(30)).await;
                return Err(unavailable("time-out"));
            }
            Fate::PartlyDone => {
                let some = rows.into_iter().filter(|_| world.dice.chance(500)).collect();
                let applied = self.send_off(target, some, part, self.delay());
                let _ = applied.await;
                return Err(unavailable("a region is away"));
            }
            Fate::Done | Fate::ReplyLost => {
                let applied = self.send_off(target, rows, part, self.delay());
                let _ = applied.await;
            }
        }
        self.pause().await;
        match fate {
            Fate::ReplyLost => Err(unavailable("connection reset")),
            _ => Ok(()),
        }
    }

    fn fate(&self) -> Fate {
        let world = &self.process.world;
        if world.is_away(AwayServer::Gateway) {
            return Fate::FailsBefore;
        }
        if !world.trouble(world.profile.sink_trouble) {
            return Fate::Done;
        }
        let weighted = [
            Fate::FailsBefore,
            Fate::FailsBefore,
            Fate::ReplyLost,
            Fate::ReplyLost,
            Fate::PartlyDone,
            Fate::PartlyDone,
            Fate::FailsAndLandsLate,
            Fate::FailsAndLandsLate,
            Fate::Hangs,
        ];
        world.dice.pick(&weighted)
    }

    /// A counted row is a call of its own, so the worst must come less often.
    fn counted_fate(&self) -> Fate {
        let world = &self.process.world;
        if world.is_away(AwayServer::Gateway) {
            return Fate::FailsBefore;
        }
        if !world.trouble(world.profile.sink_trouble / 2) {
            return Fate::Done;
        }
        match world.dice.below(14) {
            0..3 => Fate::FailsBefore,
            3..8 => Fate::ReplyLost,
            8..13 => Fate::FailsAndLandsLate,
            _ => Fate::Hangs,
        }
    }

    fn delay(&self) -> Duration {
        self.delay_with(20)
    }

    /// `long`: how many of 1,000 take seconds.
    fn delay_with(&self, long: u64) -> Duration {
        let world = &self.process.world;
        match (world.profile.sink_slow, world.trouble(long)) {
            (_, true) => world.dice.millis(1_000, 4_000),
            (true, _) => world.dice.millis(5, 120),
            (false, _) => world.dice.millis(1, 10),
        }
    }

    async fn pause(&self) {
        sleep(self.delay()).await;
    }

    /// Of a call that is one of many.
    fn short_delay(&self) -> Duration {
        self.delay_with(3)
    }

    /// One call that writes a counted row.
    async fn counted_call(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError> {
        let world = &self.process.world;
        let fate = self.counted_fate();
        world.books().ask_counted(target, write);
        world.books().send_counted(&self.process, target, write, self.live_for);
        let number = self.process.number;
        note_counted(world, target, write, format_args!("process {number} sends, {fate:?}"));
        match fate {
            Fate::FailsBefore | Fate::PartlyDone => {
                sleep(self.short_delay()).await;
                Err(unavailable("refused"))
            }
            Fate::FailsAndLandsLate => {
                self.send_counted_off(target, write, world.dice.millis(1, world.profile.latest_ms));
                sleep(self.short_delay()).await;
                Err(unavailable("broken pipe"))
            }
            Fate::Hangs => {
                self.send_counted_off(target, write, world.dice.millis(1, world.profile.latest_ms));
                sleep(Duration::from_secs(30)).await;
                Err(unavailable("time-out"))
            }
            Fate::Done | Fate::ReplyLost => {
                let applied = self.send_counted_off(target, write, self.short_delay()).await;
                sleep(self.short_delay()).await;
                match fate {
                    Fate::ReplyLost => Err(unavailable("connection reset")),
                    _ => applied.map_err(|_| unavailable("the simulation is over")),
                }
            }
        }
    }

    /// Applies a counted write after a while, whatever becomes of the sender.
    fn send_counted_off(
        &self,
        target: TargetId,
        write: &CountedWrite,
        after: Duration,
    ) -> oneshot::Receiver<bool> {
        let (world, write) = (self.process.world.clone(), write.clone());
        let (done, applied) = oneshot::channel();
        world.in_flight.fetch_add(1, SeqCst);
        world.flies(write.tick);
        tokio::spawn(async move {
            sleep(after).await;
            let names = [CellNames { row: write.row.clone(), qualifiers: vec![] }];
            let mut before =
                world.sink.read_counted(target, &names).await.expect("the memory sink takes our reads");
            let made =
                world.sink.write_counted(target, &write).await.expect("the memory sink takes our writes");
            note_counted(&world, target, &write, format_args!("{}", if made { "made" } else { "not made" }));
            world.books().make_counted(target, &write, made, &before.remove(0));
            world.landed(write.tick);
            world.in_flight.fetch_sub(1, SeqCst);
            let _ = done.send(made); // nobody may listen any more
        });
        applied
    }

    fn taken(&self, target: TargetId) -> Result<(), SinkError> {
        match self.process.world.is_refused(target) {
            true => Err(SinkError::Refused {
                gateway: "simulated".into(),
                what: "a call".into(),
                reason: "not for this target".into(),
            }),
            false => Ok(()),
        }
    }

    /// A read takes a while, and may fail.
    async fn reach(&self) -> Result<(), SinkError> {
        let world = &self.process.world;
        sleep(self.short_delay()).await;
        match world.is_away(AwayServer::Gateway) || world.trouble(world.profile.sink_trouble / 2) {
            true => Err(unavailable("connection reset")),
            false => Ok(()),
        }
    }

    /// Applies rows after a while, whatever becomes of the sender.
    fn send_off(
        &self,
        target: TargetId,
        rows: Vec<RowWrite>,
        part: Part,
        after: Duration,
    ) -> oneshot::Receiver<()> {
        let world = self.process.world.clone();
        let (done, applied) = oneshot::channel();
        world.in_flight.fetch_add(1, SeqCst);
        rows.iter().for_each(|write| world.flies(write.tick));
        tokio::spawn(async move {
            sleep(after).await;
            world
                .sink
                .write(target, &PackedRows::of(&rows).writes())
                .await
                .expect("the memory sink takes our writes");
            note_landed(&world, target, &rows, part);
            world.books().land(target, &rows, part);
            rows.iter().for_each(|write| world.landed(write.tick));
            world.in_flight.fetch_sub(1, SeqCst);
            let _ = done.send(()); // nobody may listen any more
        });
        applied
    }

    fn note(&self, target: TargetId, rows: &[RowWrite], part: Part, fate: Fate) {
        let world = &self.process.world;
        let number = self.process.number;
        let (items, text) = describe(world, target, rows);
        world.trace.note_items(
            &items,
            format_args!("process {number} sends {part:?} to {}: {text}; {fate:?}", target.0),
        );
    }
}

fn note_landed(world: &World, target: TargetId, rows: &[RowWrite], part: Part) {
    let (items, text) = describe(world, target, rows);
    world.trace.note_items(&items, format_args!("{part:?} land in {}: {text}", target.0));
}

fn describe(world: &World, target: TargetId, rows: &[RowWrite]) -> (Vec<Item>, String) {
    let mut items = Vec::new();
    let mut text = String::new();
    for write in rows {
        let (item, _) = item_at(&world.mapping, target, &address_of(&world.mapping, target, write));
        items.push(item);
        let puts: Vec<String> =
            write.puts.iter().map(|(_, value)| String::from_utf8_lossy(value).into()).collect();
        let what = if write.delete_family { "delete".to_owned() } else { puts.join(" ") };
        text += &format!("[{item} @{} {what} nulls {}] ", write.tick, write.delete_columns.len());
    }
    (items, text)
}

fn note_counted(world: &World, target: TargetId, write: &CountedWrite, what: std::fmt::Arguments<'_>) {
    let cells: Vec<RowWrite> = items_of_counted(write);
    let (mut items, text) = describe(world, target, &cells);
    let (list, _) = list_of_row(&world.mapping, target, &write.row);
    if items.is_empty() {
        items = (0..world.profile.items).map(|item| Item { list, item }).collect();
    }
    let (expected, tick, count) = (&write.expected, write.tick, write.count);
    let row = hex::encode(&write.row);
    world.trace.note_items(
        &items,
        format_args!("{what}: {row} of list {list} from {expected:?} to {tick}, count {count:?} {text}"),
    );
}

fn unavailable(reason: &str) -> SinkError {
    SinkError::Unavailable { gateway: "simulated".into(), reason: reason.into() }
}

#[async_trait]
impl ReadRows for Gateway {
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        self.process.world.sink.read(target, keys).await
    }

    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        self.process.world.sink.read_cells(target, wanted).await
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        self.process.world.sink.scan(target, range).await
    }

    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        let _call = self.process.call("scan cells");
        self.taken(target)?;
        self.reach().await?;
        self.process.world.sink.scan_cells(target, range).await
    }

    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        let _call = self.process.call("scan keys");
        self.taken(target)?;
        self.reach().await?;
        self.process.world.sink.scan_keys(target, range).await
    }
}

#[async_trait]
impl ReadCounts for Gateway {
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        let _call = self.process.call("scan counts");
        self.taken(target)?;
        self.reach().await?;
        self.process.world.sink.scan_counts(target, range).await
    }

    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        let _call = self.process.call("read counted");
        self.taken(target)?;
        self.reach().await?;
        let found = self.process.world.sink.read_counted(target, wanted).await;
        sleep(self.short_delay()).await; // what was read is old when it arrives
        found
    }
}

#[async_trait]
impl WriteRows for Gateway {
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        let _call = self.process.call("write");
        self.taken(target)?;
        let rows: Vec<RowWrite> = rows.iter().map(PackedWrite::unpack).collect();
        let markers: Vec<RowWrite> = rows
            .iter()
            .filter(|write| has_markers(write))
            .map(|write| RowWrite { puts: vec![], ..write.clone() })
            .collect();
        let puts: Vec<RowWrite> = rows.iter().filter(|write| !write.puts.is_empty()).map(only_puts).collect();
        {
            let mapping = &self.process.world.mapping;
            let mut books = self.process.world.books();
            rows.iter().for_each(|write| books.asked_for_list(list_in(mapping, target, &write.row)));
            books.ask(target, &rows);
        }
        if !markers.is_empty() {
            self.call(target, markers, Part::Markers).await?;
        }
        if !puts.is_empty() {
            self.call(target, puts, Part::Puts).await?;
        }
        Ok(())
    }

    async fn write_counted(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError> {
        let _call = self.process.call("write counted");
        self.taken(target)?;
        self.counted_call(target, write).await
    }
}

#[async_trait]
impl Tables for Gateway {
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError> {
        self.process.world.sink.describe(target).await
    }

    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError> {
        self.process.world.sink.create(target, run_id, purge_deletes_ms).await
    }

    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError> {
        self.process.world.sink.server_clock_ms(target).await
    }
}

fn only_puts(write: &RowWrite) -> RowWrite {
    RowWrite { delete_family: false, delete_columns: vec![], ..write.clone() }
}
