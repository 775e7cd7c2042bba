//! What the stories of all models say alike.

use super::hbase::{Cells, Hbase, Op};
use super::production::{Content, Production};
use super::source::{ItemRow, Script, Set, has};

/// `transactions 1 and 2`.
pub fn say_set(set: Set) -> String {
    let numbers: Vec<String> =
        (0..8).filter(|number| has(set, *number)).map(|number| (number + 1).to_string()).collect();
    match numbers.len() {
        0 => "nothing".to_owned(),
        1 => format!("transaction {}", numbers[0]),
        _ => format!("transactions {}", join(&numbers)),
    }
}

/// `transaction`: as the script says it.
pub fn say_published(transaction: &str) -> String {
    format!("{} is in the binlog, and not committed in the engine.", upper(transaction))
}

pub fn say_committed(number: usize) -> String {
    format!("The engine commits transaction {}.", number + 1)
}

pub fn say_shown(number: usize) -> String {
    format!("`gtid_executed` shows transaction {}.", number + 1)
}

/// What a write does to one list.
pub fn say_ops(script: &Script, production: &Production, content: Content, list: u8) -> String {
    let ops: Vec<String> = production.with(content, |written| {
        written.by_list[usize::from(list)].iter().map(|op| say_op(script, production, op)).collect()
    });
    if ops.is_empty() { "nothing".to_owned() } else { ops.join(", ") }
}

fn say_op(script: &Script, production: &Production, op: &Op) -> String {
    let place = script.place(&production.addresses[usize::from(op.address)]);
    let put = op.puts[1].map(|note| format!("note {note}"));
    let null = op.markers[1].then(|| "a marker for its note".to_owned());
    let cells: Vec<String> = put.into_iter().chain(null).collect();
    match (op.delete_family, op.puts[0].is_some()) {
        (true, true) => format!("delete {place} and put {place} ({})", cells.join(", ")),
        (true, false) => format!("delete {place}"),
        (false, _) if cells.is_empty() => format!("put {place} (nothing for its note)"),
        (false, _) => format!("put {place} ({})", cells.join(", ")),
    }
}

/// What is wrong in the end, if anything.
pub fn difference(script: &Script, production: &Production, hbase: &Hbase) -> Option<String> {
    let rows = script.rows_after(script.all());
    let differs = |address: &usize| hbase.read(*address) != production.wanted(&rows, *address);
    let address = (0..production.addresses.len()).find(differs)?;
    let place = &production.addresses[address];
    Some(say_difference(script, place, production.wanted(&rows, address), hbase.read(address)))
}

fn say_difference(script: &Script, place: &ItemRow, wanted: Cells, found: Cells) -> String {
    let name = script.place(place);
    let say = |cells: [Option<u8>; 2]| match cells[1] {
        Some(note) => format!("note {note}"),
        None => "note NULL".to_owned(),
    };
    match (wanted, found) {
        (None, _) => format!("MySQL does not have {name}, and HBase has it for good: the delete is lost."),
        (Some(_), None) => format!("MySQL has {name}, and HBase does not."),
        (Some(wanted), Some(found)) => {
            format!("MySQL has {name} with {}, HBase with {}, for good.", say(wanted), say(found))
        }
    }
}

/// `a, b and c`.
pub fn join(parts: &[String]) -> String {
    match parts {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => parts.join(""),
    }
}

/// With a large first letter.
pub fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
}
