//! MySQL as the models see it: a few transactions, in the binlog first and in the engine later.

use std::fmt::Write;

/// A row: `PRIMARY KEY (list, item)`; its order is a part of its address in HBase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemRow {
    pub list: u8,
    pub item: u8,
    pub order: u8,
    pub note: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    pub before: Option<ItemRow>,
    pub after: Option<ItemRow>,
}

/// The row of an item that stays in one place.
pub fn row(item: u8, note: u8) -> ItemRow {
    ItemRow { list: 0, item, order: 1, note: Some(note) }
}

pub fn at(row: ItemRow, order: u8) -> ItemRow {
    ItemRow { order, ..row }
}

pub fn in_list(row: ItemRow, list: u8) -> ItemRow {
    ItemRow { list, ..row }
}

pub fn null(row: ItemRow) -> ItemRow {
    ItemRow { note: None, ..row }
}

pub fn insert(after: ItemRow) -> Change {
    Change { before: None, after: Some(after) }
}

pub fn delete(before: ItemRow) -> Change {
    Change { before: Some(before), after: None }
}

pub fn update(before: ItemRow, after: ItemRow) -> Change {
    Change { before: Some(before), after: Some(after) }
}

/// Transactions by number, as a set of bits.
pub type Set = u8;

pub fn has(set: Set, transaction: usize) -> bool {
    set & (1 << transaction) != 0
}

pub fn first(transactions: usize) -> Set {
    ((1u16 << transactions) - 1) as Set
}

/// The transaction that may come into the binlog next, after so many others.
pub fn publishable(needs: &[Set], published: u8, committed: Set) -> Option<usize> {
    let number = usize::from(published);
    needs.get(number).filter(|needs| **needs & !committed == 0).map(|_| number)
}

/// Those in the binlog that the engine has not committed.
pub fn uncommitted(published: u8, committed: Set) -> impl Iterator<Item = usize> {
    (0..usize::from(published)).filter(move |number| !has(committed, *number))
}

/// What happens in MySQL, whoever looks.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub name: &'static str,
    /// Rows that are there before.
    pub rows: Vec<ItemRow>,
    pub transactions: Vec<Vec<Change>>,
    /// The order of another server's binlog, after a failover.
    pub other_order: Option<Vec<usize>>,
}

impl Script {
    pub fn of(name: &'static str, rows: &[ItemRow], transactions: &[&[Change]]) -> Script {
        let transactions = transactions.iter().map(|changes| changes.to_vec()).collect();
        Script { name, rows: rows.to_vec(), transactions, other_order: None }
    }

    pub fn in_other_order(self, order: &[usize]) -> Script {
        Script { other_order: Some(order.to_vec()), ..self }
    }

    pub fn all(&self) -> Set {
        first(self.transactions.len())
    }

    /// The order of a server's binlog.
    pub fn order(&self, other: bool) -> Vec<usize> {
        match &self.other_order {
            Some(order) if other => order.clone(),
            _ => (0..self.transactions.len()).collect(),
        }
    }

    /// Each change with its transaction, in binlog order.
    pub fn changes(&self) -> Vec<(usize, Change)> {
        let numbered = self.transactions.iter().enumerate();
        numbered.flat_map(|(number, changes)| changes.iter().map(move |change| (number, *change))).collect()
    }

    /// The numbers of a transaction's changes.
    pub fn changes_of(&self, transaction: usize) -> Vec<u8> {
        let changes = self.changes();
        let numbered = (0..).zip(&changes).filter(|(_, (of, _))| *of == transaction);
        numbered.map(|(change, _)| change).collect()
    }

    /// What each transaction [`needs`](Script::needs).
    pub fn all_needs(&self) -> Vec<Set> {
        (0..self.transactions.len()).map(|number| self.needs(number)).collect()
    }

    /// Earlier transactions that must be committed before this one can be in the binlog: they lock a row of it.
    pub fn needs(&self, transaction: usize) -> Set {
        let items = |number: usize| {
            let rows = self.transactions[number].iter().flat_map(|change| [change.before, change.after]);
            rows.flatten().map(|row| (row.list, row.item)).collect::<Vec<_>>()
        };
        let own = items(transaction);
        let earlier = (0..transaction).filter(|other| items(*other).iter().any(|item| own.contains(item)));
        earlier.map(|other| 1 << other).sum()
    }

    /// The rows once the engine has committed `committed`.
    pub fn rows_after(&self, committed: Set) -> Vec<ItemRow> {
        let mut rows = self.rows.clone();
        let numbers = (0..self.transactions.len()).filter(|number| has(committed, *number));
        for change in numbers.flat_map(|number| &self.transactions[number]) {
            if let Some(before) = change.before {
                rows.retain(|row| (row.list, row.item) != (before.list, before.item));
            }
            rows.extend(change.after);
        }
        rows
    }

    /// Every row image, those before included.
    pub fn images(&self) -> Vec<ItemRow> {
        let of_changes = self.transactions.iter().flatten().flat_map(|change| [change.before, change.after]);
        self.rows.iter().copied().chain(of_changes.flatten()).collect()
    }

    /// Whether a person must be told of an item's list, or of its order.
    fn is_spread(&self, of: fn(&ItemRow) -> u8) -> bool {
        let images = self.images();
        images.iter().any(|row| of(row) != of(&images[0]))
    }

    /// Where a row lies, as a person says it: `x`, `x at order 2`, `x in list B`.
    pub fn place(&self, row: &ItemRow) -> String {
        let mut text = name_of(row.item).to_string();
        if self.is_spread(|row| row.order) {
            let _ = write!(text, " at order {}", row.order);
        }
        if self.is_spread(|row| row.list) {
            let _ = write!(text, " in list {}", list_name(row.list));
        }
        text
    }

    /// The row as a person says it.
    pub fn say(&self, row: &ItemRow) -> String {
        match row.note {
            Some(note) => format!("{} (note {note})", self.place(row)),
            None => format!("{} (note NULL)", self.place(row)),
        }
    }

    /// `insert x (note 1)`.
    pub fn say_change(&self, change: &Change) -> String {
        match (&change.before, &change.after) {
            (None, Some(row)) => format!("insert {}", self.say(row)),
            (Some(row), None) => format!("delete {}", self.place(row)),
            (Some(before), Some(after)) => format!("update {} to {}", self.say(before), self.say(after)),
            (None, None) => unreachable!("a change has an image"),
        }
    }

    /// `transaction 2 (delete x)`.
    pub fn say_transaction(&self, number: usize) -> String {
        let changes: Vec<String> =
            self.transactions[number].iter().map(|change| self.say_change(change)).collect();
        format!("transaction {} ({})", number + 1, changes.join("; "))
    }

    /// What a SELECT finds.
    pub fn say_rows(&self, committed: Set, lists: u8) -> String {
        let rows = self.rows_after(committed);
        let rows: Vec<String> =
            rows.iter().filter(|row| lists & (1 << row.list) != 0).map(|row| self.say(row)).collect();
        if rows.is_empty() { "nothing".to_owned() } else { rows.join(", ") }
    }
}

pub fn name_of(item: u8) -> char {
    char::from(b'x' + item)
}

pub fn list_name(list: u8) -> char {
    char::from(b'A' + list)
}
