//! Charts of the last hour, as SVG of a few lines: an area, and a line that has gaps where nothing is known. A crate for charts
//! would draw its own text and colours into the picture; here both are the page's, in light and in dark.

use super::super::history::Sample;
use maud::{Markup, html};
use std::fmt::Write as _;

/// Points of a chart: more cannot be told apart.
const POINTS: usize = 150;
/// What a chart may span, seconds: the shortest that has all samples.
const SPANS: [u64; 4] = [120, 600, 1_800, 3_600];
/// So many parts without a sample in a row are no gap.
const NARROW: usize = 4;
/// Of the picture; the page stretches it.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 80.0;

/// What is drawn.
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    pub of: fn(&Sample) -> Option<f64>,
    /// A value in words.
    pub words: fn(f64) -> String,
    /// The top of the chart is never below this.
    pub top_min: f64,
}

/// The chart of these samples, oldest first.
pub fn figure(chart: &Chart, samples: &[Sample]) -> Markup {
    let now_ms = samples.last().map_or(0, |sample| sample.at_ms);
    let age = samples.first().map_or(0, |first| (now_ms - first.at_ms) / 1_000);
    let span = SPANS.into_iter().find(|span| *span >= age).unwrap_or(SPANS[SPANS.len() - 1]);
    let points = points(samples.iter().map(|sample| (sample.at_ms, (chart.of)(sample))), now_ms, span);
    let highest = points.iter().flatten().copied().fold(0.0, f64::max);
    let top = round_up(highest.max(chart.top_min));
    let now = samples.last().and_then(chart.of);
    let now = now.map_or_else(|| "not known".to_owned(), chart.words);
    let summary = format!(
        "{}: now {now}; highest {} in the last {} minutes",
        chart.title,
        (chart.words)(highest),
        span / 60
    );
    let (line, area) = paths(&points, top);
    let title = format!("{}-title", chart.id);
    html! {
        figure.chart #(chart.id) {
            figcaption { span #(title) { (chart.title) } strong { (now) } }
            div.plot {
                span.top { (((chart.words)(top))) }
                svg role="img" aria-label=(summary) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
                    path.grid d={ "M0 0.5H" (WIDTH) "M0 " (HEIGHT / 2.0) "H" (WIDTH) "M0 " (HEIGHT - 0.5) "H" (WIDTH) } {}
                    path.area d=(area) {}
                    path.line d=(line) {}
                }
            }
            div.span { span { (span / 60) " min ago" } span { "now" } }
        }
    }
}

/// The highest value of each of the parts of the span, oldest first; `None`: not known.
fn points(values: impl Iterator<Item = (u64, Option<f64>)>, now_ms: u64, span: u64) -> Vec<Option<f64>> {
    let mut points = vec![None; POINTS];
    let width_ms = (span * 1_000 / POINTS as u64).max(1);
    for (at_ms, value) in values {
        let back = usize::try_from((now_ms - at_ms.min(now_ms)) / width_ms).unwrap_or(usize::MAX);
        if let (Some(place), Some(value)) = (POINTS.checked_sub(back + 1), value) {
            points[place] = Some(points[place].map_or(value, |before: f64| before.max(value)));
        }
    }
    // a part may be narrower than the time between two samples
    for place in 1..POINTS {
        if points[place].is_none() && points[place..].iter().take(NARROW).any(Option::is_some) {
            points[place] = points[place - 1];
        }
    }
    points
}

/// The line, and the area below it.
pub(super) fn paths(points: &[Option<f64>], top: f64) -> (String, String) {
    let (mut line, mut area, mut begun) = (String::new(), String::new(), None);
    for (place, point) in points.iter().enumerate() {
        let x = place as f64 * WIDTH / (points.len() - 1) as f64;
        match point {
            Some(value) => {
                let y = HEIGHT - 1.0 - (value / top).min(1.0) * (HEIGHT - 2.0);
                let command = if begun.is_none() { 'M' } else { 'L' };
                _ = write!(line, "{command}{x:.1} {y:.1}");
                _ = match begun {
                    None => write!(area, "M{x:.1} {HEIGHT}L{x:.1} {y:.1}"),
                    Some(_) => write!(area, "L{x:.1} {y:.1}"),
                };
                begun = Some(x);
            }
            None => close(&mut area, begun.take()),
        }
    }
    close(&mut area, begun);
    (line, area)
}

fn close(area: &mut String, last: Option<f64>) {
    if let Some(x) = last {
        _ = write!(area, "L{x:.1} {HEIGHT}Z");
    }
}

/// The next of 1, 2, 5 with zeros.
pub(super) fn round_up(value: f64) -> f64 {
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * unit).find(|top| *top >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_gap() {
        let (line, area) = paths(&[Some(0.0), Some(10.0), None, Some(5.0)], 10.0);
        assert_eq!(line, "M0.0 79.0L100.0 1.0M300.0 40.0");
        assert_eq!(area.matches('Z').count(), 2, "{area}");
    }

    #[test]
    fn each_part_of_the_span_shows_its_highest_value() {
        let values = [(0, Some(3.0)), (100_000, Some(1.0)), (99_000, Some(2.0)), (600_000, None)];
        let points = points(values.into_iter(), 600_000, 600);
        assert_eq!(points.len(), POINTS);
        assert_eq!(points.iter().flatten().collect::<Vec<_>>(), [&2.0], "one is too old: {points:?}");
    }

    #[test]
    fn the_top_is_a_round_number() {
        assert_eq!([0.3, 1.0, 7.2, 21.0, 4_400.0].map(round_up), [0.5, 1.0, 10.0, 50.0, 5_000.0]);
    }
}
