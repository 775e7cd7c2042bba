//! The statements that can stand in a binlog, and what each of them can touch.
//!
//! From the manuals of MySQL 9.7 and MariaDB 11.8; `tests/cases/statements` has for each of them a case that names a
//! mapped table and one that does not.

use super::alter::{Clause, clauses};
use super::lexer::Token;
use super::reader::{Path, Reader};
use super::rows::{self, RowsStatement};

/// What a statement is about, beside rows that it changes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// No row and no definition of any table that stays.
    Nothing,
    /// These tables vanish, are emptied, or take the place of others.
    Tables {
        what: &'static str,
        tables: Vec<Path>,
    },
    /// All tables of a schema vanish.
    Schema {
        what: &'static str,
        name: String,
    },
    /// A table gets or loses an index.
    IndexOf(Path),
    Alter {
        table: Path,
        ignore: bool,
        clauses: Vec<Clause>,
    },
    /// It may touch what it names.
    Named,
    /// It may touch anything.
    Anything,
}

/// How a kind of statement is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Touches no row and no definition of any table that stays.
    Harmless,
    CreateTable,
    /// CREATE of something else that OR REPLACE puts in the place of a table.
    CreateBesideTables,
    CreateSchema,
    Index,
    DropTables,
    DropSchema,
    AlterTable,
    AlterSchema,
    RenameTables,
    Truncate,
    Rows,
    /// ANALYZE TABLE, or ANALYZE in front of a statement (MariaDB).
    Analyze,
    /// SET STATEMENT a = b FOR statement (MariaDB).
    SetStatement,
}

/// Each kind by its head: the verb, and behind CREATE, ALTER and DROP the kind of object, modifiers left out.
const KINDS: &[(&str, Rule)] = &[
    ("CREATE TABLE", Rule::CreateTable),
    ("CREATE SEQUENCE", Rule::CreateBesideTables),
    ("CREATE DATABASE", Rule::CreateSchema),
    ("CREATE SCHEMA", Rule::CreateSchema),
    ("CREATE INDEX", Rule::Index),
    ("CREATE EVENT", Rule::Harmless),
    ("CREATE FUNCTION", Rule::Harmless),
    ("CREATE LIBRARY", Rule::Harmless),
    ("CREATE LOGFILE GROUP", Rule::Harmless),
    ("CREATE PACKAGE", Rule::Harmless),
    ("CREATE PROCEDURE", Rule::Harmless),
    ("CREATE RESOURCE GROUP", Rule::Harmless),
    ("CREATE ROLE", Rule::Harmless),
    ("CREATE SERVER", Rule::Harmless),
    ("CREATE SPATIAL REFERENCE SYSTEM", Rule::Harmless),
    ("CREATE TABLESPACE", Rule::Harmless),
    ("CREATE TRIGGER", Rule::Harmless),
    ("CREATE USER", Rule::Harmless),
    ("CREATE VIEW", Rule::Harmless),
    ("ALTER TABLE", Rule::AlterTable),
    ("ALTER DATABASE", Rule::AlterSchema),
    ("ALTER SCHEMA", Rule::AlterSchema),
    ("ALTER EVENT", Rule::Harmless),
    ("ALTER FUNCTION", Rule::Harmless),
    ("ALTER INSTANCE", Rule::Harmless),
    ("ALTER LIBRARY", Rule::Harmless),
    ("ALTER LOGFILE GROUP", Rule::Harmless),
    ("ALTER PROCEDURE", Rule::Harmless),
    ("ALTER RESOURCE GROUP", Rule::Harmless),
    ("ALTER SEQUENCE", Rule::Harmless),
    ("ALTER SERVER", Rule::Harmless),
    ("ALTER TABLESPACE", Rule::Harmless),
    ("ALTER USER", Rule::Harmless),
    ("ALTER VIEW", Rule::Harmless),
    ("DROP TABLE", Rule::DropTables),
    ("DROP TABLES", Rule::DropTables),
    ("DROP DATABASE", Rule::DropSchema),
    ("DROP SCHEMA", Rule::DropSchema),
    ("DROP INDEX", Rule::Index),
    ("DROP EVENT", Rule::Harmless),
    ("DROP FUNCTION", Rule::Harmless),
    ("DROP LIBRARY", Rule::Harmless),
    ("DROP LOGFILE GROUP", Rule::Harmless),
    ("DROP PACKAGE", Rule::Harmless),
    ("DROP PROCEDURE", Rule::Harmless),
    ("DROP RESOURCE GROUP", Rule::Harmless),
    ("DROP ROLE", Rule::Harmless),
    ("DROP SEQUENCE", Rule::Harmless),
    ("DROP SERVER", Rule::Harmless),
    ("DROP SPATIAL REFERENCE SYSTEM", Rule::Harmless),
    ("DROP TABLESPACE", Rule::Harmless),
    ("DROP TRIGGER", Rule::Harmless),
    ("DROP USER", Rule::Harmless),
    ("DROP VIEW", Rule::Harmless),
    ("RENAME TABLE", Rule::RenameTables),
    ("RENAME TABLES", Rule::RenameTables),
    ("RENAME USER", Rule::Harmless),
    ("TRUNCATE", Rule::Truncate),
    ("GRANT", Rule::Harmless),
    ("REVOKE", Rule::Harmless),
    ("SET STATEMENT", Rule::SetStatement),
    ("SET", Rule::Harmless),
    ("FLUSH", Rule::Harmless),
    ("ANALYZE", Rule::Analyze),
    ("OPTIMIZE", Rule::Harmless),
    ("REPAIR", Rule::Harmless),
    ("CHECK", Rule::Harmless),
    ("CACHE INDEX", Rule::Harmless),
    ("LOAD INDEX INTO CACHE", Rule::Harmless),
    ("LOCK", Rule::Harmless),
    ("UNLOCK", Rule::Harmless),
    ("INSTALL", Rule::Harmless),
    ("UNINSTALL", Rule::Harmless),
    ("IMPORT TABLE", Rule::Harmless),
    ("INSERT", Rule::Rows),
    ("REPLACE", Rule::Rows),
    ("UPDATE", Rule::Rows),
    ("DELETE", Rule::Rows),
    ("LOAD", Rule::Rows),
    ("WITH", Rule::Rows),
    ("SELECT", Rule::Rows),
    ("TABLE", Rule::Rows),
    ("VALUES", Rule::Rows),
    ("DO", Rule::Rows),
    ("CALL", Rule::Rows),
];

