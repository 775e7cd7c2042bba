//! The application's own SELECT about a list: its text as the configuration has it, and what it returned.

use super::SourceError;
use super::binlog::statement::{Token, of_our_sessions};
use crate::model::{QueryKind, Value};
use std::time::Duration;

/// How long MySQL works on one such SELECT at most.
pub const APPLICATION_SQL_MAX: Duration = Duration::from_secs(30);

/// One SELECT of the application, with a `?` for each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationSql {
    text: String,
    places: usize,
    origin: String,
}

impl ApplicationSql {
    /// Reads a statement, as a session of ours would.
    ///
    /// # Errors
    /// The rule that it breaks, as the end of a sentence.
    pub fn parse(text: &str) -> Result<ApplicationSql, String> {
        let tokens = of_our_sessions(text);
        if !tokens.complete {
            return Err("must be one SELECT: a quote or a comment in it has no end".to_owned());
        }
        let read = &tokens.read;
        let first = read.iter().find(|token| **token != Token::Symbol('('));
        if !first.is_some_and(|token| token.is("SELECT") || token.is("WITH")) {
            return Err("must be one SELECT: begin it with SELECT or WITH".to_owned());
        }
        if read.contains(&Token::Symbol(';')) {
            return Err("must be one SELECT, without a semicolon".to_owned());
        }
        if read.contains(&Token::Symbol(':')) {
            return Err("must have `?` for each value, and no colon outside of quotes".to_owned());
        }
        if let Some(words) = writes(read) {
            return Err(format!("must only read: leave out {words}"));
        }
        let places = read.iter().filter(|token| **token == Token::Symbol('?')).count();
        Ok(ApplicationSql { text: text.to_owned(), places, origin: String::new() })
    }

    /// The same statement, with the name that errors give it: its query, and where it stands.
    pub fn named(self, query: &str, path: &str) -> ApplicationSql {
        ApplicationSql { origin: format!("query {query} ({path})"), ..self }
    }

    /// As the configuration has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many `?` stand outside of quotes and comments.
    pub fn places(&self) -> usize {
        self.places
    }

    /// As errors name it: `the SQL of query newest (mapping[0].query[0].sql)`.
    pub fn what(&self) -> String {
        format!("the SQL of {}", self.origin)
    }

    /// It runs, and its answer cannot be used.
    pub fn unusable(&self, reason: impl Into<String>) -> SourceError {
        SourceError::Refused { what: self.what(), reason: reason.into() }
    }
}

/// The first keywords that lock or write. One behind a dot is the name of a column.
fn writes(tokens: &[Token]) -> Option<&'static str> {
    const FORBIDDEN: [(&str, &str, &str); 6] = [
        ("FOR", "UPDATE", "FOR UPDATE"),
        ("FOR", "SHARE", "FOR SHARE"),
        ("LOCK", "IN", "LOCK IN SHARE MODE"),
        ("INTO", "", "INTO"),
        ("UPDATE", "", "UPDATE"),
        ("DELETE", "", "DELETE"),
    ];
    let is = |at: usize, word: &str| word.is_empty() || tokens.get(at).is_some_and(|token| token.is(word));
    let at = |at: usize| at == 0 || tokens[at - 1] != Token::Symbol('.');
    let found = |(first, second, _): &&(&str, &str, &str)| {
        (0..tokens.len()).any(|place| at(place) && is(place, first) && is(place + 1, second))
    };
    FORBIDDEN.iter().find(found).map(|(_, _, words)| *words)
}

/// A question about one list, asked by a SELECT of the application.
#[derive(Clone, Copy, Debug)]
pub struct ApplicationAsk<'a> {
    /// The statement.
    pub sql: &'a ApplicationSql,
    /// What it answers.
    pub kind: QueryKind,
    /// Values of the key columns: those of the first `?`.
    pub key: &'a [Value],
    /// Values of the item columns, for the `?` behind them; empty unless `kind` is `Has`.
    pub item: &'a [Value],
    /// Rows of the result that are kept; MySQL may send more.
    pub rows_max: usize,
}

/// What such a SELECT returned, as far as it answers the question.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Values of the item columns, row by row, in the order of the result.
    Items(Vec<Vec<Value>>),
    /// The first column of the first row; `None` without a row, and where that is NULL or no whole number from 0 on.
    Number(Option<u64>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_outside_of_quotes_and_comments() {
        for (text, places) in [
            ("SELECT 1", 0),
            ("select a FROM t WHERE b = ? AND c = ? LIMIT 5", 2),
            ("SELECT '?', \"?\", `a?` -- ? \n FROM t # ?\n WHERE /* ? */ b = ?", 1),
            ("SELECT 'it''s ?', 'it\\'s ?' FROM t WHERE b = ?", 1),
            ("WITH w AS (SELECT a FROM t WHERE b = ?) SELECT a FROM w", 1),
            ("(SELECT a FROM t WHERE b = ?) UNION ALL (SELECT a FROM u WHERE b = ?)", 2),
            ("SELECT t.update, t.`delete`, 'into; x:y' FROM t WHERE d -> '$.a' = ?", 1),
        ] {
            assert_eq!(ApplicationSql::parse(text).map(|sql| sql.places()), Ok(places), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_statement_that_reads_is_refused() {
        for (text, rule) in [
            ("", "begin it with SELECT or WITH"),
            ("DELETE FROM t", "begin it with SELECT or WITH"),
            ("TABLE t", "begin it with SELECT or WITH"),
            ("SELECT 1;", "without a semicolon"),
            ("SELECT 1; DROP TABLE t", "without a semicolon"),
            ("SELECT 'a", "has no end"),
            ("SELECT 1 /* a", "has no end"),
            ("SELECT a FROM t WHERE b = :b", "no colon"),
            ("SELECT a FROM t WHERE b = ? FOR UPDATE", "leave out FOR UPDATE"),
            ("SELECT a FROM t WHERE b = ? for share", "leave out FOR SHARE"),
            ("SELECT a FROM t WHERE b = ? LOCK IN SHARE MODE", "leave out LOCK IN SHARE MODE"),
            ("SELECT a INTO OUTFILE 'x' FROM t", "leave out INTO"),
            ("WITH w AS (SELECT 1) DELETE FROM t", "leave out DELETE"),
            ("WITH w AS (SELECT 1) UPDATE t SET a = 1", "leave out UPDATE"),
        ] {
            let fault = ApplicationSql::parse(text).expect_err(text);
            assert!(fault.starts_with("must ") && fault.contains(rule), "{text}: {fault}");
        }
    }

    #[test]
    fn an_error_names_the_query_and_its_place() {
        let sql =
            ApplicationSql::parse("SELECT 1").expect("a SELECT").named("newest", "mapping[0].query[1].sql");
        assert_eq!(
            sql.unusable("no").to_string(),
            "mysql refused the SQL of query newest (mapping[0].query[1].sql): no"
        );
    }
}
