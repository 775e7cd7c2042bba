//! What is asked of one list, answered by MySQL, by HBase, or by both for comparison.
//!
//! Items are in the order of the list: by order value, ties by item ascending (docs/formats.md). Latest N are the
//! N from the new end, first N those from the other end, a page the N behind an item. Without an order, items ascend, and
//! there is only "first". HBase answers through the target that does so best (`sink::answer`).
//!
//! Two sides are two reads at two moments: while the list is written to, they may differ by what is under way.

mod answers;
mod count;
mod own;
mod pairs;
mod place;
mod said;
mod selects;
mod stored;

pub use answers::{Answers, Pair, Question, Side, StoredItem};
pub use count::Count;
pub(super) use said::{Asked, Beyond, Said};
pub use selects::SelectCount;

use super::VerifyError;
use crate::advice;
use crate::compare::{Once, Sides};
use crate::model::{Mapping, Target, Value};
use crate::sink::answer::{self, Answer};
use crate::sink::{ReadCounts, ReadTotals, layout};
use crate::source::Source;
use selects::Selects;
use stored::StoredList;

/// What was done for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Of HBase, when it was asked: the table, and how it answers.
    pub hbase: Option<(String, String)>,
    /// `None` for a sink that does not count.
    pub reads: Option<ReadTotals>,
    pub selects: SelectCount,
}

/// Asks about the list `key`. `table`: HBase answers from the target in this table, whether or not another does better.
///
/// # Errors
/// `NoTarget` when HBase is asked for an order that no target keeps; what the servers say.
pub async fn answer_question(
    (source, sink): (&dyn Source, &dyn ReadCounts),
    (mapping, key): (&Mapping, &[Value]),
    question: &Question,
    side: Side,
    table: Option<&str>,
) -> Result<(Answers, Work), VerifyError> {
    let (target, answer) = target_for(mapping, question, side, table)?;
    let list_key = layout::list_key_of(mapping, key)?;
    let sides = Sides { source, sink, mapping, target: &target, by: Once::reading() };
    let stored = StoredList { sides, mapping, target: &target, key, list_key: &list_key };
    let mut selects = match side.has_mysql() {
        true => Some(Selects::new(source.snapshot().await?, mapping, key)),
        false => None,
    };
    let before = sink.read_totals().unwrap_or_default();
    let answers = match question.part(mapping) {
        _ if *question == Question::Count => {
            let mysql = match &mut selects {
                Some(selects) => Some(selects.count().await?),
                None => None,
            };
            let hbase = if side.has_hbase() { Some(stored.count().await?) } else { None };
            Answers::Count { mysql, hbase }
        }
        part => pairs::items(&stored, selects.as_mut(), question, part, side).await?,
    };
    let since = |now: ReadTotals| ReadTotals {
        calls: now.calls - before.calls,
        rows: now.rows - before.rows,
        cells: now.cells - before.cells,
    };
    let work = Work {
        hbase: side.has_hbase().then(|| (target.table.clone(), words(&answer))),
        reads: sink.read_totals().filter(|_| side.has_hbase()).map(since),
        selects: selects.map(|selects| selects.count).unwrap_or_default(),
    };
    Ok((answers, work))
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Bounded(reads) => format!("a bounded read: {}", reads.words(None)),
        Answer::Scan { reads, .. } => format!("a scan of the list: {}", reads.words(None)),
        Answer::Not { reason, .. } => reason.clone(),
    }
}

/// The target whose rows answer the question; for MySQL alone one may be imagined.
fn target_for(
    mapping: &Mapping,
    question: &Question,
    side: Side,
    table: Option<&str>,
) -> Result<(Target, Answer), VerifyError> {
    let found = match table {
        None => answer::best(mapping, question.as_ask(), |_| None),
        Some(table) => {
            let named = mapping.targets.iter().find(|target| target.table == table);
            named.map(|target| (target, answer::answer(mapping, target, question.as_ask())))
        }
    };
    match (found, table) {
        (Some((target, answer @ Answer::Not { .. })), _) if !side.has_hbase() => {
            Ok((Target { ordered: true, ..target.clone() }, answer))
        }
        (Some((target, Answer::Not { reason, change })), _) => Err(VerifyError::NoTarget {
            reason: format!("{} of mapping {} cannot answer this: {reason}", target.table, mapping.name),
            advice: advice::ask_mysql(&change),
        }),
        (Some((target, answer)), _) => Ok((target.clone(), answer)),
        (None, Some(table)) => {
            let tables: Vec<&str> = mapping.targets.iter().map(|target| target.table.as_str()).collect();
            Err(VerifyError::NoTarget {
                reason: format!("{table} is not a table of mapping {}", mapping.name),
                advice: format!("its tables are: {}", tables.join(", ")),
            })
        }
        (None, None) => Err(VerifyError::NoTarget {
            reason: format!("mapping {} has no target", mapping.name),
            advice: "give it one".into(),
        }),
    }
}
