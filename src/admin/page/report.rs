//! The report of the history of verdicts: one HTML file without references to anything else, for a screen in light and dark,
//! and for paper.

use super::charts::{paths, round_up};
use super::moments::time;
use crate::model::Share;
use crate::model::causes::{BEYOND, CAUSES, Check};
use crate::status::text::count;
use crate::store::records::{VerdictFinding, VerdictMode, VerdictQuery, VerdictRecord, VerdictTarget};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// What a browser lets the file do: nothing but look as it does.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Of the picture of one query.
const WIDTH: f64 = 300.0;
/// Findings that are shown.
const FINDINGS_MAX: usize = 200;

/// The report of these verdicts, oldest first.
pub fn report(verdicts: &[VerdictRecord], made_at_ms: u64) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "tailfill: verification" }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(include_str!("report.css"))) }
            }
            body {
                header {
                    h1 { "Verification" }
                    @if let Some(newest) = verdicts.last() { p { (state(newest)) } }
                    p.about {
                        "made by tailfill " (env!("CARGO_PKG_VERSION")) " at " (time(made_at_ms)) "; "
                        @match verdicts {
                            [] => "there was no comparison",
                            [one] => { "1 comparison, at " (time(one.at_ms)) }
                            [first, .., last] => {
                                (count(verdicts.len() as u64)) " comparisons from " (time(first.at_ms)) " to " (time(last.at_ms))
                            }
                        }
                    }
                }
                main {
                    (figures(verdicts))
                    (targets(verdicts))
                    (answers(verdicts))
                    (findings(verdicts))
                    (history(verdicts))
                    (unseen())
                }
            }
        }
    };
    page.into_string()
}

/// The newest verdict of a kind.
fn newest(verdicts: &[VerdictRecord], mode: VerdictMode) -> Option<&VerdictRecord> {
    verdicts.iter().rev().find(|verdict| verdict.mode == mode)
}

/// A sign and the verdict.
fn state(verdict: &VerdictRecord) -> Markup {
    let (sign, class) = match (verdict.judged, verdict.equal) {
        (false, _) => ("?", "warns"),
        (true, true) => ("✓", "good"),
        (true, false) => ("✕", "bad"),
    };
    html! { span class={ "state " (class) } { span.sign aria-hidden="true" { (sign) } " " (verdict.verdict()) } }
}

/// A share as a figure, and in words below.
fn share_text(share: &Share) -> (String, String) {
    let Share { compared, confirmed, is_all, bound, missing_for_six_nines, .. } = *share;
    let of = format!("{} of {} differ", count(confirmed), count(compared));
    if is_all {
        return (percent(share.estimate), format!("exact: {of}"));
    }
    if compared == 0 {
        return ("not known".to_owned(), "nothing was judged".to_owned());
    }
    let six_nines = match missing_for_six_nines {
        0 => "six nines reached".to_owned(),
        missing => format!("{} more without a difference to six nines", count(missing)),
    };
    (format!("at most {}", percent(bound)), format!("at 95 %: {of}; {six_nines}"))
}

/// A share with as many digits as it takes to see it.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        some if some < 0.01 => format!("{some:.6} %"),
        some => format!("{some:.3} %"),
    }
}

