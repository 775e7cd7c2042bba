//! Items of both sides, side by side.

use super::answers::{Answers, Pair, Question, Side, StoredItem};
use super::place::{self, Position};
use super::selects::Selects;
use super::stored::StoredList;
use crate::compare::{Found, difference};
use crate::model::{Cursor, ListPart, Row};
use crate::sink::StoredRow;
use crate::sink::decode;
use crate::sink::layout::{Address, Codec, ItemWrite};
use crate::verify::VerifyError;
use std::collections::BTreeMap;

/// What both sides have at an address.
#[derive(Default)]
struct Both {
    mysql: Option<ItemWrite>,
    hbase: Option<StoredRow>,
}

/// Asks the sides that are to be asked. `part` is what the question asks for, unless it is one item.
pub async fn items(
    list: &StoredList<'_>,
    mut selects: Option<&mut Selects<'_>>,
    question: &Question,
    part: Option<ListPart>,
    side: Side,
) -> Result<Answers, VerifyError> {
    let mut both: BTreeMap<Address, Both> = BTreeMap::new();
    let (mut of_mysql, mut of_hbase) = (Vec::new(), Vec::new());
    if let Some(selects) = &mut selects {
        let rows = match (question, &part) {
            (Question::Has(item), _) => selects.item(item).await?,
            (_, Some(part)) => selects.part(part).await?,
            (_, None) => Vec::new(),
        };
        of_mysql = writes(list, &rows)?;
    }
    if side.has_hbase() {
        of_hbase = match (question, &part) {
            (Question::Has(item), _) => list.has(item).await?,
            (_, Some(part)) => list.part(part).await?,
            (_, None) => Vec::new(),
        };
    }
    let last = last_of(list, &of_mysql, &of_hbase);
    let full = part.as_ref().filter(|part| of_mysql.len().max(of_hbase.len()) >= part.limit as usize);
    let next = last.filter(|_| full.is_some() && matches!(question, Question::Page { .. }));
    for write in of_mysql {
        let address = write.address.clone();
        both.entry(address).or_default().mysql = Some(write);
    }
    for Found { address, stored } in of_hbase {
        both.entry(address).or_default().hbase = Some(stored);
    }
    if let (Some(selects), Some(_)) = (selects, &part)
        && side == Side::Both
    {
        look_up(list, selects, &mut both).await?;
    }
    let pairs = in_order(list, both, side, part.is_some_and(|part| part.reversed));
    Ok(Answers::Items { target: list.target.clone(), pairs, next })
}

fn writes(list: &StoredList<'_>, rows: &[Row]) -> Result<Vec<ItemWrite>, VerifyError> {
    rows.iter().map(|row| Ok(Codec::of(list.mapping, list.target).item_write(row)?)).collect()
}

/// Where the last item stands: MySQL's, which has more to say of it.
fn last_of(list: &StoredList<'_>, mysql: &[ItemWrite], hbase: &[Found]) -> Option<Cursor> {
    let (address, item) = match (mysql.last(), hbase.last()) {
        (Some(write), _) => (&write.address, written(list, write)),
        (None, Some(found)) => (&found.address, stored(list, &found.stored)),
        (None, None) => return None,
    };
    place::cursor(list.mapping, list.target, address, &item.columns)
}

/// Looks up on each side what only the other one has.
async fn look_up(
    list: &StoredList<'_>,
    selects: &mut Selects<'_>,
    both: &mut BTreeMap<Address, Both>,
) -> Result<(), VerifyError> {
    let unseen =
        |has: fn(&Both) -> bool| both.iter().filter(move |(_, both)| !has(both)).map(|(address, _)| address);
    let in_hbase: Vec<Address> = unseen(|both| both.hbase.is_some()).cloned().collect();
    let in_mysql = unseen(|both| both.mysql.is_some());
    let parts = in_mysql.filter_map(|address| Codec::of(list.mapping, list.target).split(address));
    let items = parts.map(|parts| parts.item).collect();
    for Found { address, stored } in list.at(&in_hbase).await? {
        both.entry(address).or_default().hbase = Some(stored);
    }
    for write in writes(list, &selects.items(items).await?)? {
        if let Some(found) = both.get_mut(&write.address) {
            found.mysql = Some(write);
        }
    }
    Ok(())
}

fn in_order(list: &StoredList<'_>, both: BTreeMap<Address, Both>, side: Side, reversed: bool) -> Vec<Pair> {
    let mut pairs: Vec<(Position, Pair)> = both
        .into_iter()
        .map(|(address, both)| {
            let position = match &both {
                Both { mysql: Some(write), .. } => {
                    let cells = write.puts.iter().map(|(name, value)| (name, value));
                    place::of_item(list.mapping, list.target, &address, cells)
                }
                Both { hbase: Some(row), .. } => {
                    let cells = row.cells.iter().map(|cell| (&cell.qualifier, &cell.value));
                    place::of_item(list.mapping, list.target, &address, cells)
                }
                Both { .. } => Position::Unknown(address.clone()),
            };
            (position, pair(list, address, both, side))
        })
        .collect();
    pairs.sort_by(|(a, _), (b, _)| if reversed { b.cmp(a) } else { a.cmp(b) });
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

fn pair(list: &StoredList<'_>, address: Address, both: Both, side: Side) -> Pair {
    let difference = match side {
        Side::Both => difference(both.mysql.as_ref(), both.hbase.as_ref()),
        Side::Mysql | Side::Hbase => None,
    };
    Pair {
        address,
        mysql: both.mysql.map(|write| written(list, &write)),
        hbase: both.hbase.map(|row| stored(list, &row)),
        difference,
    }
}

fn written(list: &StoredList<'_>, write: &ItemWrite) -> StoredItem {
    let cells = write.puts.iter().map(|(name, value)| (name, value));
    StoredItem { columns: decode::columns(list.mapping, list.target, cells) }
}

fn stored(list: &StoredList<'_>, row: &StoredRow) -> StoredItem {
    let cells = row.cells.iter().map(|cell| (&cell.qualifier, &cell.value));
    StoredItem { columns: decode::columns(list.mapping, list.target, cells) }
}
