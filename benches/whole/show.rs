//! The results as people read them: tables of at most 140 columns, sentences, marks.

use crate::header::Header;
use crate::marks::Mark;
use crate::measure::BenchReport;
use crate::processes::PARTS;

/// Digits in groups of three.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn two_digits(number: Option<f64>) -> String {
    or_dash(number.map(|number| format!("{number:.2}")))
}

pub fn header(header: &Header) {
    for line in header.lines() {
        println!("{line}");
    }
}

/// Everything that was measured.
pub fn reports(reports: &[BenchReport]) {
    if reports.iter().any(|report| report.rows_per_second.is_some()) {
        println!(
            "\nRows a second, median of the rounds. Fresh: the first half of a new table's rows; steady: the second."
        );
        println!(
            "Ratio: to the base, round by round. Bound: what the ratio can be on cores that do nothing else.\n"
        );
        println!("{}", rates_heading());
        rows_of(reports).for_each(|report| println!("{}", rates(report)));
        println!(
            "\nCPU seconds for a million rows, by process; memory of tailfill at most; cores that others used.\n"
        );
        println!("{}", costs_heading());
        let costly = reports.iter().filter(|report| report.cpu_seconds_per_million_rows.is_some());
        costly.for_each(|report| println!("{}", costs(report)));
    }
    println!();
    for sentence in reports.iter().flat_map(|report| &report.sentences) {
        println!("{sentence}");
    }
    for report in reports.iter().filter(|report| report.noisy) {
        println!("noisy: other processes used {:.2} cores during {}", report.cores_of_others, report.case);
    }
}

fn rows_of(reports: &[BenchReport]) -> impl Iterator<Item = &BenchReport> {
    reports.iter().filter(|report| report.rows_per_second.is_some())
}

fn rates_heading() -> String {
    format!(
        "{:<17}{:>10}  {:<21}{:>10}{:>10}   {:<16}{:>7}{:>7}{:>7}{:>7}{:>10}{:>12}",
        "case",
        "rows/s",
        "(least - most)",
        "fresh",
        "steady",
        "base",
        "ratio",
        "fresh",
        "steady",
        "bound",
        "of bound",
        "to gateway"
    )
}

fn rates(report: &BenchReport) -> String {
    let spread = report.rows_per_second.expect("only those that have rates are shown");
    let range = format!("({} - {})", grouped(spread.min), grouped(spread.max));
    let rate = |half: Option<crate::measure::Half>| or_dash(half.map(|half| grouped(half.rows_per_second)));
    format!(
        "{:<17}{:>10}  {:<21}{:>10}{:>10}   {:<16}{:>7}{:>7}{:>7}{:>7}{:>10}{:>12}",
        report.case,
        grouped(spread.median),
        range,
        rate(report.fresh),
        rate(report.steady),
        or_dash(report.base.clone()),
        two_digits(report.ratio),
        two_digits(report.fresh.and_then(|half| half.ratio)),
        two_digits(report.steady.and_then(|half| half.ratio)),
        two_digits(report.bound),
        two_digits(report.of_bound()),
        two_digits(report.ratio_to_gateway),
    )
}

fn costs_heading() -> String {
    let parts = PARTS.map(|part| format!("{part:>11}")).join("");
    format!("{:<17}{parts}{:>11}{:>13}{:>10}", "case", "total", "peak MB", "others")
}

fn costs(report: &BenchReport) -> String {
    let parts = PARTS.map(|part| format!("{:>11}", two_digits(report.cpu(part)))).join("");
    let memory = or_dash(report.peak_memory_mb.map(|megabytes| format!("{megabytes:.0}")));
    let total = two_digits(report.cpu("total"));
    format!("{:<17}{parts}{total:>11}{memory:>13}{:>10.2}", report.case, report.cores_of_others)
}

pub fn marks(marks: &[Mark]) {
    if marks.is_empty() {
        return;
    }
    println!("\nMarks (nothing fails by them):");
    for mark in marks {
        let reached = if mark.reached { "reached" } else { "not reached" };
        println!("  {:<12} {}: {}", reached, mark.mark, two_digits(Some(mark.value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_in_140_columns_and_columns_stand_below_their_names() {
        assert!(rates_heading().len() <= 140, "{}", rates_heading().len());
        assert!(costs_heading().len() <= 140);
        let mut report = BenchReport::bare("gateway-ordered", 3, 0.0);
        report.rows_per_second = crate::measure::Spread::of([123_456.0]);
        assert_eq!(rates(&report).chars().count(), rates_heading().len());
        assert_eq!(costs(&report).chars().count(), costs_heading().len());
    }

    #[test]
    fn digits_are_grouped() {
        let texts = [0.4, 999.6, 12_345.0, -1_234_567.0].map(grouped);
        assert_eq!(texts, ["0", "1,000", "12,345", "-1,234,567"]);
    }
}
