//! `tailfill suggest`.

use super::args::SuggestArgs;
use super::usage::usage;
use crate::app::{self, Asked, OrderWish, PasswordFrom, ShapeWish, SuggestOptions};
use crate::config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::QueryKind;
use crate::model::spelling::likely;

const KINDS: [QueryKind; 5] =
    [QueryKind::Latest, QueryKind::First, QueryKind::Page, QueryKind::Has, QueryKind::Count];
/// As the configuration bounds `limit`.
const LIMIT_MAX: u32 = 1_000_000;

pub async fn suggest(args: SuggestArgs) -> Result<Exit, Failure> {
    app::suggest(options(args)?).await
}

fn options(args: SuggestArgs) -> Result<SuggestOptions, Failure> {
    let (url, password) = config::without_password(&args.source);
    let file = args.password_file.map(PasswordFrom::File);
    if password.is_some() && file.is_some() {
        return Err(usage("--password-file and a password in --source exclude each other"));
    }
    let tls = [("tls", args.tls), ("ca", args.ca), ("cert", args.cert), ("key", args.key)];
    let order = match args.order {
        None => OrderWish::ByRule,
        Some(order) if order.eq_ignore_ascii_case("none") => OrderWish::None,
        Some(order) => OrderWish::By(order),
    };
    Ok(SuggestOptions {
        url,
        password,
        password_from: file.or(args.password_env.map(PasswordFrom::Env)),
        tls: tls.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        server_id: args.server_id,
        table: args.table,
        name: args.name,
        wish: ShapeWish { list: args.list, item: args.item, order },
        asked: queries(&args.queries)?,
        hbase: args.hbase,
        memcached: args.memcached,
        json: args.json,
    })
}

/// `latest:5000`, `has`, ...; each once.
fn queries(texts: &[String]) -> Result<Vec<Asked>, Failure> {
    let mut asked: Vec<Asked> = Vec::new();
    for text in texts {
        let query = query(text.trim())?;
        if asked.contains(&query) {
            return Err(usage(format!("--queries names {text:?} twice")));
        }
        asked.push(query);
    }
    Ok(asked)
}

fn query(text: &str) -> Result<Asked, Failure> {
    let (name, limit) = match text.split_once(':') {
        Some((name, limit)) => (name, Some(limit)),
        None => (text, None),
    };
    let Some(kind) = KINDS.into_iter().find(|kind| kind.name() == name) else {
        let help = match likely(name, KINDS.map(QueryKind::name)) {
            Some(likely) => format!("did you mean {likely}?"),
            None => "it takes latest:N, first:N, page:N, has and count, with commas between them".to_owned(),
        };
        return Err(usage(format!("--queries: {text:?} is no query")).with_help(help));
    };
    let number = limit.map(|limit| limit.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)));
    match (kind.returns_items(), number) {
        (true, Some(Some(limit))) => Ok(Asked { kind, limit: Some(limit) }),
        (false, None) => Ok(Asked { kind, limit: None }),
        (true, _) => {
            let help = format!("give the most items that it returns, 1 to {LIMIT_MAX}: {name}:100");
            Err(usage(format!("--queries: {text:?} has no number of items")).with_help(help))
        }
        (false, Some(_)) => {
            Err(usage(format!("--queries: {name} returns no items, so it takes no number ({text:?})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Asked>, String> {
        let texts: Vec<String> = text.split(',').map(str::to_owned).collect();
        queries(&texts).map_err(|failure| failure.render())
    }

    #[test]
    fn queries_have_a_kind_and_where_they_return_items_a_limit() {
        let asked = |kind, limit| Asked { kind, limit };
        let expected = vec![
            asked(QueryKind::Latest, Some(5_000)),
            asked(QueryKind::First, Some(100)),
            asked(QueryKind::Has, None),
            asked(QueryKind::Count, None),
        ];
        assert_eq!(of("latest:5000,first:100, has,count"), Ok(expected));
    }

    #[test]
    fn a_list_of_queries_that_is_wrong_is_refused_with_what_is_right() {
        for (text, words) in [
            ("lastest:5", "did you mean latest?"),
            ("latest", "latest:100"),
            ("latest:0", "1 to 1000000"),
            ("latest:x", "1 to 1000000"),
            ("has:3", "takes no number"),
            ("", "it takes latest:N"),
            ("has,has", "twice"),
            ("sum", "it takes latest:N"),
        ] {
            let refusal = of(text).expect_err(text);
            assert!(refusal.contains(words), "{text}: {refusal}");
        }
    }
}