/// The worst share of the newest verdict of each kind.
fn figures(verdicts: &[VerdictRecord]) -> Markup {
    let kinds = [
        ("All items", VerdictMode::Full),
        ("Sample of items", VerdictMode::Sample),
        ("Answers to queries", VerdictMode::Business),
    ];
    html! {
        section #figures aria-label="Shares that differ" {
            dl class="figures three" {
                @for (name, mode) in kinds {
                    div {
                        dt { (name) ": share that differs" }
                        @match newest(verdicts, mode) {
                            None => { dd.value.small { "not compared" } dd.quiet {} }
                            Some(verdict) => {
                                @let (value, words) = share_text(&worst(verdict));
                                dd.value.small { (value) }
                                dd.quiet { (state(verdict)) " " (words) }
                                dd.quiet { (time(verdict.at_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn worst(verdict: &VerdictRecord) -> Share {
    let shares = verdict.targets.iter().map(|target| target.share);
    let shares = shares.chain(verdict.mappings.iter().map(|mapping| mapping.random));
    shares.max_by(|one, other| one.bound.total_cmp(&other.bound)).unwrap_or_default()
}

/// What the newest comparisons of items found in each target.
fn targets(verdicts: &[VerdictRecord]) -> Markup {
    let kinds = [("All items", VerdictMode::Full), ("A sample of items", VerdictMode::Sample)];
    let shown = kinds.into_iter().filter_map(|(name, mode)| Some((name, newest(verdicts, mode)?)));
    html! {
        @for (name, verdict) in shown {
            section {
                h2 { (name) " " span.quiet { (time(verdict.at_ms)) } }
                @if let Some(reason) = &verdict.cannot_judge { p { (state(verdict)) " " (reason) } }
                table {
                    thead { tr {
                        th scope="col" { "Mapping and target" }
                        @for name in ["Compared", "Missing", "Extra", "Different", "Repeated", "Counts wrong"] {
                            th.number scope="col" { (name) }
                        }
                        th scope="col" { "Share that differs" }
                    } }
                    tbody { @for target in &verdict.targets { (target_row(target)) } }
                }
            }
        }
    }
}

fn target_row(target: &VerdictTarget) -> Markup {
    let (value, words) = share_text(&target.share);
    let numbers = [
        ("Compared", target.compared),
        ("Missing", target.missing),
        ("Extra", target.extra),
        ("Different", target.different),
        ("Repeated", target.repeated),
        ("Counts wrong", target.miscounted),
    ];
    html! {
        tr {
            th scope="row" { span.name { (target.mapping) } span.target { (target.table) ":" (target.family) } }
            @for (name, number) in numbers { td.number data-of=(name) { (count(number)) } }
            td data-of="Share" { span { span.name { (value) } span.target { (words) } } }
        }
    }
}

/// The newest answers, with the times of both sides, and how the times were before.
fn answers(verdicts: &[VerdictRecord]) -> Markup {
    let Some(verdict) = newest(verdicts, VerdictMode::Business) else { return html! {} };
    let all = || {
        verdict.mappings.iter().flat_map(|mapping| mapping.queries.iter().map(move |query| (mapping, query)))
    };
    let top =
        round_up(all().map(|(_, query)| query.mysql_p99_ms.max(query.hbase_p99_ms)).fold(0.1, f64::max));
    html! {
        section.latency {
            h2 { "Answers to queries " span.quiet { (time(verdict.at_ms)) } }
            @if let Some(reason) = &verdict.cannot_judge { p { (state(verdict)) " " (reason) } }
            @if all().next().is_some() {
                p.quiet { "Each bar goes from the median to the 99th percentile of the time of one answer: MySQL above, HBase below." }
                table {
                    thead { tr {
                        th scope="col" { "Mapping and query" }
                        @for name in ["Answers", "Different", "MySQL p50 / p99", "HBase p50 / p99"] {
                            th.number scope="col" { (name) }
                        }
                        th scope="col" { "0 to " (milliseconds(top)) }
                    } }
                    tbody { @for (mapping, query) in all() { (query_row(&mapping.mapping, query, top)) } }
                }
            }
            @for mapping in &verdict.mappings {
                @let (value, words) = share_text(&mapping.random);
                p { span.name { (mapping.mapping) } ": lists with a wrong answer, by those drawn at random: " (value) " (" (words) ")" }
            }
            (times(verdicts, verdict))
        }
    }
}

fn query_row(mapping: &str, query: &VerdictQuery, top: f64) -> Markup {
    let times = |p50, p99| format!("{} / {}", milliseconds(p50), milliseconds(p99));
    let mysql = times(query.mysql_p50_ms, query.mysql_p99_ms);
    let hbase = times(query.hbase_p50_ms, query.hbase_p99_ms);
    let label = format!("MySQL {mysql}, HBase {hbase}");
    html! {
        tr {
            th scope="row" { span.name { (query.query) } span.target { (mapping) ", " (query.kind) } }
            td.number data-of="Answers" { (count(query.answers)) }
            td.number data-of="Different" { (count(query.different)) }
            td.number data-of="MySQL" { (mysql) }
            td.number data-of="HBase" { (hbase) }
            td data-of="Plot" {
                svg role="img" aria-label=(label) viewBox={ "0 0 " (WIDTH) " 26" } preserveAspectRatio="none" {
                    path.axis d={ "M0.5 0V26M" (WIDTH / 2.0) " 0V26M" (WIDTH - 0.5) " 0V26" } {}
                    (bar("mysql", 3, (query.mysql_p50_ms, query.mysql_p99_ms), top))
                    (bar("hbase", 15, (query.hbase_p50_ms, query.hbase_p99_ms), top))
                }
            }
        }
    }
}

fn bar(class: &str, y: u32, (p50, p99): (f64, f64), top: f64) -> Markup {
    let at = |ms: f64| (ms / top).clamp(0.0, 1.0) * WIDTH;
    let width = (at(p99) - at(p50)).max(3.0);
    html! { rect class=(class) x=(format!("{:.1}", at(p50).min(WIDTH - 3.0))) y=(y) width=(format!("{width:.1}")) height="8" {} }
}

/// The 99th percentiles of each query over all comparisons that asked it, oldest first.
fn times(verdicts: &[VerdictRecord], newest: &VerdictRecord) -> Markup {
    let of_query = |mapping: &str, query: &str| -> Vec<(f64, f64)> {
        let mappings = verdicts.iter().flat_map(|verdict| &verdict.mappings);
        let queries = mappings.filter(|other| other.mapping == mapping).flat_map(|other| &other.queries);
        let queries = queries.filter(|other| other.query == query && other.answers > 0);
        queries.map(|query| (query.mysql_p99_ms, query.hbase_p99_ms)).collect()
    };
    let mut charts = Vec::new();
    for mapping in &newest.mappings {
        for query in &mapping.queries {
            let times = of_query(&mapping.mapping, &query.query);
            if times.len() > 1 {
                charts.push(chart(&format!("{}, {}", mapping.mapping, query.query), &times));
            }
        }
    }
    html! {
        @if !charts.is_empty() {
            h3 { "99th percentile, comparison by comparison" }
            p.quiet { "The line is HBase, the dashes are MySQL." }
            div.charts { @for chart in charts { (chart) } }
        }
    }
}

fn chart(title: &str, times: &[(f64, f64)]) -> Markup {
    let top = round_up(times.iter().map(|(mysql, hbase)| mysql.max(*hbase)).fold(0.1, f64::max));
    let of = |side: fn(&(f64, f64)) -> f64| times.iter().map(|times| Some(side(times))).collect::<Vec<_>>();
    let (mysql, _) = paths(&of(|times| times.0), top);
    let (hbase, area) = paths(&of(|times| times.1), top);
    let (last_mysql, last_hbase) = times.last().copied().unwrap_or_default();
    let label = format!("{title}: MySQL {}, HBase {}", milliseconds(last_mysql), milliseconds(last_hbase));
    html! {
        figure.chart {
            figcaption { span { (title) } strong { (milliseconds(last_hbase)) } }
            div.plot {
                span.top { (milliseconds(top)) }
                svg role="img" aria-label=(label) viewBox="0 0 300 80" preserveAspectRatio="none" {
                    path.grid d="M0 0.5H300M0 40H300M0 79.5H300" {}
                    path.area d=(area) {}
                    path.other d=(mysql) {}
                    path.line d=(hbase) {}
                }
            }
            div.span { span { (times.len()) " comparisons" } span { "newest" } }
        }
    }
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.1} ms")
}

/// What differed, the newest first.
fn findings(verdicts: &[VerdictRecord]) -> Markup {
    let all =
        verdicts.iter().rev().flat_map(|verdict| verdict.findings.iter().map(move |found| (verdict, found)));
    let all: Vec<(&VerdictRecord, &VerdictFinding)> = all.collect();
    html! {
        section {
            h2 { "Differences" }
            @if all.is_empty() { p.calm { span.sign aria-hidden="true" { "✓" } " No comparison found one." } }
            @else {
                p.quiet { "Keys only, no values. Of each comparison the first 20." }
                table {
                    thead { tr { @for name in ["When", "Where", "Key", "What"] { th scope="col" { (name) } } } }
                    tbody { @for (verdict, found) in all.iter().take(FINDINGS_MAX) {
                        tr {
                            th scope="row" { (time(verdict.at_ms)) }
                            td data-of="Where" { (found.place) }
                            td data-of="Key" { code { (found.key) } }
                            td data-of="What" { (found.what) }
                        }
                    } }
                }
                @if all.len() > FINDINGS_MAX { p.quiet { "and " (count((all.len() - FINDINGS_MAX) as u64)) " older ones" } }
            }
        }
    }
}

/// Every comparison, the newest first.
fn history(verdicts: &[VerdictRecord]) -> Markup {
    html! {
        section.verdicts {
            h2 { "All comparisons" }
            table {
                thead { tr {
                    th scope="col" { "When" }
                    th scope="col" { "What" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Compared" }
                    th scope="col" { "Share that differs" }
                    th scope="col" { "Tail" }
                } }
                tbody { @for verdict in verdicts.iter().rev() { (history_row(verdict)) } }
            }
        }
    }
}

fn history_row(verdict: &VerdictRecord) -> Markup {
    let (value, words) = match verdict.mode {
        VerdictMode::Continuous => ("a walk".to_owned(), "each row at its own moment".to_owned()),
        _ => share_text(&worst(verdict)),
    };
    let things = if verdict.mode == VerdictMode::Business { "answers" } else { "items" };
    html! {
        tr {
            th scope="row" { (time(verdict.at_ms)) span.target { @if !verdict.by.is_empty() { "by " (verdict.by) } } }
            td data-of="What" { span {
                (verdict.mode.name())
                @if verdict.began_ms.is_some() { span.target { "interrupted, and resumed" } }
                @if verdict.repaired { span.target { "after a repair" } }
                @if let Some(lists) = &verdict.lists { span.target { "only the lists of a pilot: " (lists) } }
            } }
            td data-of="Verdict" { (state(verdict)) }
            td data-of="Compared" { span {
                (count(verdict.compared)) " " (things) ", " (count(verdict.confirmed)) " different"
                span.target { "in " (format!("{:.1}", verdict.seconds)) " s" }
            } }
            td data-of="Share" { span {
                @match &verdict.cannot_judge {
                    Some(reason) => (reason),
                    None => { span.name { (value) } span.target { (words) } }
                }
            } }
            td data-of="Tail" { @match &verdict.position {
                Some(position) => (format!("{}:{}", position.file, position.offset)),
                None => "–",
            } }
        }
    }
}

/// What each kind of comparison does not see.
fn unseen() -> Markup {
    let checks = Check::ALL.map(Check::name);
    html! {
        section {
            h2 { "What these comparisons do not see" }
            table {
                thead { tr {
                    th scope="col" { "Cause" }
                    @for check in checks { th scope="col" { (check) } }
                } }
                tbody { @for cause in CAUSES {
                    tr {
                        th scope="row" { (cause.name) }
                        @for (check, sees) in checks.iter().zip(cause.sees) { td data-of=(check) { (sees.words()) } }
                    }
                } }
            }
            p.quiet { (BEYOND) }
            p.quiet { "A bound holds for the moment of the comparison, with a probability of 95 %. Only things that were drawn uniformly count for it." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::VerdictMapping;

    const EVIL: &str = "<script>alert('x')</script>\"'&";

    fn all() -> Vec<VerdictRecord> {
        let evil = || EVIL.to_owned();
        let target = VerdictTarget {
            mapping: evil(),
            table: evil(),
            family: evil(),
            compared: 1_234_567,
            share: Share::of(1_234_567, 0, true),
            ..VerdictTarget::default()
        };
        let query = |ms| VerdictQuery {
            query: evil(),
            kind: "latest".into(),
            answers: 7,
            mysql_p50_ms: 0.5,
            mysql_p99_ms: 1.0,
            hbase_p50_ms: ms,
            hbase_p99_ms: 2.0 * ms,
            ..VerdictQuery::default()
        };
        let business = |ms| VerdictMapping {
            mapping: evil(),
            random: Share::of(1_000, 0, false),
            queries: vec![query(ms)],
            ..VerdictMapping::default()
        };
        let finding = VerdictFinding { place: evil(), key: evil(), what: evil() };
        let of = |mode| VerdictRecord { mode, judged: true, by: evil(), ..VerdictRecord::default() };
        vec![
            VerdictRecord { equal: true, targets: vec![target], ..of(VerdictMode::Full) },
            VerdictRecord { mappings: vec![business(1.0)], ..of(VerdictMode::Business) },
            VerdictRecord {
                mappings: vec![business(2.0)],
                findings: vec![finding],
                lists: Some(evil()),
                ..of(VerdictMode::Business)
            },
            VerdictRecord { judged: false, cannot_judge: Some(evil()), ..of(VerdictMode::Sample) },
        ]
    }

    #[test]
    fn the_report_refers_to_nothing_else_and_what_comes_from_outside_stays_text() {
        for verdicts in [all(), Vec::new()] {
            let report = report(&verdicts, 7);
            assert!(!report.contains("<script"), "{report}");
            for refused in ["http:", "https:", "//", " src=", " href=", " style=", "url(", "@import"] {
                assert!(!report.contains(refused), "{refused} in {report}");
            }
            assert_eq!(report.contains("&lt;script&gt;"), !verdicts.is_empty());
        }
    }

    #[test]
    fn figures_say_how_sure_they_are() {
        let report = report(&all(), 7);
        for text in [
            "exact: 0 of 1,234,567 differ",
            "at most 0.299 %",
            "2,994,731 more without a difference to six nines",
        ] {
            assert!(report.contains(text), "{text:?} is not in {report}");
        }
        assert!(report.contains("M0.0 47.8L300.0 16.6"), "HBase's line of two comparisons: {report}");
        assert_eq!(percent(0.000_000_9), "0.000090 %");
        assert_eq!(share_text(&Share::default()).0, "not known");
    }

    #[test]
    fn the_report_says_what_each_check_does_not_see() {
        let report = report(&[], 7);
        for cause in CAUSES {
            assert!(report.contains(&format!(">{}</th>", cause.name)), "{cause:?} is not in {report}");
        }
        let row = "<td data-of=\"sample\">sometimes: if drawn</td><td data-of=\"business\">no</td>";
        assert!(report.contains(row) && report.contains(BEYOND), "{report}");
    }
}
