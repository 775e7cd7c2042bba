//! Changes in statement format: which tables they write and read, and which functions they call.
//!
//! A view, a trigger, a stored function or a foreign key can carry such a change to a table that the statement does
//! not name. So it leaves a mapped table alone only if the server proves what a [`Question`] asks.

use super::lexer::Token;
use super::reader::{Path, Reader};
use crate::model::TableName;
use std::collections::BTreeSet;

/// What has to be proven before a statement-format change is harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// Base tables without triggers, and without foreign keys that change rows of other tables.
    pub written: BTreeSet<TableName>,
    /// Base tables: a view may call a function.
    pub read: BTreeSet<TableName>,
    /// No stored functions.
    pub functions: BTreeSet<TableName>,
}

impl Question {
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// All names that it is about.
    pub fn names(&self) -> impl Iterator<Item = &TableName> {
        self.written.iter().chain(&self.read).chain(&self.functions)
    }
}

/// A statement that changes rows by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsStatement {
    /// Its verb, for messages.
    pub what: &'static str,
    /// `None`: they are not known.
    tables: Option<Tables>,
    called: Vec<Path>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tables {
    written: Vec<Path>,
    read: Vec<Path>,
}

impl RowsStatement {
    /// Whether it names a table to write to for which `is` holds.
    pub fn writes(&self, is: impl Fn(&Path) -> bool) -> bool {
        self.tables.as_ref().is_some_and(|tables| tables.written.iter().any(is))
    }

    /// What has to be proven; `None` where nothing would prove it.
    pub fn question(&self, default_schema: &str) -> Option<Question> {
        let tables = self.tables.as_ref()?;
        let whole = |path: &Path| TableName {
            schema: path.schema.clone().unwrap_or_else(|| default_schema.to_owned()),
            table: path.name.clone(),
        };
        Some(Question {
            written: tables.written.iter().map(whole).collect(),
            read: tables.read.iter().map(whole).collect(),
            functions: self.called.iter().map(whole).collect(),
        })
    }
}

/// Reads a whole statement, whose verb is `what`.
pub fn read(what: &'static str, tokens: &[Token], complete: bool) -> RowsStatement {
    let tables = complete.then(|| tables(Reader::new(tokens))).flatten();
    RowsStatement { what, tables, called: called(tokens) }
}

/// What stands behind the name of CREATE TABLE, if that has a query: rows of a new table, and what its query calls.
pub fn of_create(tokens: &[Token], complete: bool) -> Option<RowsStatement> {
    let query = |at: usize| {
        let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(word));
        is(at, "SELECT") || is(at, "TABLE") || (is(at, "VALUES") && is(at + 1, "ROW"))
    };
    if !(0..tokens.len()).any(query) {
        return None;
    }
    let what = "CREATE TABLE ... SELECT";
    let tables = complete.then(|| scan(Reader::new(tokens), Frame::default())).flatten();
    Some(RowsStatement { what, tables, called: called(tokens) })
}

/// Every name in front of a parenthesis: functions, and others that no function has.
fn called(tokens: &[Token]) -> Vec<Path> {
    let mut reader = Reader::new(tokens);
    let mut called = Vec::new();
    while reader.peek().is_some() {
        match reader.path() {
            Some(path) if reader.at_symbol('(') => called.push(path),
            Some(_) => {}
            None => _ = reader.next(),
        }
    }
    called
}

fn tables(mut reader: Reader<'_>) -> Option<Tables> {
    if reader.take("INSERT") || reader.take("REPLACE") {
        while reader.take_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"]) {}
        reader.take("INTO");
        return one(reader);
    }
    if reader.take("LOAD") {
        while !reader.take("INTO TABLE") {
            reader.next()?;
        }
        return one(reader);
    }
    if reader.take("UPDATE") {
        while reader.take_any(&["LOW_PRIORITY", "IGNORE"]) {}
        return all_written(reader);
    }
    if reader.take("DELETE") {
        return delete(reader);
    }
    if reader.take("WITH") {
        return with(reader);
    }
    if reader.at("CALL") {
        return None;
    }
    scan(reader, Frame::default())
}

/// One table is written, which is named here.
fn one(mut reader: Reader<'_>) -> Option<Tables> {
    let written = reader.path()?;
    let mut tables = scan(reader, Frame::default())?;
    tables.written.push(written);
    Some(tables)
}

