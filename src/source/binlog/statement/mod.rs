//! What a statement in the binlog means: a transaction's frame, or what it does to a mapped table.
//!
//! In ROW format a QUERY event holds BEGIN, COMMIT, SAVEPOINT, XA statements, DDL, and the rare statement that somebody
//! logged in statement format. Promises: a statement is judged by what it can touch. One about something else never
//! stops anything, whatever its syntax; where it could touch a mapped table and nobody knows how, the answer is the
//! one that stops.
//! Refuses to know: what is done about an effect.
//!
//! `session` reads the event, `letters` and `lexer` cut its text as the server does, `kinds` is the list of statements
//! and what each touches, `alter` reads the clauses of ALTER TABLE, `rows` says what a change in statement format may
//! touch, and what the server would have to prove.

mod alter;
mod kinds;
mod letters;
mod lexer;
mod reader;
mod rows;
mod session;
#[cfg(test)]
mod tests;

pub use alter::ColumnClause;
pub use lexer::{Token, Tokens};
pub use rows::Question;

use super::cursor::Truncated;
use crate::failpoints::Failpoints;
use crate::model::TableName;
use crate::source::names::NameCase;
use crate::source::text::Charsets;
use alter::Clause;
use kinds::{Judged, Subject};
use letters::{ANYTHING, Letters, UNREADABLE};
use reader::{Path, Reader};
use session::{Logged, Mode};
use std::sync::Arc;

/// A statement of the binlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    Begin,
    Commit,
    /// ROLLBACK of a whole transaction.
    Rollback,
    /// ROLLBACK TO a savepoint: rows before it may not count.
    RollbackTo,
    /// SAVEPOINT and RELEASE SAVEPOINT.
    Savepoint,
    /// XA verb with the xid's text, spaces removed.
    XaStart(String),
    XaEnd,
    XaCommit(String),
    XaRollback(String),
    Other(Box<Definition>),
}

/// A statement that is not part of a transaction's frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    tokens: Vec<Token>,
    complete: bool,
    default_schema: String,
    case: NameCase,
    judged: Judged,
}

/// What a statement does to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    /// The definition may have changed; `clauses` are those that touch columns.
    Redefines {
        clauses: Vec<ColumnClause>,
    },
    /// Rows vanish, or the table does, without row events.
    Destroys {
        what: &'static str,
    },
    /// Rows may have changed, logged as a statement. Harmless where the server proves what is asked in `unless`.
    StatementFormat {
        what: String,
        unless: Option<Question>,
    },
    /// It may touch the table, and we do not know what it does.
    Unknown {
        what: String,
    },
}

/// The tokens of a statement in UTF-8, as a session with an empty `sql_mode` reads it: ours.
pub fn of_our_sessions(text: &str) -> Tokens {
    lexer::tokens(text.as_bytes(), &Letters::utf8(), Mode::default())
}

/// How the statements of one server are read.
#[derive(Clone, Debug, Default)]
pub struct Dialect {
    charsets: Arc<Charsets>,
    case: NameCase,
}

impl Dialect {
    pub fn new(charsets: Arc<Charsets>, case: NameCase) -> Dialect {
        Dialect { charsets, case }
    }

    /// The statement of a QUERY event.
    pub fn query(&self, data: &[u8]) -> Result<Statement, Truncated> {
        Ok(self.statement(Logged::query(data)?))
    }

    /// The statement of an EXECUTE_LOAD_QUERY event.
    pub fn load_query(&self, data: &[u8]) -> Result<Statement, Truncated> {
        Ok(self.statement(Logged::load(data)?))
    }

    fn statement(&self, logged: Logged<'_>) -> Statement {
        if Failpoints::default().statement_charset_ignored() {
            return read(
                lexer::tokens(logged.text, &Letters::utf8(), Mode::default()),
                logged.schema,
                self.case,
            );
        }
        let letters = Letters::of(logged.client, &self.charsets);
        read(lexer::tokens(logged.text, &letters, logged.mode), logged.schema, self.case)
    }
}