/// The heads of all kinds.
#[cfg(test)]
pub(super) fn heads() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(head, _)| *head)
}

/// Words between the verb and the kind of object.
#[derive(Clone, Copy, Debug, Default)]
struct Modifiers {
    replace: bool,
    temporary: bool,
    ignore: bool,
}

/// What is known of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its kind, one of [`heads`].
    pub head: Option<&'static str>,
    pub subject: Subject,
    /// Rows that it changes by itself.
    pub rows: Option<RowsStatement>,
}

impl Judged {
    fn nothing(head: Option<&'static str>) -> Judged {
        Judged { head, subject: Subject::Nothing, rows: None }
    }

    fn anything(head: Option<&'static str>) -> Judged {
        Judged { head, subject: Subject::Anything, rows: None }
    }

    fn rows(head: &'static str, tokens: &[Token], complete: bool) -> Judged {
        Judged { rows: Some(rows::read(head, tokens, complete)), ..Judged::nothing(Some(head)) }
    }
}

/// Judges the statement of these tokens. `complete`: they are all of it.
pub fn judge(tokens: &[Token], complete: bool) -> Judged {
    let mut reader = Reader::new(tokens);
    let verbs = ["CREATE", "ALTER", "DROP"];
    let has_object = tokens.first().is_some_and(|token| verbs.iter().any(|verb| token.is(verb)));
    if tokens.is_empty() && complete {
        // a comment in the place of an event that replicas would not know
        return Judged::nothing(None);
    }
    if reader.at_symbol('(') {
        return Judged::rows("SELECT", tokens, complete);
    }
    let Some((head, rule, modifiers)) = rule(&mut reader, has_object) else {
        let named = has_object && complete;
        return if named {
            Judged { subject: Subject::Named, ..Judged::nothing(None) }
        } else {
            Judged::anything(None)
        };
    };
    match rule {
        Rule::Rows => Judged::rows(head, tokens, complete),
        Rule::Analyze => analyze(head, reader, complete),
        Rule::SetStatement => {
            let behind = reader.rest().iter().position(|token| token.is("FOR")).map_or(0, |at| at + 1);
            judge(&reader.rest()[behind..], complete)
        }
        Rule::CreateTable => create_table(head, reader, modifiers, complete),
        _ => {
            let subject = subject(rule, reader, modifiers, complete).unwrap_or(Subject::Anything);
            Judged { subject, ..Judged::nothing(Some(head)) }
        }
    }
}

/// The rule of the statement's head, which is passed over.
fn rule(reader: &mut Reader<'_>, has_object: bool) -> Option<(&'static str, Rule, Modifiers)> {
    if !has_object {
        let found = KINDS.iter().find(|(head, _)| reader.take(head));
        return found.map(|(head, rule)| (*head, *rule, Modifiers::default()));
    }
    let verb = reader.next()?;
    let modifiers = modifiers(reader);
    let (head, rule) = KINDS.iter().find(|(head, _)| {
        let (first, object) = head.split_once(' ').unwrap_or((head, ""));
        verb.is(first) && reader.take(object)
    })?;
    Some((*head, *rule, modifiers))
}