/// Any of the tables that are named here may be written.
fn all_written(reader: Reader<'_>) -> Option<Tables> {
    scan(reader, Frame { names_tables: true, expects_one: true, writes: true, calls: false })
}

fn delete(mut reader: Reader<'_>) -> Option<Tables> {
    while reader.take_any(&["LOW_PRIORITY", "QUICK", "IGNORE", "HISTORY"]) {}
    let mut single = reader;
    if single.take("FROM") {
        let table = single;
        single.path()?;
        if !single.at_symbol('.') && !single.at_symbol(',') && !single.at("USING") {
            return one(table);
        }
    }
    // DELETE a, b.* FROM tables; DELETE FROM a, b.* USING tables: those before are names or aliases of these
    let behind_from = !reader.take("FROM");
    let word = if behind_from { "FROM" } else { "USING" };
    while !reader.take(word) {
        reader.next()?;
    }
    all_written(reader)
}

/// WITH a AS (...), b (x) AS (...) and the statement itself. What is written in there are names of it, or tables.
fn with(mut reader: Reader<'_>) -> Option<Tables> {
    reader.take("RECURSIVE");
    let mut defined = Vec::new();
    let mut read = Vec::new();
    loop {
        defined.push(reader.path()?.name);
        if reader.at_symbol('(') {
            reader.skip_parentheses();
        }
        reader.take("AS").then_some(())?;
        let from = reader.rest();
        reader.skip_parentheses();
        let query = &from[..from.len() - reader.rest().len()];
        read.extend(scan(Reader::new(query), Frame::default())?.read);
        if !reader.take_symbol(',') {
            break;
        }
    }
    let mut tables = tables(reader)?;
    tables.read.extend(read);
    let is_defined = |path: &Path| path.schema.is_none() && defined.contains(&path.name);
    tables.read.retain(|path| !is_defined(path));
    tables.written.retain(|path| !is_defined(path));
    Some(tables)
}

/// What is known at one depth of parentheses.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// Behind FROM or UPDATE: names are tables.
    names_tables: bool,
    /// A table, or something in parentheses that stands for one, comes next.
    expects_one: bool,
    /// Tables that are named here may be written.
    writes: bool,
    /// The arguments of a function that may have a FROM of its own.
    calls: bool,
}

/// Words behind which no table is named any more.
const END_OF_TABLES: [&str; 16] = [
    "WHERE",
    "SET",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
    "SELECT",
    "INTO",
    "VALUES",
    "RETURNING",
    "LOCK",
    "DUPLICATE",
];

