//! `tailfill get`: asks one or both sides about a list.

use super::{GetOptions, GetSide, GetWhat, connect};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Mapping;
use crate::verify::{Question, Side, answers_json, answers_text, ask};

/// Exit 4 when both sides were asked and do not agree.
pub async fn get(config: &Config, mapping: &Mapping, options: GetOptions) -> Result<Exit, Failure> {
    let resolved = connect::resolve(config).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
    let question = match options.what {
        GetWhat::First(items) => Question::First(items),
        GetWhat::Latest(items) => Question::Latest(items),
        GetWhat::Count => Question::Count,
        GetWhat::Has(item) => Question::Has(item),
    };
    let side = match options.from {
        GetSide::Mysql => Side::Mysql,
        GetSide::Hbase => Side::Hbase,
        GetSide::Both => Side::Both,
    };
    let answers = ask((&*resolved.source, &sink), mapping, &options.key, &question, side).await?;
    match options.json {
        true => println!("{}", answers_json(mapping, &answers, side)),
        false => print!("{}", answers_text(mapping, &answers, side)),
    }
    Ok(if answers.equal() { Exit::Done } else { Exit::Differences })
}
