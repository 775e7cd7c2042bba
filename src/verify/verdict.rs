//! What a comparison found, as the history keeps it: who, when, and whose lists are set by whoever keeps it.

use super::business::{BusinessMapping, BusinessQuery, BusinessReport};
use super::report::{Example, VerifyReport, VerifyTargetReport};
use crate::model::Share;
use crate::store::records::{
    FINDINGS_MAX, VerdictFinding, VerdictMapping, VerdictMode, VerdictQuery, VerdictRecord, VerdictTarget,
};

impl VerifyReport {
    /// As it is kept.
    pub fn verdict(&self) -> VerdictRecord {
        VerdictRecord {
            seconds: self.seconds,
            began_ms: self.began_ms,
            mode: if self.sample.is_some() { VerdictMode::Sample } else { VerdictMode::Full },
            judged: self.judged,
            equal: self.equal,
            cannot_judge: self.cannot_judge.clone(),
            compared: self.items_compared,
            confirmed: self.missing + self.extra + self.different + self.repeated,
            unsettled: self.unsettled,
            targets: self.targets.iter().map(target).collect(),
            findings: some_of_each(self.targets.iter().map(of_target)),
            ..VerdictRecord::default()
        }
    }
}

impl BusinessReport {
    /// As it is kept.
    pub fn verdict(&self) -> VerdictRecord {
        VerdictRecord {
            seconds: self.seconds,
            mode: VerdictMode::Business,
            judged: self.judged,
            equal: self.equal,
            cannot_judge: self.cannot_judge.clone(),
            compared: self.answers,
            confirmed: self.different,
            unsettled: self.unsettled,
            mappings: self.mappings.iter().map(|found| mapping(found, self.judged)).collect(),
            findings: some_of_each(self.mappings.iter().map(of_mapping)),
            ..VerdictRecord::default()
        }
    }
}

fn target(found: &VerifyTargetReport) -> VerdictTarget {
    VerdictTarget {
        mapping: found.mapping.clone(),
        table: found.table.clone(),
        family: found.family.clone(),
        compared: found.items_compared,
        missing: found.missing,
        extra: found.extra,
        different: found.different,
        repeated: found.repeated,
        counts_compared: found.counts_compared,
        miscounted: found.miscounted,
        equal: found.is_equal(),
        share: found.share,
    }
}

fn mapping(found: &BusinessMapping, judged: bool) -> VerdictMapping {
    VerdictMapping {
        mapping: found.mapping.clone(),
        lists: found.lists.iter().map(|(group, lists)| ((*group).to_owned(), *lists)).collect(),
        random: if judged { found.random } else { Share::default() },
        queries: found.queries.iter().map(query).collect(),
    }
}

fn query(found: &BusinessQuery) -> VerdictQuery {
    VerdictQuery {
        query: found.query.clone(),
        kind: found.kind.to_owned(),
        answers: found.answers,
        different: found.different,
        unsettled: found.unsettled,
        mysql_p50_ms: found.mysql_p50_ms,
        mysql_p99_ms: found.mysql_p99_ms,
        hbase_p50_ms: found.hbase_p50_ms,
        hbase_p99_ms: found.hbase_p99_ms,
    }
}

fn of_target(target: &VerifyTargetReport) -> Vec<VerdictFinding> {
    let finding = |Example { kind, item, what }: &Example| VerdictFinding {
        place: format!("{} -> {}, family {}", target.mapping, target.table, target.family),
        key: item.clone(),
        what: if what.is_empty() { (*kind).to_owned() } else { format!("{kind}: {}", what.join(", ")) },
    };
    target.examples.iter().map(finding).collect()
}

fn of_mapping(mapping: &BusinessMapping) -> Vec<VerdictFinding> {
    let findings = mapping.findings.iter().map(|finding| VerdictFinding {
        place: format!("{}, query {}", mapping.mapping, finding.query),
        key: finding.list.clone(),
        what: finding.what.clone(),
    });
    findings.collect()
}

/// The first finding of each place, then the second, until there are enough.
fn some_of_each(places: impl Iterator<Item = Vec<VerdictFinding>>) -> Vec<VerdictFinding> {
    let mut findings: Vec<_> = places.flat_map(|found| found.into_iter().enumerate()).collect();
    findings.sort_by_key(|(rank, _)| *rank);
    findings.into_iter().map(|(_, finding)| finding).take(FINDINGS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_a_target_leave_room_for_those_of_another() {
        let of = |place: &str, many| {
            let finding = VerdictFinding { place: place.into(), ..VerdictFinding::default() };
            vec![finding; many]
        };
        let some = some_of_each([of("a", 30), of("b", 2)].into_iter());
        assert_eq!(some.len(), FINDINGS_MAX);
        assert_eq!(some.iter().filter(|finding| finding.place == "b").count(), 2);
    }

    #[test]
    fn what_was_not_judged_has_no_share() {
        let found = BusinessMapping { random: Share::of(10, 0, true), ..BusinessMapping::default() };
        let mut report = BusinessReport { mappings: vec![found], ..BusinessReport::default() };
        assert!(report.verdict().mappings[0].random.bound >= 1.0);
        report.judged = true;
        assert!(report.verdict().mappings[0].random.bound <= 0.0);
    }
}
