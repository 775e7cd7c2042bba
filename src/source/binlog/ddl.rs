//! What a statement in the binlog means: a transaction's frame, or what it does to a mapped table.
//!
//! In ROW format a QUERY event holds BEGIN, COMMIT, SAVEPOINT, XA statements, DDL, and the rare
//! statement that somebody logged in statement format. When in doubt the answer is the one that stops.

use super::alter::{Clause, ColumnClause, clause_effect, split_at_commas};
use super::lexer::{Token, Unterminated, tokens};
use crate::model::TableName;

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
    Other(Definition),
}

/// A statement that is not part of a transaction's frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    tokens: Vec<Token>,
    default_schema: String,
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
    /// Rows change, logged as a statement.
    StatementFormat {
        what: String,
    },
    /// It names the table, and we do not know what it does.
    Unknown {
        what: String,
    },
}

/// Reads a statement that ran with `default_schema`.
pub fn parse(text: &str, default_schema: &str) -> Result<Statement, Unterminated> {
    let tokens = tokens(text)?;
    let is = |i: usize, word: &str| tokens.get(i).is_some_and(|token| token.is(word));
    if is(0, "BEGIN") || (is(0, "START") && is(1, "TRANSACTION")) {
        return Ok(Statement::Begin);
    }
    if is(0, "COMMIT") {
        return Ok(Statement::Commit);
    }
    if is(0, "ROLLBACK") {
        let to = tokens.iter().any(|token| token.is("TO"));
        return Ok(if to { Statement::RollbackTo } else { Statement::Rollback });
    }
    if is(0, "SAVEPOINT") || (is(0, "RELEASE") && is(1, "SAVEPOINT")) {
        return Ok(Statement::Savepoint);
    }
    if is(0, "XA") {
        let xid = xid(&tokens[tokens.len().min(2)..]);
        match &tokens.get(1) {
            Some(verb) if verb.is("START") || verb.is("BEGIN") => return Ok(Statement::XaStart(xid)),
            Some(verb) if verb.is("END") => return Ok(Statement::XaEnd),
            Some(verb) if verb.is("COMMIT") => return Ok(Statement::XaCommit(xid)),
            Some(verb) if verb.is("ROLLBACK") => return Ok(Statement::XaRollback(xid)),
            _ => {}
        }
    }
    Ok(Statement::Other(Definition { tokens, default_schema: default_schema.to_owned() }))
}

