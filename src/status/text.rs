//! A status as a calm block of plain text, aligned, that always says why it waits.

pub use super::figures::{bytes, count, moment, seconds};

use super::{Answers, Gap, LagWindow, Phase, PositionStatus, Status, TargetStatus, Wait, Warning};
use std::fmt;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.phase == Phase::Stopped {
            writeln!(f, "tailfill {}, not running\n", self.version)?;
        } else {
            let started = moment(self.started_at_ms);
            let uptime = seconds(self.uptime_seconds);
            writeln!(f, "tailfill {}, pid {}, since {started} ({uptime})\n", self.version, self.pid)?;
        }
        line(f, "run", &self.phase_text())?;
        if self.pilot {
            let lists = self.pilot_lists.as_deref().unwrap_or("which ones is not known");
            line(f, "lists", &format!("only those of a pilot: {lists}"))?;
        }
        for (work, lever) in self.control.paused() {
            line(f, "paused", &format!("the {}, {lever}", work.name()))?;
        }
        if let Some(pace) = self.throttle.pace_text() {
            line(f, "pace", &pace)?;
        }
        self.fmt_waits(f)?;
        writeln!(f)?;
        for (name, place) in self.positions.named() {
            line(f, name, &place_text(place))?;
        }
        line(f, "lag", &self.lag_text())?;
        for (name, server) in [("source", self.source), ("hbase", self.hbase)] {
            server.map_or(Ok(()), |server| line(f, name, &answers_text(server)))?;
        }
        if let Some(left) = self.purge_in_seconds {
            let text = format!("MySQL keeps the binlog that this run needs for {} more", seconds(left));
            line(f, "purge", &text)?;
        }
        line(f, "mark", &self.mark_text())?;
        writeln!(f)?;
        line(f, "changes", &self.changes_text())?;
        line(f, "leases", &self.leases_text())?;
        let retries = format!(
            "{} connections to MySQL, {} calls to HBase",
            count(self.retries.source),
            count(self.retries.sink)
        );
        line(f, "retries", &retries)?;
        let verified = self.verify.continuous.iter().flat_map(|continuous| continuous.lines());
        for (number, text) in verified.enumerate() {
            line(f, if number == 0 { "verify" } else { "" }, &text)?;
        }
        self.gaps.iter().try_for_each(|gap| fmt_gap(f, gap))?;
        if self.targets.is_empty() { Ok(()) } else { fmt_targets(f, &self.targets) }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "{name:<14}{text}")
}

fn fmt_gap(f: &mut fmt::Formatter<'_>, gap: &Gap) -> fmt::Result {
    let (from, to) = (place_text(&gap.from), place_text(&gap.to));
    line(f, "gap", &format!("the changes after {from}"))?;
    line(f, "", &format!("up to {to} were missed: {}", gap.reason))?;
    let when = moment(gap.accepted_at_ms);
    line(f, "", &format!("accepted {when}; still to be copied again: {}", gap.mappings.join(", ")))
}

impl Status {
    fn phase_text(&self) -> String {
        let meaning = match self.phase {
            Phase::Starting => "",
            Phase::Copying => " existing rows only (this run does not tail)",
            Phase::Tailing => "",
            Phase::Replaying => ": HBase may show older values until the replay is over",
            Phase::Draining => ": the run writes the sealed batches, and checkpoints",
            Phase::Ended => "",
            Phase::Stopped => ": no tailfill runs with this state",
        };
        format!("{}{meaning}", self.phase.name())
    }

    fn fmt_waits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = |Wait { words, since_ms, help, .. }: &Wait| (words.clone(), *since_ms, help.clone());
        let warning =
            |Warning { words, since_ms, help, .. }: &Warning| (words.clone(), *since_ms, help.clone());
        match self.waiting.is_empty() {
            true => line(f, "waits", "none")?,
            false => self.fmt_since(f, "waits", self.waiting.iter().map(wait))?,
        }
        self.fmt_since(f, "warnings", self.warnings.iter().map(warning))
    }

    /// Lines of words, since when, and what to do.
    fn fmt_since(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        entries: impl Iterator<Item = (String, u64, String)>,
    ) -> fmt::Result {
        for (number, (words, since_ms, help)) in entries.enumerate() {
            let for_seconds = self.at_ms.saturating_sub(since_ms) / 1_000;
            let since =
                if since_ms == 0 { String::new() } else { format!(" (for {})", seconds(for_seconds)) };
            line(f, if number == 0 { name } else { "" }, &format!("{words}{since}"))?;
            if !help.is_empty() {
                line(f, "", &format!("  to do: {help}"))?;
            }
        }
        Ok(())
    }

    fn lag_text(&self) -> String {
        let behind = match self.lag.seconds {
            Some(seconds) => format!("{seconds:.1} s"),
            None => "not known".to_owned(),
        };
        let bytes = self.lag.bytes.map(|b| format!(", {} of binlog", bytes(b))).unwrap_or_default();
        let windows =
            [("1 min", self.lag.last_minute), ("10 min", self.lag.last_ten_minutes)].map(window_text);
        format!("{behind}{bytes}; commit to written: {}", windows.join("; "))
    }

    fn mark_text(&self) -> String {
        let lead = match self.tick_lead_ms {
            0 => String::new(),
            lead => format!("; ticks are {} ms ahead of the clock", count(lead)),
        };
        match self.mark {
            Some(mark) => format!("tick {}, {} ms old{lead}", mark.tick, count(mark.age_ms)),
            None => format!("none yet{lead}"),
        }
    }

    fn changes_text(&self) -> String {
        let t = &self.tail;
        let [inserts, updates, deletes] = [t.inserts, t.updates, t.deletes].map(count);
        let (batches, queued) = (count(t.batches), count(t.queued_rows));
        format!(
            "{inserts} inserts, {updates} updates, {deletes} deletes in {batches} batches; {queued} queued"
        )
    }

    fn leases_text(&self) -> String {
        let l = &self.leases;
        let [acquired, waits, elsewhere] = [l.acquired, l.waits, l.elsewhere].map(count);
        let degraded = if l.degraded {
            "; degraded: Memcache does not answer, so leases hold in this process only"
        } else {
            ""
        };
        format!("{acquired} acquired, {waits} waited for, {elsewhere} held elsewhere{degraded}")
    }
}

