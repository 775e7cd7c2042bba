//! What kind of world a seed is: drawn once, at its beginning.

use super::dice::Dice;
use tailfill::model::CellForm;

/// The engine's commit behind the binlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    None,
    /// Mostly none, often 50-500 ms, sometimes seconds.
    Mixed,
    /// Always some.
    Long,
}

/// A wide target beside the tall ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    pub counted: bool,
    /// The width of a segment: items move from row to row when their order changes.
    pub segment: Option<u64>,
}

/// The temper of a world. Rates are per mille of calls.
#[derive(Clone, Debug)]
pub struct Profile {
    pub lists: u64,
    pub items: u64,
    pub rows_at_start: u64,
    pub transactions: u64,
    /// Mean pause between two transactions, milliseconds.
    pub every_ms: u64,
    pub lag: Lag,
    /// binlog_order_commits: engine commits happen in binlog order.
    pub ordered_commits: bool,
    /// The membership target holds nullable columns only.
    pub bare: bool,
    pub wide: Option<Wide>,
    pub huge: u64,
    pub sink_slow: bool,
    pub sink_trouble: u64,
    pub source_trouble: u64,
    /// The stream stalls in the middle of a transaction.
    pub stalls: u64,
    /// Small chunks and slow SELECTs: the copy meets more of what the application does.
    pub slow_copy: bool,
    pub store_trouble: u64,
    pub lease_trouble: u64,
    pub leases: bool,
    pub short_leases: bool,
    /// Runs that are ended before the last one.
    pub runs: u64,
    /// How long such a run may live, milliseconds.
    pub life_ms: u64,
    /// The first of these runs take some lists only.
    pub pilot_runs: u64,
    /// Each of these runs takes a list more than the one before.
    pub pilot_grows: bool,
    /// Their lists are a sample, and not named.
    pub pilot_sampled: bool,
    /// The first of these runs do not copy.
    pub tail_only_runs: u64,
    /// Whether runs may start from an older position.
    pub replays: bool,
    pub clock_jumps: bool,
    /// A tall target whose items have one cell, behind all others.
    pub packed: Option<CellForm>,
    /// The last target joins after so many runs.
    pub joins_after: u64,
    /// Servers are away for seconds.
    pub outages: bool,
    /// Lists and the mapping are re-copied.
    pub recopies: bool,
    /// HBase is damaged before some of these.
    pub damage: bool,
    /// A target is refused for a while.
    pub refusals: bool,
    /// Some runs leave a target out.
    pub leaves: bool,
    /// HBase is compacted, and purges delete markers above this age.
    pub purge_ms: Option<u64>,
    pub failovers: Failovers,
    /// Late writes land at most this much later, milliseconds.
    pub latest_ms: u64,
    /// An operator pauses and resumes runs.
    pub pauses: bool,
    /// The source is a binlog in bytes (`definitions`).
    pub bytes: bool,
    /// Statements about the table come before this many transactions, per mille.
    pub statements: u64,
    /// So many of these, per mille, cannot be followed.
    pub harsh_statements: u64,
    /// binlog_row_metadata = FULL.
    pub full_metadata: bool,
}

/// Another server takes the source's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failovers {
    Never,
    /// It has all that was published, not always in the same order.
    Whole,
    /// The last transactions are lost with the old server.
    Lossy,
}

