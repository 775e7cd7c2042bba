//! The clauses of ALTER TABLE: which of them touch columns, and which take rows away. A clause that is not known to
//! leave rows and columns alone is [`Clause::Unknown`].

use super::lexer::Token;
use super::reader::{Path, Reader, split_at_commas};

/// A clause of ALTER TABLE that touches a column, or the rows of a table by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnClause {
    /// ADD COLUMN and DROP COLUMN: the name's values are new, or gone. Several names for `ADD (a .., b ..)`.
    AddOrDrop(Vec<String>),
    /// CHANGE and RENAME COLUMN.
    Rename { from: String, to: String },
    /// MODIFY; `moved` when it has FIRST or AFTER.
    Modify { column: String, moved: bool },
    /// CONVERT TO CHARACTER SET.
    Convert,
    /// A foreign key with CASCADE or SET, also behind a column: it changes rows, and some servers do not log that.
    Cascades,
}

/// What one clause does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    Harmless,
    Column(ColumnClause),
    /// Takes rows away from the altered table, or the table itself.
    Destroys(&'static str),
    /// RENAME TO, EXCHANGE PARTITION and their like: another table is touched too.
    Moves {
        what: &'static str,
        other: Path,
    },
    Unknown,
}

/// Reads the clauses behind the table's name.
pub fn clauses(tokens: &[Token]) -> Vec<Clause> {
    let mut read = Vec::new();
    for clause in split_at_commas(tokens) {
        if cascades(clause) {
            read.push(Clause::Column(ColumnClause::Cascades));
        }
        read.push(clause_effect(clause));
        if ends_in_a_list(clause) {
            break;
        }
    }
    read
}

/// `ORDER BY a, b`, `REORGANIZE PARTITION p, q INTO ...`: the rest of the statement belongs to this clause.
fn ends_in_a_list(clause: &[Token]) -> bool {
    let is = |at: usize, word: &str| clause.get(at).is_some_and(|token| token.is(word));
    (is(0, "ORDER") && is(1, "BY")) || is(1, "PARTITION")
}

/// `ON DELETE CASCADE`, `ON UPDATE SET NULL`, in a constraint or behind a column.
fn cascades(clause: &[Token]) -> bool {
    let action = |token: &Token| token.is("DELETE") || token.is("UPDATE");
    let changes = |token: &Token| token.is("CASCADE") || token.is("SET");
    clause.windows(3).any(|three| three[0].is("ON") && action(&three[1]) && changes(&three[2]))
}

fn clause_effect(clause: &[Token]) -> Clause {
    let mut reader = Reader::new(clause);
    if clause.is_empty() {
        return Clause::Harmless;
    }
    if reader.take("ADD") {
        return add(reader);
    }
    if reader.take("DROP") {
        return drop(reader);
    }
    if reader.take("CHANGE") {
        return change(reader);
    }
    if reader.take("MODIFY") {
        let column = column(&mut reader);
        let moved = reader.rest().iter().any(|token| token.is("FIRST") || token.is("AFTER"));
        return column
            .map_or(Clause::Unknown, |column| Clause::Column(ColumnClause::Modify { column, moved }));
    }
    if reader.take("RENAME") {
        return rename(reader);
    }
    if reader.take("CONVERT") {
        return convert(reader);
    }
    moves_rows(reader).unwrap_or_else(|| if harmless(reader) { Clause::Harmless } else { Clause::Unknown })
}

/// An optional COLUMN and IF [NOT] EXISTS, and a name.
fn column(reader: &mut Reader<'_>) -> Option<String> {
    reader.take("COLUMN");
    reader.skip_condition();
    reader.next()?.identifier().map(str::to_owned)
}

fn add(mut reader: Reader<'_>) -> Clause {
    const NO_COLUMN: [&str; 11] = [
        "INDEX",
        "KEY",
        "UNIQUE",
        "PRIMARY",
        "FULLTEXT",
        "SPATIAL",
        "VECTOR INDEX",
        "CONSTRAINT",
        "FOREIGN",
        "CHECK",
        "PARTITION",
    ];
    if reader.take_any(&["SYSTEM VERSIONING", "PERIOD FOR"]) {
        return Clause::Unknown;
    }
    if reader.take_any(&NO_COLUMN) {
        return Clause::Harmless;
    }
    reader.take("COLUMN");
    reader.skip_condition();
    let names: Option<Vec<String>> = if reader.take_symbol('(') {
        split_at_commas(reader.rest()).map(|part| Some(part.first()?.identifier()?.to_owned())).collect()
    } else {
        reader.next().and_then(|token| Some(vec![token.identifier()?.to_owned()]))
    };
    names.map_or(Clause::Unknown, |names| Clause::Column(ColumnClause::AddOrDrop(names)))
}

fn drop(mut reader: Reader<'_>) -> Clause {
    if reader.take_any(&["SYSTEM VERSIONING", "PERIOD FOR"]) {
        return Clause::Unknown;
    }
    if reader.take("PARTITION") {
        return Clause::Destroys("DROP PARTITION");
    }
    if reader.take_any(&["INDEX", "KEY", "PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK"]) {
        return Clause::Harmless;
    }
    column(&mut reader)
        .map_or(Clause::Unknown, |column| Clause::Column(ColumnClause::AddOrDrop(vec![column])))
}

