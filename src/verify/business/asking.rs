//! Asks both sides, and tells a difference from a change under way.

use super::super::list::{Asked, Said};
use super::super::tail::Watch;
use super::super::{Verification, VerifyError, turn, under_way};
use super::ask::{Ask, Fate, equal};
use super::times::{By, Times};
use crate::compare::{Found, SourceReader, retry};
use crate::model::{ColumnValue, Mapping, Reached, Row};
use crate::sink::layout::{self, Address, Codec, ItemWrite};
use crate::source::{Snapshot, SourceError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Rows of a list that never rests, which are read whole to judge it.
const ROWS_IN_TURN_MAX: u64 = 200_000;

/// Asks about the lists of one mapping.
pub struct Asker<'a> {
    with: &'a Verification,
    watch: &'a Watch,
    mapping: &'a Mapping,
    source: SourceReader<'a, Verification>,
}

impl<'a> Asker<'a> {
    pub fn new(with: &'a Verification, watch: &'a Watch, mapping: &'a Mapping) -> Asker<'a> {
        Asker { with, watch, mapping, source: with.source(mapping) }
    }

    /// The rows of MySQL's answer.
    pub async fn rows(&mut self, asked: &Asked<'a>) -> Result<Vec<Row>, VerifyError> {
        match self.source.select(|snapshot| asked.of_mysql(snapshot)).await?.0 {
            Said::Items(rows) => Ok(rows),
            Said::Count(_) | Said::Beyond(_) => Ok(Vec::new()),
        }
    }

    /// Judges questions, in rounds; `times` hears how long each side took.
    pub async fn judge(
        &mut self,
        asks: Vec<Ask<'a>>,
        times: &mut Times,
    ) -> Result<Vec<(Ask<'a>, Fate)>, VerifyError> {
        let (mut judged, mut moving) = (Vec::with_capacity(asks.len()), asks);
        for _ in 0..self.with.settings.rounds {
            if moving.is_empty() {
                break;
            }
            moving = self.round(moving, &mut judged, times).await?;
        }
        for ask in moving {
            let fate = self.in_turn(&ask.asked).await?;
            judged.push((ask, fate));
        }
        Ok(judged)
    }

    /// Gives back what was moving.
    async fn round(
        &mut self,
        asks: Vec<Ask<'a>>,
        judged: &mut Vec<(Ask<'a>, Fate)>,
        times: &mut Times,
    ) -> Result<Vec<Ask<'a>>, VerifyError> {
        let (with, mapping) = (self.with, self.mapping);
        let before = with.source.executed().await?;
        let mut first = Vec::with_capacity(asks.len());
        for ask in &asks {
            let (said, took) = self.of_mysql(&ask.asked).await?;
            first.push(said);
            times.took(ask.query, By::Mysql, took);
        }
        self.watch.written(&with.source.executed().await?).await?;
        let mut differ = Vec::new();
        for (ask, first) in asks.into_iter().zip(first) {
            let begin = Instant::now();
            let hbase = self.of_hbase(&ask.asked).await?;
            times.took(ask.query, By::Hbase, begin.elapsed());
            match equal(&first, &hbase) {
                true => judged.push((ask, Fate::Equal)),
                false => differ.push((ask, first, hbase)),
            }
        }
        let (mut moving, mut settled) = (Vec::new(), Vec::new());
        for (ask, first, hbase) in differ {
            let (mysql, _) = self.of_mysql(&ask.asked).await?;
            if equal(&mysql, &hbase) {
                judged.push((ask, Fate::Equal));
            } else if first == mysql {
                settled.push((ask, Fate::Different { mysql, hbase }));
            } else {
                moving.push(ask);
            }
        }
        let lists: BTreeSet<Vec<u8>> = settled.iter().map(|(ask, _)| ask.asked.list_key.clone()).collect();
        let touched = match lists.is_empty() || !self.watch.is_live() {
            true => BTreeSet::new(),
            false => match under_way::lists_touched(with, mapping, &lists, before).await {
                // The next round asks again.
                Err(VerifyError::Source(SourceError::Unavailable { address, reason })) => {
                    tracing::warn!(%address, %reason, "the binlog could not be read");
                    lists
                }
                done => done?,
            },
        };
        for (ask, fate) in settled {
            match touched.contains(&ask.asked.list_key) {
                true => moving.push(ask),
                false => judged.push((ask, fate)),
            }
        }
        Ok(moving)
    }

    /// MySQL's answer, and how long it took.
    async fn of_mysql(&mut self, asked: &Asked<'a>) -> Result<(Said<ItemWrite>, Duration), VerifyError> {
        let (said, took) = self.source.select(|snapshot| asked.of_mysql(snapshot)).await?;
        Ok((asked.expected(said)?, took))
    }

    async fn of_hbase(&self, asked: &Asked<'a>) -> Result<Said<Found>, VerifyError> {
        let sides = (&*self.with.source, &*self.with.sink);
        retry(self.with, || asked.of_hbase(sides)).await
    }

    /// Judges a question about a list that never rests, in a turn of it.
    async fn in_turn(&mut self, asked: &Asked<'a>) -> Result<Fate, VerifyError> {
        let (with, mapping, key) = (self.with, self.mapping, &asked.key);
        let lists = [key.clone()];
        let read = async || self.of_hbase(asked).await;
        let Some((hbase, sealed)) = turn::held_up(self.watch, mapping, &lists, read).await? else {
            return Ok(Fate::Unsettled);
        };
        if !self.watch.committed(&*with.source, &sealed).await? {
            return Ok(Fate::Unsettled);
        }
        let whole = |mut snapshot: Box<dyn Snapshot>| async move {
            let whole = asked.whole(&mut *snapshot, ROWS_IN_TURN_MAX).await?;
            Ok((whole, snapshot))
        };
        let Some((rows, own)) = self.source.select(whole).await? else { return Ok(Fate::Unsettled) };
        let Some(mysql) = self.answered(asked, rows, own, sealed).await? else { return Ok(Fate::Unsettled) };
        let mysql = asked.expected(mysql)?;
        Ok(if equal(&mysql, &hbase) { Fate::Equal } else { Fate::Different { mysql, hbase } })
    }

    /// What MySQL answered where HBase had `sealed`, from the rows of the list that a later read view showed, and from what
    /// the application's SELECT answered in that view (`own`). That cannot be run in the past: where the list has changed
    /// since, the meaning of the question stands for it, but only if both are the same in the view. `None`: they are not.
    async fn answered(
        &self,
        asked: &Asked<'a>,
        rows: Vec<Row>,
        own: Option<Said<Row>>,
        sealed: Reached,
    ) -> Result<Option<Said<Row>>, VerifyError> {
        let mut shown: BTreeMap<Address, Row> = BTreeMap::new();
        for row in rows {
            // a SELECT by a key may show rows of lists whose keys look alike
            if layout::list_key(self.mapping, &row)? == asked.list_key {
                shown.insert(Codec::of(self.mapping, &asked.target).address(&row)?, row);
            }
        }
        let before = self.before(asked, sealed).await?;
        if let Some(own) = own {
            if before.is_empty() {
                return Ok(Some(own));
            }
            if own != asked.of_rows(shown.values().cloned().collect()) {
                return Ok(None);
            }
        }
        let mut stood = shown;
        for (address, row) in before {
            match row {
                Some(row) => drop(stood.insert(address, row)),
                None => drop(stood.remove(&address)),
            }
        }
        Ok(Some(asked.of_rows(stood.into_values().collect())))
    }

    /// What stood at each address of the list that has changed since HBase had `sealed`: a row, or nothing.
    async fn before(
        &self,
        asked: &Asked<'a>,
        sealed: Reached,
    ) -> Result<BTreeMap<Address, Option<Row>>, VerifyError> {
        let codec = Codec::of(self.mapping, &asked.target);
        let mut before: BTreeMap<Address, Option<Row>> = BTreeMap::new();
        let see = |address: Address, row: Option<&[ColumnValue<'_>]>| {
            let is_ours = codec.split(&address).is_some_and(|parts| parts.list_key == asked.list_key);
            if is_ours {
                let owned = || row.map(|row| row.iter().cloned().map(ColumnValue::into_owned).collect());
                before.entry(address).or_insert_with(owned);
            }
        };
        turn::stood_before(self.with, (self.mapping, &asked.target), sealed, see).await?;
        Ok(before)
    }
}