fn window_text((name, window): (&str, LagWindow)) -> String {
    match window.transactions {
        0 => format!("nothing in {name}"),
        _ => format!("p50 {:.1} ms, p99 {:.1} ms in {name}", window.p50_ms, window.p99_ms),
    }
}

fn answers_text(Answers { answers, since_ms }: Answers) -> String {
    let answers = if answers { "answers" } else { "does not answer" };
    format!("{answers} since {}", moment(since_ms))
}

pub fn place_text(place: &PositionStatus) -> String {
    if place.file.is_empty() && place.gtids.is_empty() {
        return "nothing yet".to_owned();
    }
    // A set of many servers can be long; the JSON has all of it.
    let gtids: String = place.gtids.chars().take(80).collect();
    let more = if gtids.len() < place.gtids.len() { "..." } else { "" };
    match place.file.is_empty() {
        true => format!("{gtids}{more}"),
        false => format!("{}:{}  {gtids}{more}", place.file, place.offset),
    }
}

/// A table: names and states to the left, numbers to the right.
fn fmt_targets(f: &mut fmt::Formatter<'_>, targets: &[TargetStatus]) -> fmt::Result {
    let mut rows =
        vec![["mapping", "target", "chunks", "rows copied", "rows/s", "left", "state"].map(str::to_owned)];
    rows.extend(targets.iter().map(target_cells));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    writeln!(f)?;
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(place, (cell, width))| match place {
                2..=5 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn target_cells(target: &TargetStatus) -> [String; 7] {
    let known = target.chunks_done + target.chunks_to_do;
    let about = if target.chunks_total_estimate > known { "~" } else { "" };
    let total = count(target.chunks_total_estimate.max(known));
    [
        target.mapping.clone(),
        format!("{}:{}", target.table, target.family),
        format!("{} of {about}{total}", count(target.chunks_done)),
        count(target.rows_copied),
        count(target.rows_per_second.max(0.0).round() as u64),
        target.eta_seconds.map_or_else(|| "-".to_owned(), seconds),
        state_text(target),
    ]
}

/// `backfilling, counting (1,200 rows so far)`.
fn state_text(target: &TargetStatus) -> String {
    let life = &target.life_cycle;
    match &target.counts {
        None => life.clone(),
        Some(counts) if counts.state == "counting" => {
            format!("{life}, counting ({} rows so far)", count(counts.rows_walked))
        }
        Some(counts) => format!("{life}, {}", counts.state),
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    fn busy() -> Status {
        let place = |offset| PositionStatus {
            gtids: "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77".to_owned(),
            file: "binlog.000042".to_owned(),
            offset,
        };
        Status {
            version: "0.1.0".to_owned(),
            state_id: "0123456789abcdef".to_owned(),
            control: Control::default(),
            throttle: ThrottleStatus::default(),
            purge_in_seconds: None,
            state_file_bytes: Some(3 << 20),
            pilot: false,
            pilot_lists: None,
            pid: 4242,
            at_ms: 1_706_703_185_000,
            started_at_ms: 1_706_695_200_000,
            uptime_seconds: 7_985,
            phase: Phase::Tailing,
            waits: Vec::new(),
            waiting: vec![
                Wait::new(Who::Tail, Awaited::many(Kind::ListsElsewhere, 2), 1_706_702_875_000),
                Wait::new(Who::Recopy, Awaited::new(Kind::Replay, "").of("followers"), 1_706_703_184_000),
            ],
            warnings: vec![Warning::new(
                Concern::HbaseClock,
                "HBase's clock is 120 s ahead of ours".to_owned(),
                1_706_703_125_000,
            )],
            positions: Positions {
                received: place(9_000),
                sealed: place(8_500),
                written: place(8_000),
                checkpointed: PositionStatus::default(),
            },
            lag: Lag {
                seconds: Some(0.42),
                bytes: Some(12_800),
                p50_ms: 3.0,
                p99_ms: 21.5,
                last_minute: LagWindow { transactions: 12, p50_ms: 2.0, p99_ms: 19.5 },
                last_ten_minutes: LagWindow::default(),
            },
            source: Some(Answers { answers: true, since_ms: 1_706_695_200_000 }),
            hbase: Some(Answers { answers: false, since_ms: 1_706_703_180_000 }),
            mark: Some(Mark { tick: 1_706_703_185_000, age_ms: 1_120 }),
            tick_lead_ms: 3,
            tail: TailTotals { inserts: 1_234_567, updates: 3, deletes: 7, batches: 812, queued_rows: 96 },
            leases: LeaseTotals {
                acquired: 12_345,
                waits: 12,
                elsewhere: 1,
                degraded: true,
                ..LeaseTotals::default()
            },
            store: StoreTotals {
                commits: 20,
                commit_nanos: 9_000_000,
                journal_commits: 12,
                journal_commit_nanos: 6_000_000,
            },
            retries: Retries { source: 0, sink: 3 },
            gaps: vec![],
            verify: VerifyStatus::default(),
            targets: vec![
                TargetStatus {
                    mapping: "followers".to_owned(),
                    table: "followers".to_owned(),
                    family: "f".to_owned(),
                    life_cycle: "backfilling".to_owned(),
                    columns: None,
                    chunks_done: 12,
                    chunks_to_do: 4,
                    chunks_total_estimate: 1_040,
                    rows_copied: 24_000,
                    rows_per_second: 50_000.4,
                    eta_seconds: Some(190),
                    counts: None,
                },
                TargetStatus {
                    mapping: "followers".to_owned(),
                    table: "wide".to_owned(),
                    family: "f".to_owned(),
                    life_cycle: "backfilling".to_owned(),
                    counts: Some(CountsStatus {
                        state: "counting".to_owned(),
                        rows_walked: 12_000,
                        rows_counted: 900,
                    }),
                    ..TargetStatus::default()
                },
                TargetStatus {
                    mapping: "m".to_owned(),
                    table: "ns:members".to_owned(),
                    family: "f".to_owned(),
                    life_cycle: "parked (the table was altered)".to_owned(),
                    ..TargetStatus::default()
                },
            ],
        }
    }

    #[test]
    fn a_busy_run_is_an_aligned_block_that_says_why_it_waits() {
        let expected = "\
tailfill 0.1.0, pid 4242, since 2024-01-31 10:00:00 UTC (2h 13m)

run           tailing
waits         the tail waits for 2 lists that another program holds (for 5m 10s)
                to do: wait until the leases expire; if they stay, end the program that takes them
              the re-copy of followers waits for the end of the replay (for 1s)
warnings      HBase's clock is 120 s ahead of ours (for 1m 0s)
                to do: synchronise the clocks of both machines (NTP)

received      binlog.000042:9000  3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77
sealed        binlog.000042:8500  3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77
written       binlog.000042:8000  3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77
checkpointed  nothing yet
lag           0.4 s, 12.5 KiB of binlog; commit to written: p50 2.0 ms, p99 19.5 ms in 1 min; nothing in 10 min
source        answers since 2024-01-31 10:00:00 UTC
hbase         does not answer since 2024-01-31 12:13:00 UTC
mark          tick 1706703185000, 1,120 ms old; ticks are 3 ms ahead of the clock

changes       1,234,567 inserts, 3 updates, 7 deletes in 812 batches; 96 queued
leases        12,345 acquired, 12 waited for, 1 held elsewhere; degraded: Memcache does not answer, so leases hold in this process only
retries       0 connections to MySQL, 3 calls to HBase

mapping    target              chunks  rows copied  rows/s    left  state
followers  followers:f   12 of ~1,040       24,000  50,000  3m 10s  backfilling
followers  wide:f              0 of 0            0       0       -  backfilling, counting (12,000 rows so far)
m          ns:members:f        0 of 0            0       0       -  parked (the table was altered)
";
        assert_eq!(busy().to_string(), expected);
    }

    #[test]
    fn a_status_reads_back_from_its_json() {
        let status = busy();
        let json = serde_json::to_string(&status).expect("json");
        assert_eq!(serde_json::from_str::<Status>(&json).expect("a status"), status);
        assert!(json.contains("\"phase\":\"tailing\""), "{json}");
    }

    #[test]
    fn a_pilot_shows_as_one() {
        let pilot_lists = Some("2 lists of followers".to_owned());
        let pilot = Status { pilot: true, pilot_lists, ..Status::default() };
        let said = "lists         only those of a pilot: 2 lists of followers";
        assert!(pilot.to_string().contains(said), "{pilot}");
        assert!(!Status::default().to_string().contains("pilot"));
    }

    #[test]
    fn a_run_that_just_began_says_so() {
        let text = Status::default().to_string();
        for line in [
            "run           starting",
            "waits         none",
            "mark          none yet",
            "lag           not known; ",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