fn read(tokens: Tokens, default_schema: String, case: NameCase) -> Statement {
    if let Some(frame) = frame(&tokens.read) {
        return frame;
    }
    let Tokens { read, complete } = tokens;
    let judged = kinds::judge(&read, complete);
    Statement::Other(Box::new(Definition { tokens: read, complete, default_schema, case, judged }))
}

/// A statement of a transaction's frame.
fn frame(tokens: &[Token]) -> Option<Statement> {
    let mut reader = Reader::new(tokens);
    if reader.take("BEGIN") {
        return (!reader.at("NOT")).then_some(Statement::Begin);
    }
    if reader.take("START TRANSACTION") {
        return Some(Statement::Begin);
    }
    if reader.take("COMMIT") {
        return Some(Statement::Commit);
    }
    if reader.take("ROLLBACK") {
        let to = reader.rest().iter().any(|token| token.is("TO"));
        return Some(if to { Statement::RollbackTo } else { Statement::Rollback });
    }
    if reader.take_any(&["SAVEPOINT", "RELEASE SAVEPOINT"]) {
        return Some(Statement::Savepoint);
    }
    if !reader.take("XA") {
        return None;
    }
    let verb = reader.next()?;
    let xid = || xid(reader.rest());
    if verb.is("START") || verb.is("BEGIN") {
        return Some(Statement::XaStart(xid()));
    }
    if verb.is("END") {
        return Some(Statement::XaEnd);
    }
    if verb.is("COMMIT") {
        return Some(Statement::XaCommit(xid()));
    }
    verb.is("ROLLBACK").then(|| Statement::XaRollback(xid()))
}

fn xid(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens.iter().take_while(|token| !token.is("ONE")) {
        match token {
            Token::Symbol(c) => text.push(*c),
            Token::Word(word) => text.push_str(&word.to_ascii_uppercase()),
            Token::Name(other) | Token::Text(other) => {
                text.push('\'');
                text.push_str(other);
                text.push('\'');
            }
        }
    }
    text
}

impl Definition {
    /// CREATE TABLE ... SELECT: rows follow, up to an XID event.
    pub fn opens_transaction(&self) -> bool {
        let end = self.tokens.len();
        end > 2
            && self.tokens[0].is("CREATE")
            && self.tokens[end - 2].is("START")
            && self.tokens[end - 1].is("TRANSACTION")
    }

    /// Whether something is dropped: maybe the index that proves that two rows never have one address.
    pub fn drops(&self) -> bool {
        self.tokens.iter().any(|token| token.is("DROP"))
    }

    /// Whether it may drop an index, also by the name of a constraint.
    pub fn drops_index(&self) -> bool {
        let index =
            |token: &Token| ["INDEX", "KEY", "PRIMARY", "CONSTRAINT"].iter().any(|word| token.is(word));
        self.tokens.windows(2).any(|pair| pair[0].is("DROP") && index(&pair[1]))
    }

    /// Its kind (`ALTER TABLE`), for messages: never the statement, which may hold values.
    pub fn kind(&self) -> String {
        if let Some(head) = self.judged.head {
            return head.to_owned();
        }
        let words: Vec<String> = self
            .tokens
            .iter()
            .take(2)
            .filter_map(
                |token| if let Token::Word(word) = token { Some(word.to_ascii_uppercase()) } else { None },
            )
            .collect();
        words.join(" ")
    }

    /// What the statement does to `table`, whose name is spelled as the server stores it.
    pub fn effect_on(&self, table: &TableName) -> Effect {
        match self.effect_of_subject(table) {
            Effect::None => self.effect_of_rows(table),
            effect => effect,
        }
    }

    fn effect_of_subject(&self, table: &TableName) -> Effect {
        let is = |path: &Path| self.may_be(path, table);
        match &self.judged.subject {
            Subject::Nothing => Effect::None,
            Subject::Tables { what, tables } if tables.iter().any(is) => Effect::Destroys { what },
            Subject::Schema { what, name } if self.same(name, &table.schema) => Effect::Destroys { what },
            Subject::IndexOf(path) if is(path) => Effect::Redefines { clauses: Vec::new() },
            Subject::Alter { table: path, ignore, clauses } => {
                self.effect_of_alter(table, is(path), *ignore, clauses)
            }
            Subject::Named if self.names(table) => self.unknown(),
            Subject::Anything => self.unknown(),
            _ => Effect::None,
        }
    }

