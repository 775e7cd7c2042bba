//! Business: the answers that the application would get from MySQL and from HBase, compared whole.
//!
//! Each `[[mapping.query]]` is asked about the lists that [`draw`](draw::draw) chose, on both sides: items, their order, ties,
//! values, counts. Confirmed as an item is ([`confirm`](super::confirm)): both answers of MySQL are equal, HBase's is another
//! one, and no change of that list outside the first executed set explains it. A list that never rests is judged in a
//! [`turn`]: what MySQL would have answered at the place of the binlog at which HBase stood.
//!
//! A query with the application's own SELECT is asked on MySQL with that; its items become rows of the table in the same
//! read view, so that all else stays as it is.

mod ask;
mod asking;
mod draw;
mod report;
mod times;

pub use ask::Query;
pub use report::{BusinessMapping, BusinessQuery, BusinessReport};

use self::ask::Ask;
use self::asking::Asker;
use self::draw::Drawn;
use self::report::MappingAnswers;
use super::full::note_moves;
use super::list::Asked;
use super::tail::Watch;
use super::{Question, Side, Stage, Verification, VerifyError};
use crate::model::{Cursor, Mapping, QueryKind, Reached, Row, Value};
use tokio::time::Instant;

/// Answers that are compared under one look at what MySQL has executed.
const ASKS_AT_ONCE: usize = 50;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct BusinessAsk {
    /// For each mapping of the comparison, in their order.
    pub queries: Vec<Vec<Query>>,
    /// Lists that are drawn at random from each mapping.
    pub random: usize,
    pub seed: u64,
    /// Where the part of the binlog begins in which changed lists are looked for; `None`: nowhere.
    pub since: Option<Reached>,
}

/// Compares answers. Reads only.
///
/// # Errors
/// A server that stays away; a row without a row key. That nothing can be judged is no error but in the report.
pub async fn business(with: &Verification, ask: &BusinessAsk) -> Result<BusinessReport, VerifyError> {
    let begin = Instant::now();
    let mut report = BusinessReport::default();
    let cannot_judge = match compare(with, ask, &mut report).await {
        Ok(()) => None,
        Err(VerifyError::CannotJudge { reason }) => Some(reason),
        Err(error) => return Err(error),
    };
    report.finish(cannot_judge, begin.elapsed());
    Ok(report)
}

async fn compare(
    with: &Verification,
    ask: &BusinessAsk,
    report: &mut BusinessReport,
) -> Result<(), VerifyError> {
    with.meter.enter(Stage::CatchingUp);
    let watch = Watch::begin(with.tail.clone(), &*with.source, with.settings.wait_max).await?;
    for (mapping, queries) in with.mappings.iter().zip(&ask.queries) {
        if queries.is_empty() {
            report
                .notes
                .push(format!("mapping {} has no [[mapping.query]]: nothing was asked", mapping.name));
            continue;
        }
        with.meter.enter(Stage::Drawing);
        let drawn = draw::draw(with, mapping, (ask.random, ask.seed), ask.since.clone()).await?;
        with.meter.enter(Stage::Asking);
        let mut answers = MappingAnswers::new(mapping, queries, &drawn);
        answer(with, &watch, (mapping, queries), &drawn, &mut answers).await?;
        report.mappings.push(answers.finish());
    }
    let is_equal = report.differences() == 0;
    report.notes.extend(note_moves(with, &watch, is_equal).await?);
    Ok(())
}

/// Asks everything about the lists of one mapping.
async fn answer(
    with: &Verification,
    watch: &Watch,
    (mapping, queries): (&Mapping, &[Query]),
    drawn: &Drawn,
    answers: &mut MappingAnswers<'_>,
) -> Result<(), VerifyError> {
    let mut asker = Asker::new(with, watch, mapping);
    let (mut asks, mut other) = (Vec::new(), None);
    for (list_key, (key, group)) in &drawn.lists {
        for (number, query) in queries.iter().enumerate() {
            for question in questions(&mut asker, (mapping, key), query, &mut other).await? {
                let asked = Asked::new(mapping, key.clone(), question, Side::Both)?;
                let asked = Asked { sql: query.sql.as_ref(), ..asked };
                debug_assert_eq!(asked.list_key, *list_key);
                asks.push(Ask { query: number, group: *group, asked });
            }
        }
        if asks.len() >= ASKS_AT_ONCE {
            settle(&mut asker, std::mem::take(&mut asks), answers).await?;
        }
    }
    settle(&mut asker, asks, answers).await
}

async fn settle<'a>(
    asker: &mut Asker<'a>,
    asks: Vec<Ask<'a>>,
    answers: &mut MappingAnswers<'_>,
) -> Result<(), VerifyError> {
    if asks.is_empty() {
        return Ok(());
    }
    for (ask, fate) in asker.judge(asks, &mut answers.times).await? {
        answers.take(&ask, fate);
    }
    Ok(())
}

/// The questions that a query is about one list: a page is followed by the next one, and an item is asked for that is there,
/// and one of another list (`other`) that most probably is not.
async fn questions<'a>(
    asker: &mut Asker<'a>,
    (mapping, key): (&'a Mapping, &[Value]),
    query: &Query,
    other: &mut Option<Vec<Value>>,
) -> Result<Vec<Question>, VerifyError> {
    let limit = query.limit;
    Ok(match query.kind {
        QueryKind::Latest => vec![Question::Latest(limit)],
        QueryKind::First => vec![Question::First(limit)],
        QueryKind::Count => vec![Question::Count],
        QueryKind::Page => {
            let first = Question::Page { limit, after: None };
            let rows = asker.rows(&Asked::new(mapping, key.to_vec(), first.clone(), Side::Mysql)?).await?;
            let last = rows.last().filter(|_| rows.len() >= limit as usize);
            let next = last.map(|row| Question::Page { limit, after: Some(cursor(mapping, row)) });
            std::iter::once(first).chain(next).collect()
        }
        QueryKind::Has => {
            let first = Asked::new(mapping, key.to_vec(), Question::First(1), Side::Mysql)?;
            let here = asker.rows(&first).await?.first().map(|row| item_of(mapping, row));
            let elsewhere = match &here {
                Some(here) => other.replace(here.clone()),
                None => other.clone(),
            };
            let elsewhere = elsewhere.filter(|item| here.as_ref() != Some(item));
            [here, elsewhere].into_iter().flatten().map(Question::Has).collect()
        }
    })
}

fn item_of(mapping: &Mapping, row: &Row) -> Vec<Value> {
    mapping.item.iter().map(|&column| row[column].clone()).collect()
}

fn cursor(mapping: &Mapping, row: &Row) -> Cursor {
    Cursor { order: mapping.order.map(|order| row[order.column].clone()), item: item_of(mapping, row) }
}
