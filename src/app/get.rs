//! `tailfill get`: asks MySQL, HBase or both about one list.

use super::options::{GetOptions, GetSide, GetWhat};
use super::{check, connect};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;
use crate::verify::{Question, Side, answers_json, answers_text, ask};

/// Prints the answer; exits with 4 when both sides were asked and do not agree.
pub async fn get(config: &Config, mapping: &Mapping, options: GetOptions) -> Result<Exit, Failure> {
    let resolved = connect::resolve(config).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
    let side = match options.from {
        GetSide::Mysql => Side::Mysql,
        GetSide::Hbase => Side::Hbase,
        GetSide::Both => Side::Both,
    };
    let question = match options.what {
        GetWhat::First(count) => Question::First(count),
        GetWhat::Latest(count) => Question::Latest(count),
        GetWhat::Count => Question::Count,
        GetWhat::Has(item) => Question::Has(item),
    };
    let answers = ask((&*resolved.source, &*sink), mapping, &options.key, &question, side).await?;
    let print = if options.json { answers_json } else { answers_text };
    check::print(&print(mapping, &answers, side))?;
    Ok(if answers.equal() { Exit::Done } else { Exit::Differences })
}
