//! What the application does, as transactions that are not sent yet.

use crate::edge::{Edge, People, any_note};
use rand::Rng;
use serde::Serialize;

/// Something that a user does. Each name is a key of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Follow,
    Unfollow,
    /// Unfollows and follows again, in one transaction.
    RefollowAtOnce,
    /// Unfollows and follows again, in two transactions.
    RefollowLater,
    /// Follows and thinks better of it before the transaction ends.
    FollowBriefly,
    /// Moves an edge within its list's order.
    Reorder,
    /// An account is merged into another: the edge changes its list.
    ChangeList,
    /// A follower is merged into another: the edge changes its item.
    ChangeItem,
    ClearNote,
    SetNote,
    /// One user follows many at once.
    FollowMany,
    /// One list loses many followers at once.
    UnfollowMany,
    /// One list's edges are updated by the dozen.
    RewriteMany,
}

use Action::*;

/// How often each action is taken, in parts of their sum. Follows and unfollows balance, so the table keeps its size.
const WEIGHTS: [(Action, u32); 13] = [
    (Follow, 20),
    (Unfollow, 20),
    (RefollowAtOnce, 8),
    (RefollowLater, 8),
    (FollowBriefly, 4),
    (Reorder, 10),
    (ChangeList, 5),
    (ChangeItem, 3),
    (ClearNote, 8),
    (SetNote, 8),
    (FollowMany, 2),
    (UnfollowMany, 2),
    (RewriteMany, 2),
];

/// One in so many transactions ends in ROLLBACK.
const ROLLBACK_ODDS: u32 = 40;
/// Rows of an action that takes many.
const MANY: u64 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Update,
    Delete,
}

#[derive(Debug)]
pub struct Statement {
    pub kind: Kind,
    pub sql: String,
}

#[derive(Debug)]
pub struct Transaction {
    pub statements: Vec<Statement>,
    pub rolls_back: bool,
}

impl Action {
    pub fn any(rng: &mut impl Rng) -> Action {
        let mut left = rng.random_range(0..WEIGHTS.iter().map(|(_, weight)| weight).sum());
        for (action, weight) in WEIGHTS {
            if left < weight {
                return action;
            }
            left -= weight;
        }
        Follow
    }

    /// Whether it needs an edge that exists.
    pub fn needs_edge(self) -> bool {
        !matches!(self, Follow | FollowBriefly | FollowMany)
    }

    /// The transactions of this action on `edge`.
    pub fn plan(self, edge: Edge, people: &People, rng: &mut impl Rng) -> Vec<Transaction> {
        let transactions = match self {
            Follow => vec![vec![insert(edge, rng)]],
            Unfollow => vec![vec![delete(edge)]],
            RefollowAtOnce => vec![vec![delete(edge), insert(edge, rng)]],
            RefollowLater => vec![vec![delete(edge)], vec![insert(edge, rng)]],
            FollowBriefly => vec![vec![insert(edge, rng), delete(edge)]],
            Reorder => vec![vec![update(edge, "created_at = created_at + INTERVAL 1 DAY")]],
            ChangeList => vec![vec![update(edge, &format!("followee_id = {}", people.any_list(rng)))]],
            ChangeItem => vec![vec![update(edge, &format!("follower_id = {}", people.any_user(rng)))]],
            ClearNote => vec![vec![update(edge, "note = NULL")]],
            SetNote => vec![vec![update(edge, &format!("note = {}", any_note(rng)))]],
            FollowMany => vec![follow_many(edge, people, rng)],
            UnfollowMany => vec![vec![from(Kind::Delete, "DELETE FROM follows".into(), edge)]],
            RewriteMany => {
                let change = format!("UPDATE follows SET note = {}", any_note(rng));
                vec![vec![from(Kind::Update, change, edge)]]
            }
        };
        let ending = |statements| Transaction { statements, rolls_back: rng.random_ratio(1, ROLLBACK_ODDS) };
        transactions.into_iter().map(ending).collect()
    }
}

fn insert(edge: Edge, rng: &mut impl Rng) -> Statement {
    let note = if rng.random_ratio(1, 2) { any_note(rng) } else { "NULL".to_owned() };
    let sql = format!("INSERT INTO follows VALUES ({}, {}, NOW(3), {note})", edge.followee, edge.follower);
    Statement { kind: Kind::Insert, sql }
}

fn update(edge: Edge, change: &str) -> Statement {
    Statement { kind: Kind::Update, sql: format!("UPDATE follows SET {change} WHERE {}", is(edge)) }
}

fn delete(edge: Edge) -> Statement {
    Statement { kind: Kind::Delete, sql: format!("DELETE FROM follows WHERE {}", is(edge)) }
}

fn is(edge: Edge) -> String {
    format!("followee_id = {} AND follower_id = {}", edge.followee, edge.follower)
}

/// A statement on the edges of a list from `edge` on.
fn from(kind: Kind, head: String, edge: Edge) -> Statement {
    let Edge { followee, follower } = edge;
    let tail = format!(
        "WHERE followee_id = {followee} AND follower_id >= {follower} ORDER BY follower_id LIMIT {MANY}"
    );
    Statement { kind, sql: format!("{head} {tail}") }
}

/// Several INSERTs, in the order of their keys, so that two users who do it at the same time do not deadlock.
fn follow_many(edge: Edge, people: &People, rng: &mut impl Rng) -> Vec<Statement> {
    let mut lists: Vec<u64> = (0..MANY).map(|_| people.any_list(rng)).collect();
    lists.sort_unstable();
    lists.dedup();
    lists.into_iter().map(|followee| insert(Edge { followee, ..edge }, rng)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const PEOPLE: People = People { lists: 100, users: 1000, giant: 50 };
    const EDGE: Edge = Edge { followee: 7, follower: 42 };

    #[test]
    fn every_action_comes_up_in_a_minute_of_work() {
        let mut rng = StdRng::seed_from_u64(3);
        let taken: std::collections::BTreeSet<Action> = (0..5_000).map(|_| Action::any(&mut rng)).collect();
        assert_eq!(taken.len(), WEIGHTS.len());
    }

    #[test]
    fn following_again_is_one_transaction_or_two() {
        let mut rng = StdRng::seed_from_u64(3);
        let kinds = |action: Action, rng: &mut StdRng| -> Vec<Vec<Kind>> {
            let plan = action.plan(EDGE, &PEOPLE, rng);
            plan.iter().map(|t| t.statements.iter().map(|s| s.kind).collect()).collect()
        };
        assert_eq!(kinds(RefollowAtOnce, &mut rng), [vec![Kind::Delete, Kind::Insert]]);
        assert_eq!(kinds(RefollowLater, &mut rng), [vec![Kind::Delete], vec![Kind::Insert]]);
    }

    #[test]
    fn some_transactions_roll_back_and_most_do_not() {
        let mut rng = StdRng::seed_from_u64(3);
        let plans = (0..4_000).flat_map(|_| Follow.plan(EDGE, &PEOPLE, &mut rng)).collect::<Vec<_>>();
        let rolled_back = plans.iter().filter(|transaction| transaction.rolls_back).count();
        assert!((50..200).contains(&rolled_back));
    }
}