fn xid(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens.iter().take_while(|token| !token.is("ONE")) {
        match token {
            Token::Symbol(c) => text.push(*c),
            Token::Word(word) => text.push_str(&word.to_ascii_uppercase()),
            Token::Name(other) | Token::DoubleQuoted(other) | Token::Text(other) => {
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

    /// The verb (and its object's kind), for messages: never the statement, which may hold values.
    pub fn kind(&self) -> String {
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

    /// What the statement does to `table`. Names are compared without case: on a server where case
    /// matters this may stop for a table of nearly the same name, never miss one.
    pub fn effect_on(&self, table: &TableName) -> Effect {
        let verb = |word: &str| self.tokens.first().is_some_and(|token| token.is(word));
        let object = |word: &str| self.tokens.get(1).is_some_and(|token| token.is(word));
        if verb("DROP") && (object("DATABASE") || object("SCHEMA")) {
            let dropped = self.tokens[2..].iter().filter_map(Token::identifier).next_back();
            let ours = dropped.is_some_and(|name| name.eq_ignore_ascii_case(&table.schema));
            return if ours { Effect::Destroys { what: "DROP DATABASE" } } else { Effect::None };
        }
        if !self.mentions(table, 0) {
            return Effect::None;
        }
        if verb("TRUNCATE") {
            Effect::Destroys { what: "TRUNCATE" }
        } else if verb("RENAME") && !object("USER") {
            Effect::Destroys { what: "RENAME TABLE" }
        } else if verb("DROP") {
            self.drop_effect()
        } else if verb("ALTER") {
            self.alter_effect(table)
        } else if verb("CREATE") {
            let index = self.tokens.iter().take(3).any(|token| token.is("INDEX"));
            if index { Effect::Redefines { clauses: Vec::new() } } else { Effect::None }
        } else if verb("INSERT") || verb("REPLACE") {
            let from = self.tokens.iter().position(|token| token.is("INTO")).map_or(1, |at| at + 1);
            if self.name_at(from, table) {
                self.statement_format()
            } else {
                self.statement_format_if_unsure(from)
            }
        } else if ["UPDATE", "DELETE", "LOAD", "WITH", "CALL", "DO", "SELECT"].iter().any(|word| verb(word)) {
            self.statement_format()
        } else if HARMLESS.iter().any(|word| verb(word)) {
            Effect::None
        } else {
            Effect::Unknown { what: self.kind() }
        }
    }

    fn statement_format(&self) -> Effect {
        Effect::StatementFormat {
            what: self.tokens.first().and_then(Token::identifier).unwrap_or("").to_ascii_uppercase(),
        }
    }

    /// INSERT into another table that reads ours is fine, if its target is a plain name.
    fn statement_format_if_unsure(&self, at: usize) -> Effect {
        match self.tokens.get(at) {
            Some(Token::Word(_) | Token::Name(_) | Token::DoubleQuoted(_))
                if self.tokens.iter().any(|t| t.is("INTO")) =>
            {
                Effect::None
            }
            _ => self.statement_format(),
        }
    }

    fn drop_effect(&self) -> Effect {
        let object = |at: usize, word: &str| self.tokens.get(at).is_some_and(|token| token.is(word));
        if object(1, "TABLE") || object(1, "TABLES") || (object(1, "TEMPORARY") && object(2, "TABLE")) {
            if object(1, "TEMPORARY") { Effect::None } else { Effect::Destroys { what: "DROP TABLE" } }
        } else if object(1, "INDEX") {
            Effect::Redefines { clauses: Vec::new() }
        } else {
            Effect::None
        }
    }

    fn alter_effect(&self, table: &TableName) -> Effect {
        if !self.tokens.get(1).is_some_and(|token| token.is("TABLE")) {
            return Effect::None;
        }
        let has = |word: &str| self.tokens.iter().any(|token| token.is(word));
        let ours = self.name_at(2, table);
        if has("EXCHANGE") {
            return Effect::Destroys { what: "EXCHANGE PARTITION" };
        }
        if !ours {
            // A foreign key to our table does nothing to its rows; a rename onto it does.
            return if has("RENAME") { Effect::Destroys { what: "RENAME TABLE" } } else { Effect::None };
        }
        self.alter_clauses()
    }

    fn alter_clauses(&self) -> Effect {
        let after_name = if self.tokens.get(3) == Some(&Token::Symbol('.')) { 5 } else { 3 };
        let mut clauses = Vec::new();
        for clause in split_at_commas(&self.tokens[after_name.min(self.tokens.len())..]) {
            match clause_effect(clause) {
                Clause::Harmless => {}
                Clause::Column(column) => clauses.push(column),
                Clause::Destroys(what) => return Effect::Destroys { what },
            }
        }
        Effect::Redefines { clauses }
    }

    /// Whether `table` is named anywhere from token `from` on.
    fn mentions(&self, table: &TableName, from: usize) -> bool {
        (from..self.tokens.len()).any(|at| self.name_at(at, table))
    }

    /// Whether the name that begins at token `at` is `table`.
    fn name_at(&self, at: usize, table: &TableName) -> bool {
        let same = |i: usize, name: &str| {
            self.tokens.get(i).and_then(Token::identifier).is_some_and(|text| text.eq_ignore_ascii_case(name))
        };
        let dot = |i: usize| self.tokens.get(i) == Some(&Token::Symbol('.'));
        if dot(at + 1) && same(at, &table.schema) && same(at + 2, &table.table) {
            return true;
        }
        let qualified = at > 0 && dot(at - 1);
        !qualified && same(at, &table.table) && self.default_schema.eq_ignore_ascii_case(&table.schema)
    }
}

/// Verbs that change no row and no definition of a table that they name.
const HARMLESS: [&str; 12] = [
    "GRANT", "REVOKE", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "FLUSH", "SET", "RENAME", "CACHE", "LOCK",
    "UNLOCK",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableName {
        TableName { schema: "social".into(), table: "follows".into() }
    }

    fn effect(statement: &str) -> Effect {
        effect_in("social", statement)
    }

    fn effect_in(schema: &str, statement: &str) -> Effect {
        match parse(statement, schema).expect("tokens") {
            Statement::Other(definition) => definition.effect_on(&table()),
            frame => panic!("{frame:?}"),
        }
    }

    #[test]
    fn the_frame_of_a_transaction_is_recognised() {
        for (text, statement) in [
            ("BEGIN", Statement::Begin),
            ("commit", Statement::Commit),
            ("ROLLBACK", Statement::Rollback),
            ("ROLLBACK TO `s`", Statement::RollbackTo),
            ("SAVEPOINT `s`", Statement::Savepoint),
            ("XA START X'61',X'',1", Statement::XaStart("X'61',X'',1".into())),
            ("XA COMMIT X'61',X'',1 ONE PHASE", Statement::XaCommit("X'61',X'',1".into())),
            ("XA ROLLBACK X'61', X'', 1", Statement::XaRollback("X'61',X'',1".into())),
        ] {
            assert_eq!(parse(text, "").unwrap(), statement, "{text}");
        }
    }

    #[test]
    fn what_destroys_rows_without_row_events_is_noticed_however_it_is_spelled() {
        for text in [
            "TRUNCATE follows",
            "truncate table `social`.`follows`",
            "/* c */ DROP TABLE IF EXISTS x, social . follows /* generated by server */",
            "DROP TABLE `follows`",
            "RENAME TABLE follows TO f2, _gho TO follows",
            "RENAME TABLE a TO social.follows",
            "ALTER TABLE follows DROP PARTITION p1",
            "ALTER TABLE follows TRUNCATE PARTITION p1",
            "ALTER TABLE other EXCHANGE PARTITION p WITH TABLE follows",
            "ALTER TABLE follows RENAME TO g",
            "ALTER TABLE follows RENAME AS g",
            "ALTER TABLE other RENAME follows",
            "ALTER TABLE \"follows\" DISCARD TABLESPACE",
            "DROP DATABASE `social`",
            "drop schema if exists social",
            "ALTER TABLE follows ADD FOREIGN KEY (a) REFERENCES u (id) ON DELETE CASCADE",
        ] {
            assert!(matches!(effect(text), Effect::Destroys { .. }), "{text}: {:?}", effect(text));
        }
    }

    #[test]
    fn statements_about_other_tables_are_ignored() {
        for text in [
            "DROP TABLE followers",
            "TRUNCATE other.follows",
            "ALTER TABLE other ADD CONSTRAINT FOREIGN KEY (a) REFERENCES follows (id)",
            "CREATE TABLE x (a int) COMMENT 'follows'",
            "GRANT SELECT ON follows TO u",
            "CREATE VIEW v AS SELECT * FROM follows",
            "INSERT INTO other SELECT * FROM follows",
            "DROP DATABASE other",
            "CREATE TABLE IF NOT EXISTS follows (id int)",
        ] {
            assert_eq!(effect(text), Effect::None, "{text}");
        }
        assert_eq!(effect_in("shop", "DROP TABLE follows"), Effect::None);
        assert!(matches!(effect_in("shop", "DROP TABLE social.follows"), Effect::Destroys { .. }));
    }

    #[test]
    fn statement_format_changes_are_noticed() {
        for text in [
            "INSERT INTO follows VALUES (1, ',')",
            "REPLACE social.follows SELECT 1",
            "UPDATE other, follows SET a = 1",
            "DELETE FROM `social`.`follows` WHERE a = 1",
            "LOAD DATA INFILE 'x' INTO TABLE follows",
        ] {
            assert!(matches!(effect(text), Effect::StatementFormat { .. }), "{text}");
        }
        assert!(matches!(effect("HANDLER follows OPEN"), Effect::Unknown { .. }));
    }

    #[test]
    fn alter_table_tells_which_columns_it_touches() {
        let clauses = |text: &str| match effect(text) {
            Effect::Redefines { clauses } => clauses,
            other => panic!("{text}: {other:?}"),
        };
        assert!(clauses("CREATE UNIQUE INDEX i ON follows (a, b)").is_empty());
        assert!(clauses("DROP INDEX i ON follows").is_empty());
        assert!(
            clauses("ALTER TABLE follows ADD INDEX (a), ADD UNIQUE KEY u (a, b), ENGINE=InnoDB").is_empty()
        );
        assert_eq!(
            clauses(
                "ALTER TABLE `social`.`follows` ADD x DECIMAL(10,2) AFTER a, DROP COLUMN b, RENAME COLUMN c TO d"
            ),
            [
                ColumnClause::AddOrDrop(vec!["x".into()]),
                ColumnClause::AddOrDrop(vec!["b".into()]),
                ColumnClause::Rename { from: "c".into(), to: "d".into() },
            ]
        );
        assert_eq!(
            clauses(
                "ALTER TABLE follows ADD (x INT, y ENUM('a,b','c')), MODIFY COLUMN z INT, CHANGE p `q` INT"
            ),
            [
                ColumnClause::AddOrDrop(vec!["x".into(), "y".into()]),
                ColumnClause::Modify { column: "z".into(), moved: false },
                ColumnClause::Rename { from: "p".into(), to: "q".into() },
            ]
        );
    }

    #[test]
    fn a_create_table_select_opens_a_transaction() {
        let Statement::Other(definition) = parse("CREATE TABLE t (a int) START TRANSACTION", "s").unwrap()
        else {
            panic!("not a definition")
        };
        assert!(definition.opens_transaction());
    }
}
