//! A suggestion as a configuration with comments. Pure.

use super::figures;
use super::lines::{comment, list, point, text};
use super::shape::{Candidate, Shape};
use super::suggestion::Suggestion;
use super::table::Table;
use super::targets::{Plan, name as layout_name};
use crate::model::Layout;

/// The whole file.
pub fn file(suggestion: &Suggestion) -> String {
    let mut toml = head(suggestion);
    toml += &suggestion.servers;
    toml.push('\n');
    toml += &mapping(suggestion);
    for (place, plan) in suggestion.plans.iter().enumerate() {
        toml += &target(suggestion, place, plan);
    }
    toml + &queries(suggestion)
}

fn head(suggestion: &Suggestion) -> String {
    let table = &suggestion.table.schema.name;
    let mut toml = comment(&format!("Suggested by tailfill {} for {table}.", env!("CARGO_PKG_VERSION")));
    toml += &comment("Change what you know better, then run: tailfill check -c FILE");
    toml += "#\n# What tailfill saw:\n";
    toml += &figures::seen(suggestion).iter().map(|line| point(line)).collect::<String>();
    let estimates = figures::estimates(suggestion);
    if !estimates.is_empty() {
        toml += "#\n# Estimates:\n";
        toml += &estimates.iter().map(|line| point(line)).collect::<String>();
    }
    toml.push('\n');
    toml
}

fn columns(table: &Table, columns: &[usize]) -> String {
    list(columns.iter().map(|column| table.name(*column)))
}

fn mapping(suggestion: &Suggestion) -> String {
    let Suggestion { table, shape, name, .. } = suggestion;
    let Candidate { key, item, why, .. } = &shape.chosen;
    let mut toml =
        format!("[[mapping]]\nname = {}\ntable = {}\n", text(name), text(&table.schema.name.to_string()));
    toml += &comment(&format!("The list: {why}."));
    toml += &other_lists(table, shape);
    toml += &format!("key = {}\n", columns(table, key));
    toml += &comment(&format!("The item: with {} it names one row.", table.names(key)));
    toml += &format!("item = {}\n", columns(table, item));
    toml += &comment(&format!("The order: {}.", shape.why_order));
    for other in &shape.other_orders {
        toml += &comment(&format!("Another order: --order {}", table.name(*other)));
    }
    if let Some(order) = shape.order {
        let by = text(table.name(order.column));
        toml += &format!("order = {{ by = {by}, descending = {} }}\n", order.descending);
    }
    toml
}

fn other_lists(table: &Table, shape: &Shape) -> String {
    let one = |other: &Candidate| {
        let each =
            other.items_each.map(|each| format!(", about {each:.1} items in each")).unwrap_or_default();
        let (key, item) = (table.names(&other.key), table.names(&other.item));
        let option = table.names(&other.key).replace(", ", ",");
        comment(&format!(
            "Other lists: of {key}, with the items {item} ({}{each}): --list {option}. They would be a mapping beside this one.",
            other.why
        ))
    };
    shape.others.iter().map(one).collect()
}

fn target(suggestion: &Suggestion, place: usize, plan: &Plan) -> String {
    let Suggestion { table, shape, name, .. } = suggestion;
    let has_order = shape.order.is_some();
    let mut toml = format!("\n{}", comment(&format!("{}.", sentence(plan.why))));
    toml += &figures::of_target(suggestion, place).iter().map(|line| comment(line)).collect::<String>();
    toml += &format!("[[mapping.target]]\ntable = {}\n", text(&format!("{name}{}", plan.suffix)));
    if plan.layout == Layout::Wide {
        toml += &format!("layout = \"{}\"\n", layout_name(plan.layout));
    }
    if has_order && !plan.ordered {
        toml += "ordered = false\n";
    }
    let cells = table.cells(&shape.chosen.key, &shape.chosen.item);
    let all = table.schema.columns.len() - shape.chosen.key.len() - shape.chosen.item.len();
    if !plan.full {
        toml +=
            &comment("Only that the item exists. Name columns here if your application reads them with it.");
        toml += "columns = []\n";
    } else if cells.len() < all {
        toml += &comment("Without virtual generated columns and character sets that tailfill cannot decode.");
        toml += &format!("columns = {}\n", columns(table, &cells));
    }
    if plan.full && plan.layout == Layout::Tall && cells.len() > 1 {
        toml += &comment(
            "One cell for each item costs HBase least. Without this line: a cell for each column, for programs that read single columns.",
        );
        toml += "value = \"msgpack\"\n";
    }
    if plan.segmented {
        toml += &comment(
            "So much of the order that a row of the largest list has some thousand items. You cannot change it later.",
        );
        toml += &format!("segment = {}\n", suggestion.segment);
    }
    if place == 0 {
        toml += &comment("1 to 2 for each region server; 16 suits most. You cannot change it later.");
    }
    toml += "salt_buckets = 16\n";
    if plan.counted {
        toml += "count = true\n";
    }
    toml
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn queries(suggestion: &Suggestion) -> String {
    let mut toml = "\n".to_owned();
    toml += &comment(match suggestion.asked_is_guess {
        true => {
            "What your application asks is a guess: --queries latest:5000,first:100,page:50,has,count says it."
        }
        false => "The queries of --queries. tailfill check says how each target answers them.",
    });
    let mut names: Vec<String> = Vec::new();
    for asked in &suggestion.asked {
        let kind = asked.kind.name();
        let name = match asked.limit {
            Some(limit) if names.iter().any(|name| name == kind) => format!("{kind}_{limit}"),
            _ => kind.to_owned(),
        };
        toml += &format!("[[mapping.query]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
        if let Some(limit) = asked.limit {
            toml += &format!("limit = {limit}\n");
        }
        toml.push('\n');
        names.push(name);
    }
    toml.trim_end().to_owned() + "\n"
}