/// Functions whose arguments are separated by FROM.
const WITH_FROM: [&str; 6] = ["EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "MID", "OVERLAY"];

/// All tables that are named behind FROM, JOIN and TABLE at any depth. `None` where one does not stand where it should.
fn scan(mut reader: Reader<'_>, outermost: Frame) -> Option<Tables> {
    let mut tables = Tables::default();
    let mut outer: Vec<Frame> = Vec::new();
    let mut here = outermost;
    let mut before: Option<&Token> = None;
    while let Some(token) = reader.peek() {
        if here.expects_one && !token.is("LATERAL") && *token != Token::Symbol('(') {
            here.expects_one = false;
            if END_OF_TABLES.iter().any(|word| token.is(word)) {
                return None;
            }
            let path = reader.path()?;
            // DUAL is no table, and JSON_TABLE(...) is none of the server's
            if !reader.at_symbol('(') && !token.is("DUAL") {
                if here.writes { tables.written.push(path) } else { tables.read.push(path) }
            }
            before = Some(token);
            continue;
        }
        reader.next();
        match token {
            Token::Symbol('(') => {
                let called = before.is_some_and(|token| WITH_FROM.iter().any(|name| token.is(name)));
                let stands_for_a_table = std::mem::take(&mut here.expects_one);
                outer.push(here);
                let lists_tables = stands_for_a_table && !begins_query(&reader);
                here = Frame {
                    names_tables: lists_tables,
                    expects_one: lists_tables,
                    writes: lists_tables && here.writes,
                    calls: called,
                };
            }
            Token::Symbol(')') => here = outer.pop()?,
            Token::Symbol(',') => here.expects_one = here.names_tables,
            Token::Word(_) => here = here.word(token, before),
            _ => {}
        }
        before = Some(token);
    }
    outer.is_empty().then_some(tables)
}

fn begins_query(reader: &Reader<'_>) -> bool {
    ["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|word| reader.at(word))
}

impl Frame {
    fn word(self, word: &Token, before: Option<&Token>) -> Frame {
        let tables = Frame { names_tables: true, expects_one: true, ..self };
        if word.is("FROM") {
            // a IS DISTINCT FROM b
            let compares = before.is_some_and(|token| token.is("DISTINCT"));
            return if self.calls || compares { self } else { tables };
        }
        if word.is("TABLE") || (self.names_tables && (word.is("JOIN") || word.is("STRAIGHT_JOIN"))) {
            return tables;
        }
        if END_OF_TABLES.iter().any(|end| word.is(end)) {
            return Frame { names_tables: false, expects_one: false, ..self };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::letters::Letters;
    use super::super::lexer;
    use super::super::session::Mode;
    use super::*;

    /// Names of written and of read tables, and of functions.
    fn read_of(text: &str) -> Option<[Vec<String>; 3]> {
        let tokens = lexer::tokens(text.as_bytes(), &Letters::utf8(), Mode::default());
        let question = read("x", &tokens.read, tokens.complete).question("d")?;
        let names = |set: &BTreeSet<TableName>| set.iter().map(TableName::to_string).collect();
        Some([names(&question.written), names(&question.read), names(&question.functions)])
    }

    fn tables_of(text: &str) -> (String, String) {
        let [written, read, _] = read_of(text).unwrap_or_else(|| panic!("{text}"));
        (written.join(" "), read.join(" "))
    }

    #[test]
    fn tables_that_are_written_and_read_are_told_apart() {
        for (text, written, read) in [
            ("INSERT INTO a VALUES (1, (SELECT max(x) FROM b))", "d.a", "d.b"),
            (
                "REPLACE a.b (x) SELECT y FROM c JOIN s.e ON c.x = e.x, (SELECT 1 FROM f) AS g",
                "a.b",
                "d.c d.f s.e",
            ),
            ("INSERT IGNORE INTO a TABLE b", "d.a", "d.b"),
            ("UPDATE a, (SELECT 1 FROM c) AS e SET x = 1 WHERE y IN (SELECT z FROM b)", "d.a", "d.b d.c"),
            ("UPDATE LOW_PRIORITY a, (b LEFT JOIN c USING (x)) SET a.x = 1", "d.a d.b d.c", ""),
            ("DELETE FROM a WHERE b = 1 ORDER BY c LIMIT 1", "d.a", ""),
            ("DELETE FROM a AS x WHERE EXISTS (SELECT 1 FROM b WHERE b.y = x.y)", "d.a", "d.b"),
            ("DELETE x FROM a AS x JOIN b USE INDEX (i) ON a.x = b.x WHERE 1", "d.a d.b", ""),
            ("DELETE FROM a, b USING a STRAIGHT_JOIN b", "d.a d.b", ""),
            (
                "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE s.a FIELDS TERMINATED BY ',' (x, @y) SET z = @y",
                "s.a",
                "",
            ),
            ("WITH q (x) AS (SELECT 1 FROM b) DELETE FROM a WHERE x IN (SELECT x FROM q)", "d.a", "d.b"),
            ("SELECT `s`.`f`(1, TRIM(BOTH 'x' FROM y), EXTRACT(DAY FROM z)) FROM DUAL", "", ""),
            ("DO RELEASE_LOCK('x')", "", ""),
            ("INSERT INTO a SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (x INT PATH '$')) AS j", "d.a", ""),
            ("INSERT INTO a SELECT x IS NOT DISTINCT FROM y FROM b", "d.a", "d.b"),
            ("INSERT INTO a SELECT 1 FROM b ON DUPLICATE KEY UPDATE x = 1, y = 2", "d.a", "d.b"),
        ] {
            assert_eq!(tables_of(text), (written.to_owned(), read.to_owned()), "{text}");
        }
    }

    #[test]
    fn functions_are_whatever_stands_before_a_parenthesis() {
        let [_, _, functions] =
            read_of("INSERT INTO a SELECT f(1), s.`g` (2), h FROM b WHERE x IN (1)").unwrap();
        assert_eq!(functions, ["d.IN", "d.f", "s.g"]);
    }

    #[test]
    fn what_does_not_stand_where_it_should_is_not_known() {
        for text in
            ["CALL p(1)", "DELETE FROM 'a'", "UPDATE a, WHERE", "INSERT INTO (x) VALUES (1)", "DELETE 'a"]
        {
            assert_eq!(read_of(text), None, "{text}");
        }
    }
}
