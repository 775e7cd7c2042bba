//! How sure a sample makes us: the upper bound of a share, by Clopper and Pearson.

use serde::{Deserialize, Serialize};

/// How sure the bound is, one-sided.
const CONFIDENCE: f64 = 0.95;
/// A bound at or below this share is "six nines".
pub const SIX_NINES: f64 = 0.000_001;

/// What a uniform sample says about the share of things that are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Things that were drawn and compared.
    pub compared: u64,
    /// Those with a confirmed difference.
    pub confirmed: u64,
    /// Whether these are all things that there are: then the share is exact.
    pub is_all: bool,
    /// `confirmed / compared`; 0 without a sample.
    pub estimate: f64,
    /// At 95 % the share is not above this; 1 without a sample, the estimate where `is_all`.
    pub bound: f64,
    /// How many more things without a difference it takes to six nines; 0 when that is reached, and where `is_all`.
    pub missing_for_six_nines: u64,
}

/// Nothing was compared, so nothing is known.
impl Default for Share {
    fn default() -> Share {
        Share::of(0, 0, false)
    }
}

impl Share {
    /// Of a sample; `is_all`: it holds everything.
    pub fn of(compared: u64, confirmed: u64, is_all: bool) -> Share {
        let estimate = if compared == 0 { 0.0 } else { confirmed as f64 / compared as f64 };
        let bound = if is_all { estimate } else { upper_bound(compared, confirmed) };
        let missing =
            if is_all || bound <= SIX_NINES { 0 } else { needed(confirmed).saturating_sub(compared).max(1) };
        Share { compared, confirmed, is_all, estimate, bound, missing_for_six_nines: missing }
    }

    /// In a sentence without its point. `things`: what was compared; `wrong`: what the confirmed ones are.
    pub fn words(&self, things: &str, wrong: &str) -> String {
        let Share { compared, confirmed, is_all, estimate, bound, missing_for_six_nines } = *self;
        let share = match (is_all, confirmed) {
            (true, 0) => return format!("all {compared} {things}: 0 {wrong}; this is exact"),
            (true, _) => {
                return format!(
                    "all {compared} {things}: {confirmed} {wrong}, share {estimate:.6}; this is exact"
                );
            }
            (false, _) => format!("share {estimate:.6}, at 95 % at most {bound:.6}"),
        };
        let six_nines = match missing_for_six_nines {
            0 => "six nines".to_owned(),
            missing => format!("{missing} more {things} without a difference to six nines"),
        };
        format!("{compared} {things} at random: {confirmed} {wrong} ({share}); {six_nines}")
    }
}

/// The largest share for which a sample of `n` has at most `k` wrong ones with a probability of 5 % (Clopper-Pearson,
/// one-sided; the 95 % quantile of Beta(k + 1, n - k)). Drawn without replacement, it is on the safe side.
pub fn upper_bound(n: u64, k: u64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    // each step halves the interval; after 60 of them nothing is left of it
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(n, k, middle) > 1.0 - CONFIDENCE { low = middle } else { high = middle }
    }
    high
}

/// The probability that a sample of `n` has at most `k` wrong ones where their share is `share`, above 0 and below 1: the
/// binomial distribution, summed up from logarithms of its terms, so that small ones do not vanish.
fn at_most(n: u64, k: u64, share: f64) -> f64 {
    let odds = share.ln() - (-share).ln_1p();
    let mut term = n as f64 * (-share).ln_1p();
    let mut sum = term.exp();
    for i in 0..k {
        term += ((n - i) as f64 / (i + 1) as f64).ln() + odds;
        sum += term.exp();
    }
    sum
}

/// The smallest sample that has six nines with `k` wrong ones.
fn needed(k: u64) -> u64 {
    let is_enough = |n: u64| n > k && at_most(n, k, SIX_NINES) <= 1.0 - CONFIDENCE;
    let (mut low, mut high) = (k, 1_000_000);
    while !is_enough(high) {
        (low, high) = (high, high * 2);
    }
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if is_enough(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One-sided 95 % upper limits. n = 10 and n = 20: the two-sided 90 % limits of the exact binomial tables (Documenta
    /// Geigy; `binom.test(k, n, conf.level = 0.9)` of R gives the same); k = 0 and n = 59 is the 5 % of MIL-STD-690's
    /// "59 without a failure".
    #[test]
    fn bounds_are_those_of_published_tables() {
        for (n, k, bound) in [
            (10, 0, 0.2589),
            (10, 1, 0.3942),
            (10, 2, 0.5069),
            (10, 5, 0.7776),
            (10, 9, 0.9949),
            (20, 0, 0.1391),
            (20, 1, 0.2161),
            (20, 5, 0.4556),
            (59, 0, 0.0495),
            (93, 1, 0.0500),
        ] {
            let found = upper_bound(n, k);
            assert!((found - bound).abs() < 0.000_1, "{k} of {n}: {found}, published {bound}");
        }
        assert!((upper_bound(10, 10) - 1.0).abs() < f64::EPSILON);
        assert!((upper_bound(0, 0) - 1.0).abs() < f64::EPSILON, "no sample says nothing");
    }

    #[test]
    fn six_nines_take_as_many_samples_as_the_formula_says() {
        // ln(0.05) / ln(1 - 0.000001), rounded up
        assert_eq!(needed(0), 2_995_731);
        assert_eq!(Share::of(2_995_730, 0, false).missing_for_six_nines, 1);
        assert_eq!(Share::of(2_995_731, 0, false).missing_for_six_nines, 0);
        let some = Share::of(1_000, 0, false);
        assert_eq!(some.missing_for_six_nines, 2_994_731);
        assert!(some.bound < 3.0 / 1_000.0 && some.bound > 2.99 / 1_000.0);
        assert!(needed(1) > needed(0));
        assert_eq!(
            some.words("lists", "wrong"),
            "1000 lists at random: 0 wrong (share 0.000000, at 95 % at most 0.002991); 2994731 more lists without a \
             difference to six nines"
        );
        assert!(
            Share::of(2_995_731, 0, false).words("lists", "wrong").ends_with("at most 0.000001); six nines")
        );
    }

    #[test]
    fn a_sample_that_holds_everything_is_exact() {
        // and one that has more wrong ones than right ones ends
        assert!(Share::of(1_000, 900, false).bound > 0.9);
        let all = Share::of(40, 1, true);
        assert!((all.bound - 0.025).abs() < f64::EPSILON && (all.estimate - 0.025).abs() < f64::EPSILON);
        assert_eq!(Share::of(40, 0, true).missing_for_six_nines, 0);
        assert_eq!(all.words("lists", "wrong"), "all 40 lists: 1 wrong, share 0.025000; this is exact");
        assert_eq!(Share::of(40, 0, true).words("lists", "wrong"), "all 40 lists: 0 wrong; this is exact");
        let none = Share::default();
        assert!((none.bound - 1.0).abs() < f64::EPSILON && none.estimate.abs() < f64::EPSILON);
    }
}