impl Profile {
    pub fn draw(dice: &Dice) -> Profile {
        let troubled = |levels: &[u64]| dice.pick(levels);
        let wide = dice.chance(800).then(|| Wide {
            counted: dice.chance(850),
            segment: dice.pick(&[None, Some(1), Some(1), Some(2)]),
        });
        let is_counted = wide.is_some_and(|wide| wide.counted);
        // rows are counted late in the life of a copy, and begin again with each process
        let (every_ms, life_ms): (&[u64], &[u64]) = match is_counted {
            true => (&[5, 15, 40, 80, 200, 200], &[1_000, 5_000, 12_000]),
            false => (&[5, 15, 40, 80], &[300, 1_000, 3_000]),
        };
        let runs = dice.pick(if is_counted { &[1, 2, 3, 4, 6] } else { &[0, 1, 2, 3, 4, 6] });
        let sometimes = |per_mille: u64| if dice.chance(per_mille) { dice.between(1, 2) } else { 0 };
        Profile {
            lists: dice.between(3, 4),
            items: 5,
            rows_at_start: dice.between(0, 14),
            transactions: dice.between(20, if is_counted { 150 } else { 110 }),
            every_ms: dice.pick(every_ms),
            lag: dice.pick(&[Lag::None, Lag::Mixed, Lag::Mixed, Lag::Long]),
            ordered_commits: dice.chance(600),
            bare: dice.chance(300),
            wide,
            huge: dice.pick(&[0, 20, 60]),
            sink_slow: dice.chance(400),
            sink_trouble: troubled(if is_counted { &[0, 30, 30, 120] } else { &[0, 30, 120, 300] }),
            source_trouble: troubled(&[0, 10, 40]),
            stalls: troubled(&[0, 40, 300]),
            slow_copy: dice.chance(400),
            store_trouble: troubled(&[0, 0, 5, 15]),
            lease_trouble: troubled(&[0, 20, 100]),
            leases: dice.chance(850),
            short_leases: dice.chance(if is_counted { 700 } else { 200 }),
            runs,
            life_ms: dice.pick(life_ms),
            pilot_runs: sometimes(200),
            pilot_grows: false,
            pilot_sampled: false,
            tail_only_runs: sometimes(250),
            replays: dice.chance(300),
            clock_jumps: dice.chance(300),
            packed: None,
            joins_after: 0,
            outages: false,
            recopies: false,
            damage: false,
            refusals: false,
            leaves: false,
            purge_ms: None,
            failovers: Failovers::Never,
            latest_ms: 20_000,
            pauses: false,
            bytes: false,
            statements: 0,
            harsh_statements: 0,
            full_metadata: false,
        }
    }

    /// What is drawn from dice of its own, so that the rest of a seed stays what it was.
    pub fn draw_more(&mut self, dice: &Dice) {
        let forms = [CellForm::Msgpack, CellForm::Json, CellForm::Alone];
        self.packed = dice.chance(300).then(|| dice.pick(&forms));
        self.joins_after = if dice.chance(200) { dice.between(1, 2).min(self.runs) } else { 0 };
        self.outages = dice.chance(300);
    }

    /// What lists a pilot has, from dice of its own.
    pub fn draw_pilot(&mut self, dice: &Dice) {
        (self.pilot_grows, self.pilot_sampled) = (dice.chance(500), dice.chance(400));
    }

    /// An operator, from dice of its own.
    pub fn draw_operator(&mut self, dice: &Dice) {
        self.pauses = dice.chance(250);
    }

    /// A table whose definition changes, from dice of its own. What is parked by that is copied again.
    pub fn draw_definitions(&mut self, dice: &Dice) {
        self.bytes = dice.chance(350);
        if !self.bytes {
            return;
        }
        self.statements = dice.pick(&[0, 20, 60, 150]);
        self.harsh_statements = dice.pick(&[0, 60, 200]);
        self.full_metadata = dice.chance(300);
        self.failovers = Failovers::Never; // statements stand in one order
        self.pilot_runs = 0; // a pilot is not parked by statements of its own
        if self.statements > 0 && !self.recopies {
            self.recopies = true;
            self.last_longer(dice);
        }
    }

    /// A re-copy begins once the horizon is over, and the application is to be there still.
    fn last_longer(&mut self, dice: &Dice) {
        self.runs = self.runs.clamp(1, 3);
        self.life_ms = self.life_ms.max(9_000);
        self.every_ms = dice.pick(&[80, 150, 250]);
        self.latest_ms = 3_000;
    }

    /// What came later, again from dice of its own.
    pub fn draw_repairs(&mut self, dice: &Dice) {
        self.recopies = dice.chance(500);
        self.damage = self.recopies && dice.chance(750);
        // what a pilot misses is copied again by the pilot only, which these runs do not ask for
        self.refusals = self.recopies && self.pilot_runs == 0 && dice.chance(400);
        self.leaves = self.recopies && self.pilot_runs == 0 && dice.chance(400);
        if self.recopies {
            self.last_longer(dice);
        }
        if dice.chance(400) && !self.clock_jumps {
            self.purge_ms = Some(dice.pick(&[20_000, 30_000]));
            self.latest_ms = 3_000;
        }
        self.failovers = match dice.below(20) {
            0..4 => Failovers::Whole,
            4..6 => Failovers::Lossy,
            _ => Failovers::Never,
        };
        if self.failovers == Failovers::Lossy && self.lag == Lag::None {
            self.lag = Lag::Long; // else there is nothing to lose
        }
    }
}