fn modifiers(reader: &mut Reader<'_>) -> Modifiers {
    const OTHERS: [&str; 12] = [
        "AGGREGATE",
        "ONLINE",
        "OFFLINE",
        "UNIQUE",
        "FULLTEXT",
        "VECTOR",
        "UNDO",
        "JSON",
        "RELATIONAL",
        "DUALITY",
        "MATERIALIZED",
        "EXTERNAL",
    ];
    let mut found = Modifiers::default();
    loop {
        if reader.take("OR REPLACE") {
            found.replace = true;
        } else if reader.take("TEMPORARY") {
            found.temporary = true;
        } else if reader.take("IGNORE") {
            found.ignore = true;
        } else if reader.take("DEFINER") {
            reader.take_symbol('=');
            reader.skip_user();
        } else if reader.take("ALGORITHM") {
            reader.take_symbol('=');
            reader.next();
        } else if reader.take("SQL SECURITY") {
            reader.next();
        } else if !other_modifier(reader, &OTHERS) {
            return found;
        }
    }
}

fn other_modifier(reader: &mut Reader<'_>, others: &[&str]) -> bool {
    // SPATIAL stands before INDEX, and before REFERENCE SYSTEM
    let mut ahead = *reader;
    if ahead.take("SPATIAL") && ahead.at("INDEX") {
        *reader = ahead;
        return true;
    }
    reader.take_any(others)
}

fn analyze(head: &'static str, mut reader: Reader<'_>, complete: bool) -> Judged {
    if reader.take_any(&["TABLE", "TABLES", "NO_WRITE_TO_BINLOG", "LOCAL"]) {
        return Judged::nothing(Some(head));
    }
    if reader.take("FORMAT") {
        reader.take_symbol('=');
        reader.next();
    }
    judge(reader.rest(), complete)
}

fn create_table(head: &'static str, mut reader: Reader<'_>, modifiers: Modifiers, complete: bool) -> Judged {
    reader.skip_condition();
    let Some(table) = reader.path() else { return Judged::anything(Some(head)) };
    let subject = if modifiers.replace && !modifiers.temporary {
        Subject::Tables { what: "CREATE OR REPLACE TABLE", tables: vec![table] }
    } else {
        Subject::Nothing
    };
    Judged { head: Some(head), subject, rows: rows::of_create(reader.rest(), complete) }
}

/// `None` where what it is about does not stand where it should.
fn subject(rule: Rule, mut reader: Reader<'_>, modifiers: Modifiers, complete: bool) -> Option<Subject> {
    // a list of names that breaks off could go on with any name
    let whole = || complete.then_some(());
    Some(match rule {
        Rule::CreateBesideTables if modifiers.replace => {
            reader.skip_condition();
            Subject::Tables { what: "CREATE OR REPLACE", tables: vec![reader.path()?] }
        }
        Rule::CreateSchema if modifiers.replace => {
            reader.skip_condition();
            Subject::Schema { what: "CREATE OR REPLACE DATABASE", name: name(&mut reader)? }
        }
        Rule::Index => {
            while !reader.at("ON") {
                reader.next()?;
            }
            reader.next();
            Subject::IndexOf(reader.path()?)
        }
        Rule::DropTables if modifiers.temporary => Subject::Nothing,
        Rule::DropTables => {
            whole()?;
            reader.skip_condition();
            Subject::Tables { what: "DROP TABLE", tables: list(&mut reader)? }
        }
        Rule::DropSchema => {
            reader.skip_condition();
            Subject::Schema { what: "DROP DATABASE", name: name(&mut reader)? }
        }
        Rule::AlterTable => {
            reader.skip_condition();
            let table = reader.path()?;
            reader.skip_wait();
            let mut clauses = clauses(reader.rest());
            if !complete {
                return None;
            }
            clauses.retain(|clause| *clause != Clause::Harmless);
            Subject::Alter { table, ignore: modifiers.ignore, clauses }
        }
        Rule::AlterSchema if reader.rest().iter().any(|token| token.is("UPGRADE")) => Subject::Anything,
        Rule::RenameTables => {
            whole()?;
            reader.skip_condition();
            Subject::Tables { what: "RENAME TABLE", tables: renamed(&mut reader)? }
        }
        Rule::Truncate => {
            reader.take("TABLE");
            Subject::Tables { what: "TRUNCATE", tables: vec![reader.path()?] }
        }
        _ => Subject::Nothing,
    })
}

fn name(reader: &mut Reader<'_>) -> Option<String> {
    reader.next()?.identifier().map(str::to_owned)
}

/// `a, b, c`
fn list(reader: &mut Reader<'_>) -> Option<Vec<Path>> {
    let mut tables = vec![reader.path()?];
    while reader.take_symbol(',') {
        tables.push(reader.path()?);
    }
    Some(tables)
}

/// `a TO b, c WAIT 1 TO d`
fn renamed(reader: &mut Reader<'_>) -> Option<Vec<Path>> {
    let mut tables = Vec::new();
    loop {
        tables.push(reader.path()?);
        reader.skip_wait();
        reader.take("TO").then_some(())?;
        tables.push(reader.path()?);
        if !reader.take_symbol(',') {
            return Some(tables);
        }
    }
}
