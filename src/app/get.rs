//! `tailfill get`: asks MySQL, HBase or both about one list.

use super::options::GetOptions;
use super::{begun, check, connect, pilot};
use crate::advice;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Mapping, Pilot};
use crate::sink::layout;
use crate::verify::{Side, answer_question, answers_json, answers_text, work_text};

/// Prints the answer; exits with 4 when both sides were asked and do not agree.
pub async fn get(config: &Config, mapping: &Mapping, options: GetOptions) -> Result<Exit, Failure> {
    let resolved = connect::resolve(config, &begun::of(config).await?).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
    let side = options.from;
    let list = (mapping, &options.key[..]);
    let cohort = pilot::known(config, &resolved.mappings).await?;
    if side != Side::Mysql && !cohort.has(mapping, &layout::list_key_of(mapping, &options.key)?) {
        let lists = cohort.pilot().map(Pilot::words).unwrap_or_default();
        let text =
            format!("the pilot moves {lists}, and this list is not among them: HBase does not have it");
        return Err(Failure::new(Exit::Refused, text).with_help(advice::list_outside_the_pilot()));
    }
    let (answers, work) =
        answer_question((&*resolved.source, &*sink), list, &options.what, side, options.table.as_deref())
            .await?;
    let shown = options.stats.then_some(&work);
    check::print(&match options.json {
        true => answers_json(mapping, &answers, side, shown),
        false => answers_text(mapping, &answers, side) + &shown.map(work_text).unwrap_or_default(),
    })?;
    Ok(if answers.equal() { Exit::Done } else { Exit::Differences })
}
