//! The policy: how many rows a second may be read, by what the last look has shown.
//!
//! As TCP finds out how much a line carries (RFC 5681): a little more with each look at which nothing is above its limit,
//! half at each look at which something is. So the copy takes what others leave, and steps back within seconds.

/// Rows a second that a copy is taken to be able to, before any were seen.
const FIRST: f64 = 20_000.0;
/// What a look without trouble adds, as a part of the most that the copy is known to be able to.
const STEP: f64 = 0.05;
/// Below this part of it there is no point in going on slowly.
const LEAST: f64 = 0.01;
/// So far above it the pace is none any more.
const ABOVE: f64 = 1.25;

/// What a look has shown, the worst of all signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is above its limit.
    #[default]
    Free,
    /// A figure is above its limit.
    Above,
    /// Nothing may be copied now, or a figure cannot be read.
    Shut,
}

/// Rows a second that may be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// `None`: as many as can be.
    allowed: Option<f64>,
    /// The most that the copy was seen to do.
    known: f64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { allowed: None, known: FIRST }
    }
}

impl Pace {
    /// `None`: as many as can be.
    pub fn rows_per_second(self) -> Option<f64> {
        self.allowed
    }

    /// Nothing is looked at (any more): only the bound holds.
    pub fn unwatched(&mut self, bound: Option<f64>) {
        self.allowed = bound;
    }

    /// A bound that was changed holds at once.
    pub fn bind(&mut self, bound: Option<f64>) {
        if let Some(bound) = bound {
            self.allowed = Some(self.allowed.map_or(bound, |allowed| allowed.min(bound)));
        }
    }

    /// After a look. `rate`: rows a second that were read since the one before.
    pub fn adapt(&mut self, verdict: Verdict, bound: Option<f64>, rate: f64) {
        self.known = self.known.max(rate);
        let most = bound.unwrap_or(self.known);
        self.allowed = match (verdict, self.allowed) {
            (Verdict::Shut, _) => Some(0.0),
            (Verdict::Above, allowed) => {
                let half = allowed.unwrap_or(most).min(most) / 2.0;
                Some(if half < most * LEAST { 0.0 } else { half })
            }
            (Verdict::Free, None) => bound,
            (Verdict::Free, Some(allowed)) => {
                let more = allowed + most * STEP;
                match bound {
                    Some(bound) => Some(more.min(bound)),
                    None => Some(more).filter(|more| *more < most * ABOVE),
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdicts() -> impl Strategy<Value = Vec<(Verdict, f64)>> {
        let verdict = prop_oneof![Just(Verdict::Free), Just(Verdict::Above), Just(Verdict::Shut)];
        proptest::collection::vec((verdict, 0.0..500_000.0_f64), 0..60)
    }

    proptest! {
        #[test]
        fn a_pace_is_never_above_its_bound_and_never_negative(
            looks in verdicts(),
            bound in 1.0..1_000_000.0_f64,
            later in proptest::option::of(1.0..1_000_000.0_f64),
        ) {
            let mut pace = Pace::default();
            pace.bind(Some(bound));
            for (verdict, rate) in &looks {
                pace.adapt(*verdict, Some(bound), *rate);
                let allowed = pace.rows_per_second().expect("there is a bound");
                prop_assert!((0.0..=bound).contains(&allowed));
            }
            pace.bind(later);
            prop_assert!(later.is_none_or(|later| pace.rows_per_second() <= Some(later)));
        }

        #[test]
        fn whatever_was_before_it_recovers_when_all_is_well(
            looks in verdicts(),
            bound in proptest::option::of(1.0..1_000_000.0_f64),
        ) {
            let mut pace = Pace::default();
            looks.iter().for_each(|(verdict, rate)| pace.adapt(*verdict, bound, *rate));
            (0..30).for_each(|_| pace.adapt(Verdict::Free, bound, 0.0));
            prop_assert_eq!(pace.rows_per_second(), bound);
        }

        #[test]
        fn it_comes_to_nothing_within_a_few_looks_above_a_limit_and_at_once_where_it_is_shut(
            looks in verdicts(),
            bound in proptest::option::of(1.0..1_000_000.0_f64),
        ) {
            let mut pace = Pace::default();
            looks.iter().for_each(|(verdict, rate)| pace.adapt(*verdict, bound, *rate));
            let mut shut = pace;
            shut.adapt(Verdict::Shut, bound, 0.0);
            prop_assert_eq!(shut.rows_per_second(), Some(0.0));
            let mut before = f64::INFINITY;
            for _ in 0..8 {
                pace.adapt(Verdict::Above, bound, 0.0);
                let now = pace.rows_per_second().expect("something is above its limit");
                prop_assert!(now <= before / 2.0);
                before = now;
            }
            prop_assert_eq!(before, 0.0);
        }
    }

    #[test]
    fn one_that_nothing_has_held_back_has_no_limit_and_a_figure_above_halves_what_it_does() {
        let mut pace = Pace::default();
        pace.adapt(Verdict::Free, None, 80_000.0);
        assert_eq!(pace.rows_per_second(), None);
        pace.adapt(Verdict::Above, None, 80_000.0);
        assert_eq!(pace.rows_per_second(), Some(40_000.0));
        pace.adapt(Verdict::Free, None, 40_000.0);
        assert_eq!(pace.rows_per_second(), Some(44_000.0), "additive: a twentieth of the most");
        pace.unwatched(None);
        assert_eq!(pace.rows_per_second(), None);
    }
}
