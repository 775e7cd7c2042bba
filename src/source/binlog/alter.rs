//! The clauses of ALTER TABLE: which of them touch columns, and which take rows away.

use super::lexer::Token;

/// A clause of ALTER TABLE that touches a column.
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
}

impl ColumnClause {
    /// Whether a column may stand at another place afterwards, or under another name.
    pub fn rearranges(&self) -> bool {
        match self {
            ColumnClause::AddOrDrop(_) | ColumnClause::Rename { .. } => true,
            ColumnClause::Modify { moved, .. } => *moved,
            ColumnClause::Convert => false,
        }
    }
}

/// What one clause does.
pub enum Clause {
    Harmless,
    Column(ColumnClause),
    Destroys(&'static str),
}

/// Reads one clause.
pub fn clause_effect(clause: &[Token]) -> Clause {
    let is = |at: usize, word: &str| clause.get(at).is_some_and(|token| token.is(word));
    let any = |at: usize, words: &[&str]| words.iter().any(|word| is(at, word));
    // The name after an optional COLUMN keyword, at token 1 or 2.
    let column_at = if is(1, "COLUMN") { 2 } else { 1 };
    let name = |at: usize| clause.get(at).and_then(Token::identifier).unwrap_or_default().to_owned();
    let named = |at: usize| name(if is(at, "IF") { at + if is(at + 1, "NOT") { 3 } else { 2 } } else { at });
    match clause.first() {
        Some(verb) if verb.is("ADD") => {
            let not_a_column = [
                "INDEX",
                "KEY",
                "UNIQUE",
                "PRIMARY",
                "FULLTEXT",
                "SPATIAL",
                "CONSTRAINT",
                "FOREIGN",
                "CHECK",
                "PARTITION",
            ];
            if any(1, &not_a_column) {
                let cascades = clause
                    .windows(2)
                    .any(|pair| pair[0].is("ON") && (pair[1].is("DELETE") || pair[1].is("UPDATE")))
                    && clause.iter().any(|token| token.is("CASCADE") || token.is("SET"));
                return if cascades {
                    Clause::Destroys("a foreign key with CASCADE or SET")
                } else {
                    Clause::Harmless
                };
            }
            Clause::Column(ColumnClause::AddOrDrop(added_names(clause, column_at, named(column_at))))
        }
        Some(verb) if verb.is("DROP") => {
            if is(1, "PARTITION") {
                return Clause::Destroys("DROP PARTITION");
            }
            if any(1, &["INDEX", "KEY", "PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK"]) {
                return Clause::Harmless;
            }
            Clause::Column(ColumnClause::AddOrDrop(vec![named(column_at)]))
        }
        Some(verb) if verb.is("TRUNCATE") => Clause::Destroys("TRUNCATE PARTITION"),
        Some(verb) if verb.is("DISCARD") || verb.is("IMPORT") => {
            Clause::Destroys("DISCARD or IMPORT TABLESPACE")
        }
        Some(verb) if verb.is("CHANGE") => {
            Clause::Column(ColumnClause::Rename { from: name(column_at), to: name(column_at + 1) })
        }
        Some(verb) if verb.is("MODIFY") => {
            let moved = clause.iter().any(|token| token.is("FIRST") || token.is("AFTER"));
            Clause::Column(ColumnClause::Modify { column: name(column_at), moved })
        }
        Some(verb) if verb.is("CONVERT") => Clause::Column(ColumnClause::Convert),
        Some(verb) if verb.is("RENAME") => {
            if is(1, "COLUMN") {
                Clause::Column(ColumnClause::Rename { from: name(2), to: name(4) })
            } else if any(1, &["INDEX", "KEY"]) {
                Clause::Harmless
            } else {
                Clause::Destroys("RENAME TABLE")
            }
        }
        _ => Clause::Harmless,
    }
}

/// The names in `ADD a ...` or `ADD (a ..., b ...)`.
fn added_names(clause: &[Token], column_at: usize, single: String) -> Vec<String> {
    if clause.get(column_at) != Some(&Token::Symbol('(')) {
        return vec![single];
    }
    let inner = &clause[column_at + 1..];
    split_at_commas(inner).filter_map(|part| part.first()?.identifier().map(str::to_owned)).collect()
}

/// Splits at the commas outside parentheses.
pub fn split_at_commas(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_i32;
    tokens.split(move |token| {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
        depth <= 0 && *token == Token::Symbol(',')
    })
}
