//! Edges, and the people between whom they run.

use rand::Rng;

/// One row of the table: `follower` follows `followee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub followee: u64,
    pub follower: u64,
}

/// Who there is: lists are numbered from 1, users from 1, and one list is far bigger than all others.
#[derive(Clone, Copy, Debug)]
pub struct People {
    pub lists: u64,
    pub users: u64,
    pub giant: u64,
}

impl People {
    /// A list to work on. A copy goes through the table from low to high, so the low end is soon copied and the high end
    /// long not; the giant's list is copied over a while. The high end reaches past the last list: new ones come up.
    pub fn any_list(&self, rng: &mut impl Rng) -> u64 {
        let tenth = self.lists / 10 + 1;
        match rng.random_range(0..100) {
            0..20 => self.giant,
            20..35 => rng.random_range(1..=tenth),
            35..50 => self.lists.saturating_sub(tenth) + rng.random_range(1..=tenth + tenth / 10),
            _ => rng.random_range(1..=self.lists),
        }
    }

    pub fn any_user(&self, rng: &mut impl Rng) -> u64 {
        rng.random_range(1..=self.users)
    }
}

/// What people note about whom they follow; no quotes in here, it goes into statements as it is.
const NOTES: [&str; 8] = [
    "",
    "met at work",
    "school",
    "Zoë recommended this",
    "友達",
    "🎉 since the party",
    "follow back?",
    "a note that is as long as the column takes it ......................................................",
];

/// The value of a note as it stands in a statement.
pub fn any_note(rng: &mut impl Rng) -> String {
    format!("'{}'", NOTES[rng.random_range(0..NOTES.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn lists_are_picked_at_both_ends_in_the_giant_and_past_the_last() {
        let people = People { lists: 10_000, users: 100_000, giant: 5_000 };
        let mut rng = StdRng::seed_from_u64(1);
        let picked: Vec<u64> = (0..10_000).map(|_| people.any_list(&mut rng)).collect();
        let share = |inside: &dyn Fn(u64) -> bool| picked.iter().filter(|list| inside(**list)).count();
        assert!(share(&|list| list == 5_000) > 1_500);
        assert!(share(&|list| list <= 1_001) > 1_500);
        assert!(share(&|list| list > 9_000) > 1_500);
        assert!(share(&|list| list > 10_000) > 0);
        assert!(picked.iter().all(|list| (1..=10_100).contains(list)));
    }

    #[test]
    fn every_note_fits_its_column_and_its_statement() {
        assert!(NOTES.iter().all(|note| note.chars().count() <= 100 && !note.contains(['\'', '\\'])));
    }
}
