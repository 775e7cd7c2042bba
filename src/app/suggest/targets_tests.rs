//! Targets for every set of queries.

use super::*;

const KINDS: [QueryKind; 5] =
    [QueryKind::Latest, QueryKind::First, QueryKind::Page, QueryKind::Has, QueryKind::Count];

fn lists(has_order: bool, largest_bytes: Option<f64>) -> Lists {
    Lists { has_order, can_segment: has_order, largest_bytes }
}

fn asked(kinds: &[QueryKind]) -> Vec<Asked> {
    kinds.iter().map(|kind| Asked { kind: *kind, limit: kind.returns_items().then_some(10) }).collect()
}

fn shown(kinds: &[QueryKind], lists: Lists) -> Vec<String> {
    let one = |plan: &Plan| {
        let flags = [
            (plan.ordered, "ordered"),
            (plan.full, "full"),
            (plan.segmented, "segmented"),
            (plan.counted, "counted"),
        ];
        let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        format!("{}{} {}", name(plan.layout), plan.suffix, flags.join(" ")).trim_end().to_owned()
    };
    plan(&asked(kinds), lists).iter().map(one).collect()
}

#[test]
fn each_query_gets_the_target_that_the_page_of_formats_names() {
    use QueryKind::{Count, First, Has, Latest};
    let (small, large, unknown) = (Some(1e6), Some(1e9), None);
    for (kinds, order, bytes, expected) in [
        (&[Latest][..], true, unknown, &["tall ordered full"][..]),
        (&[First], false, unknown, &["tall full"]),
        (&[Latest, Has], true, unknown, &["tall ordered full", "tall_has"]),
        (&[First, Has], false, unknown, &["tall full"]),
        (&[Latest, Has, Count], true, small, &["tall ordered full", "wide_counts counted"]),
        (
            &[Latest, Has, Count],
            true,
            large,
            &["tall ordered full", "tall_has", "wide_counts ordered segmented counted"],
        ),
        (
            &[Latest, Has, Count],
            true,
            unknown,
            &["tall ordered full", "tall_has", "wide_counts ordered segmented counted"],
        ),
        (&[First, Has, Count], false, large, &["tall full", "wide_counts counted"]),
        (&[Has], true, unknown, &["tall full"]),
        (&[Count], true, small, &["wide full counted"]),
        (&[Has, Count], true, small, &["wide full counted"]),
        (&[Has, Count], true, large, &["tall full", "wide_counts ordered segmented counted"]),
        (&[], true, unknown, &["tall ordered full"]),
    ] {
        assert_eq!(shown(kinds, lists(order, bytes)), expected, "{kinds:?}, order {order}, {bytes:?}");
    }
}

#[test]
fn every_set_of_queries_has_targets_with_different_names_and_one_with_all_columns() {
    for set in 0..1 << KINDS.len() {
        let kinds: Vec<QueryKind> = KINDS
            .into_iter()
            .enumerate()
            .filter(|(at, _)| set & (1 << at) != 0)
            .map(|(_, kind)| kind)
            .collect();
        for lists in [lists(true, None), lists(true, Some(1e3)), lists(false, None), lists(false, Some(1e3))]
        {
            let plans = plan(&asked(&kinds), lists);
            let mut names: Vec<&str> = plans.iter().map(|plan| plan.suffix).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), plans.len(), "{kinds:?}");
            assert!(
                plans[0].full && plans[0].suffix.is_empty() && !plans[1..].iter().any(|plan| plan.full),
                "{kinds:?}"
            );
        }
    }
}