fn change(mut reader: Reader<'_>) -> Clause {
    let from = column(&mut reader);
    let to = reader.next().and_then(Token::identifier).map(str::to_owned);
    match (from, to) {
        (Some(from), Some(to)) => Clause::Column(ColumnClause::Rename { from, to }),
        _ => Clause::Unknown,
    }
}

fn rename(mut reader: Reader<'_>) -> Clause {
    if reader.at("COLUMN") {
        let from = column(&mut reader);
        reader.take("TO");
        let to = reader.next().and_then(Token::identifier).map(str::to_owned);
        return match (from, to) {
            (Some(from), Some(to)) => Clause::Column(ColumnClause::Rename { from, to }),
            _ => Clause::Unknown,
        };
    }
    if reader.take_any(&["INDEX", "KEY"]) {
        return Clause::Harmless;
    }
    _ = reader.take_any(&["TO", "AS"]) || reader.take_symbol('=');
    moves("RENAME TABLE", reader)
}

fn convert(mut reader: Reader<'_>) -> Clause {
    if reader.take("TABLE") {
        return moves("CONVERT TABLE", reader);
    }
    if reader.take("PARTITION") {
        return behind("CONVERT PARTITION", "TABLE", reader);
    }
    if reader.take("TO") { Clause::Column(ColumnClause::Convert) } else { Clause::Unknown }
}

/// Clauses about partitions and tablespaces that take rows away.
fn moves_rows(mut reader: Reader<'_>) -> Option<Clause> {
    if reader.take("EXCHANGE") {
        return Some(behind("EXCHANGE PARTITION", "TABLE", reader));
    }
    if reader.take("TRUNCATE") {
        return Some(Clause::Destroys("TRUNCATE PARTITION"));
    }
    (reader.take("DISCARD") || reader.take("IMPORT"))
        .then_some(Clause::Destroys("DISCARD or IMPORT TABLESPACE"))
}

/// The other table is named behind `word`.
fn behind(what: &'static str, word: &str, mut reader: Reader<'_>) -> Clause {
    while reader.peek().is_some() && !reader.at(word) {
        reader.next();
    }
    reader.next();
    moves(what, reader)
}

fn moves(what: &'static str, mut reader: Reader<'_>) -> Clause {
    reader.path().map_or(Clause::Unknown, |other| Clause::Moves { what, other })
}

/// Phrases that begin a clause which is harmless whatever follows.
const HARMLESS: [&str; 19] = [
    // an index, a check, a constraint, the default of a column, or whether it shows
    "ALTER",
    "ANALYZE PARTITION",
    "CHECK PARTITION",
    "COALESCE PARTITION",
    "DISABLE KEYS",
    "ENABLE KEYS",
    "FORCE",
    "OPTIMIZE PARTITION",
    "ORDER BY",
    "PARTITION BY",
    "REBUILD PARTITION",
    "REMOVE PARTITIONING",
    "REORGANIZE PARTITION",
    "REPAIR PARTITION",
    "SECONDARY_LOAD",
    "SECONDARY_UNLOAD",
    "UPGRADE PARTITIONING",
    "WITH VALIDATION",
    "WITHOUT VALIDATION",
];

/// Options of a table that are one word, and have one value.
const OPTIONS: [&str; 39] = [
    "ALGORITHM",
    "AUTO_INCREMENT",
    "AUTOEXTEND_SIZE",
    "AVG_ROW_LENGTH",
    "CHARACTER SET",
    "CHARSET",
    "CHECKSUM",
    "COLLATE",
    "COMMENT",
    "COMPRESSION",
    "CONNECTION",
    "DATA DIRECTORY",
    "DELAY_KEY_WRITE",
    "ENCRYPTED",
    "ENCRYPTION",
    "ENCRYPTION_KEY_ID",
    "ENGINE_ATTRIBUTE",
    "IETF_QUOTES",
    "INDEX DIRECTORY",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "LOCK",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLE_CHECKSUM",
    "TABLESPACE",
    "TRANSACTIONAL",
];

/// Whether the clause is on the list: one of [`HARMLESS`], or options of a table by blanks.
fn harmless(mut reader: Reader<'_>) -> bool {
    while reader.peek().is_some() {
        if reader.take_any(&HARMLESS) {
            return true;
        }
        if !option(&mut reader) {
            return false;
        }
    }
    true
}

fn option(reader: &mut Reader<'_>) -> bool {
    reader.take("DEFAULT");
    if reader.take("ENGINE") {
        reader.take_symbol('=');
        // another engine may keep no rows, or log none
        return matches!(reader.next(), Some(Token::Word(name) | Token::Name(name) | Token::Text(name)) if name.eq_ignore_ascii_case("InnoDB"));
    }
    if reader.take("UNION") {
        reader.take_symbol('=');
        reader.skip_parentheses();
        return true;
    }
    if reader.take("START TRANSACTION") {
        return true;
    }
    let known = reader.take_any(&OPTIONS);
    reader.take_symbol('=');
    known && reader.next().is_some()
}
