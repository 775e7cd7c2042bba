//! What each check of `tailfill verify` would not see: causes of a difference between MySQL and HBase, by checks.
//!
//! docs/verify.md and the report in HTML are made of this table. tests/live/causes plants each cause on real servers, by code
//! that shares nothing with the program, and runs each check: every cell is what the program then said.

/// A way to compare both sides: a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// `verify --full`.
    Full,
    /// `verify --sample N`.
    Sample,
    /// `verify --business`.
    Business,
}

impl Check {
    /// All of them, in the order of [`Cause::sees`].
    pub const ALL: [Check; 3] = [Check::Full, Check::Sample, Check::Business];

    /// As the command spells it.
    pub fn name(self) -> &'static str {
        match self {
            Check::Full => "full",
            Check::Sample => "sample",
            Check::Business => "business",
        }
    }
}

/// Whether a check sees a cause: then it ends with 4 and names the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Always.
    Yes,
    /// Under this condition; else it says "equal".
    Sometimes(&'static str),
    /// Never: it says "equal".
    No,
}

impl Sees {
    /// A cell of the table, in words.
    pub fn words(self) -> String {
        match self {
            Sees::Yes => "yes".to_owned(),
            Sees::Sometimes(condition) => format!("sometimes: {condition}"),
            Sees::No => "no".to_owned(),
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// What is wrong, in words.
    pub name: &'static str,
    /// By check, as [`Check::ALL`] has them.
    pub sees: [Sees; Check::ALL.len()],
    /// Whether `verify --full --repair --yes` makes both sides equal again.
    pub repaired: bool,
}

/// The conditions under which a sample and answers see a difference of an item.
const DRAWN: Sees = Sees::Sometimes("if drawn");
const ANSWERED: Sees = Sees::Sometimes("if an answer shows it");

/// Seen by every check that comes upon it.
const fn of_an_item(name: &'static str) -> Cause {
    Cause { name, sees: [Sees::Yes, DRAWN, ANSWERED], repaired: true }
}

/// Seen by no check.
const fn unseen(name: &'static str) -> Cause {
    Cause { name, sees: [Sees::No; Check::ALL.len()], repaired: false }
}

/// The table. What is wrong in HBase comes first, then what lies elsewhere.
pub const CAUSES: [Cause; 25] = [
    of_an_item("a lost put: HBase lacks an item"),
    of_an_item("a lost delete: HBase still has an item that MySQL has deleted"),
    of_an_item("an extra row: HBase has an item that MySQL never had"),
    of_an_item("a wrong value"),
    of_an_item("an extra cell: a column that the target does not have"),
    of_an_item("a wrong order key: the item is at another place of its list"),
    of_an_item("a wrong segment: the item is in another row of its list"),
    of_an_item("an item twice, in two segments"),
    of_an_item("another spelling of a key, which MySQL's collation takes as equal"),
    Cause {
        name: "a list that HBase lacks",
        sees: [Sees::Yes, DRAWN, Sees::Sometimes("if the list is chosen")],
        repaired: true,
    },
    Cause {
        name: "a list that only HBase has",
        sees: [Sees::Yes, DRAWN, Sees::Sometimes("if MySQL's binlog shows its end in the last ten minutes")],
        repaired: true,
    },
    Cause {
        name: "a wrong item behind the limit of every query",
        sees: [Sees::Yes, DRAWN, Sees::No],
        repaired: true,
    },
    Cause {
        name: "a wrong item of a target that answers no query",
        sees: [Sees::Yes, DRAWN, Sees::No],
        repaired: true,
    },
    Cause {
        name: "a row key that is none of the mapping, such as one with another salt",
        sees: [Sees::Yes, DRAWN, Sees::No],
        repaired: false,
    },
    Cause {
        name: "two rows of MySQL at one address of HBase",
        sees: [Sees::Yes, DRAWN, ANSWERED],
        repaired: false,
    },
    Cause {
        name: "a stale count",
        sees: [Sees::Yes, Sees::No, Sees::Sometimes("in answers of kind count")],
        repaired: true,
    },
    Cause { name: "a count that is missing", sees: [Sees::Yes, Sees::No, Sees::No], repaired: true },
    Cause {
        name: "a count of a list that MySQL does not have",
        sees: [Sees::Yes, Sees::No, Sees::No],
        repaired: true,
    },
    Cause {
        name: "a SELECT of your application that does more than the kind of its query",
        sees: [Sees::No, Sees::No, Sees::Sometimes("if the query has sql")],
        repaired: false,
    },
    unseen("a timestamp in the future, which will hide later changes"),
    unseen("a delete marker that HBase has purged too early"),
    unseen("an older state that a reader got a moment ago"),
    unseen("a column or a family outside the mapping"),
    unseen("a row of a list outside the pilot"),
    unseen("a reader that expects other bytes, such as another salt"),
];

/// What no check sees either, and what no test plants.
pub const BEYOND: &str = "No check sees readers' caches, a second HBase cluster, or replication. Full and sample do not see two sums that are \
     equal by chance (once in 2^128).";