    fn effect_of_alter(&self, table: &TableName, ours: bool, ignore: bool, clauses: &[Clause]) -> Effect {
        if ours && ignore {
            return Effect::Destroys { what: "ALTER IGNORE TABLE" };
        }
        let mut columns = Vec::new();
        for clause in clauses {
            match clause {
                Clause::Moves { what, other } if ours || self.may_be(other, table) => {
                    return Effect::Destroys { what };
                }
                Clause::Destroys(what) if ours => return Effect::Destroys { what },
                Clause::Unknown if ours || self.names(table) => {
                    return Effect::Unknown { what: "a clause of ALTER TABLE".into() };
                }
                Clause::Column(column) => columns.push(column.clone()),
                _ => {}
            }
        }
        if ours { Effect::Redefines { clauses: columns } } else { Effect::None }
    }

    fn effect_of_rows(&self, table: &TableName) -> Effect {
        let Some(rows) = &self.judged.rows else { return Effect::None };
        let what = rows.what.to_owned();
        if rows.writes(|path| self.may_be(path, table)) {
            return Effect::StatementFormat { what, unless: None };
        }
        if Failpoints::default().statement_format_trusted() {
            return Effect::None;
        }
        match rows.question(&self.default_schema) {
            Some(question) if question.is_empty() => Effect::None,
            unless => Effect::StatementFormat { what, unless },
        }
    }

    fn unknown(&self) -> Effect {
        Effect::Unknown { what: self.kind() }
    }

    /// Whether the statement may change the answer to `question`: what kind of table a name stands for, its triggers and
    /// the foreign keys to it, or a stored function.
    pub fn may_change(&self, question: &Question) -> bool {
        match &self.judged.subject {
            Subject::Nothing if self.judged.rows.is_some() && self.judged.head != Some("CREATE TABLE") => {
                false
            }
            // a schema that vanishes takes foreign keys to tables of others along
            Subject::Anything | Subject::Schema { .. } => true,
            _ => !self.complete || self.takes_links_away() || question.names().any(|asked| self.names(asked)),
        }
    }

    /// Whether a trigger or a foreign key may be gone behind it. The statement does not name the table that had it.
    fn takes_links_away(&self) -> bool {
        let has = |word: &str| self.tokens.iter().any(|token| token.is(word));
        has("DROP") && ["TRIGGER", "FOREIGN", "CONSTRAINT"].into_iter().any(has)
    }

    /// Whether `table` is named anywhere.
    fn names(&self, table: &TableName) -> bool {
        let mut reader = Reader::new(&self.tokens);
        while reader.peek().is_some() {
            let path = reader.path();
            match path {
                Some(path) if self.may_be(&path, table) => return true,
                Some(_) => {}
                None => _ = reader.next(),
            }
        }
        false
    }

    fn may_be(&self, path: &Path, table: &TableName) -> bool {
        let schema = path.schema.as_deref().unwrap_or(&self.default_schema);
        self.same(schema, &table.schema) && self.same(&path.name, &table.table)
    }

    fn same(&self, name: &str, stored: &str) -> bool {
        may_be(name, stored, self.case)
    }
}

/// Whether the name that a statement gives may be the one that the server stores: what could not be read may be any name,
/// or any character of one.
pub fn may_be(name: &str, stored: &str, case: NameCase) -> bool {
    if name.contains(ANYTHING) {
        return true;
    }
    if !name.contains(UNREADABLE) {
        return case.same(name, stored);
    }
    let same = |(one, other): (char, char)| {
        one == UNREADABLE || case.same(one.encode_utf8(&mut [0; 4]), other.encode_utf8(&mut [0; 4]))
    };
    name.chars().count() == stored.chars().count() && name.chars().zip(stored.chars()).all(same)
}
