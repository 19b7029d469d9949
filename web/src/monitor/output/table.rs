//! A list of objects as a table, sorted by any column.

use std::cmp::Ordering;

use leptos::prelude::*;
use serde_json::Value;

use super::place::{PAGE, Place};
use super::short::{cut, preview};
use super::tree::more;
use crate::monitor::words;

/// Whether a value is rows of a kind: two objects at least, and nothing else.
pub(super) fn is_table(value: &Value) -> bool {
    match value {
        Value::Array(items) => {
            // some of the first tell enough: another kind further on has an empty row
            items.len() > 1
                && items
                    .iter()
                    .take(PAGE)
                    .all(|item| item.as_object().is_some_and(|row| !row.is_empty()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            false
        }
    }
}

/// The rows, a page at a time.
pub(super) fn table(place: Place) -> AnyView {
    let (columns, left_out) = columns(place.value());
    let (sorting, sort) = signal(None::<(usize, bool)>);
    let (pages, set_pages) = signal(1_usize);
    let total = place.keys(0).1;
    let names = StoredValue::new(columns.clone());
    let place = StoredValue::new(place);
    let order = Memo::new(move |_| {
        let by = sorting.get().and_then(|(column, down)| {
            let name = names.with_value(|names| names.get(column).cloned());
            name.map(|name| (name, down))
        });
        place.with_value(|place| order(place.value(), by.as_ref()))
    });
    let heads = columns.into_iter().enumerate().map(|(at, name)| {
        let told = move || match sorting.get() {
            Some((column, false)) if column == at => "ascending",
            Some((column, true)) if column == at => "descending",
            _ => "none",
        };
        let turn = move |_| {
            sort.update(|sorting| {
                *sorting = match *sorting {
                    Some((column, false)) if column == at => Some((at, true)),
                    Some((column, true)) if column == at => None,
                    _ => Some((at, false)),
                };
            });
        };
        view! {
            <th scope="col" aria-sort=told><button class="quiet" type="button" on:click=turn>{name}</button></th>
        }
    });
    let heads = heads.collect_view();
    let rows = move || {
        let end = total.min(pages.get() * PAGE);
        order.with(|order| order.iter().take(end).copied().collect::<Vec<_>>())
    };
    let cells = move |at: usize| {
        place.with_value(|place| {
            let row = place.value().get(at);
            let cell = |name: &String| {
                let value = row.and_then(|row| row.get(name));
                let kind = if value.is_some_and(Value::is_number) {
                    "number"
                } else {
                    "other"
                };
                view! { <td data-kind=kind>{value.map(shown)}</td> }
            };
            names.with_value(|names| names.iter().map(cell).collect_view())
        })
    };
    view! {
        <div class="json-table" data-testid="json-table">
            <table>
                <thead><tr><th scope="col"><span class="sr-only">"Number"</span></th>{heads}</tr></thead>
                <tbody>
                    <For each=rows key=|at| *at let(at)>
                        <tr><td class="json-number">{at.to_string()}</td>{cells(at)}</tr>
                    </For>
                </tbody>
            </table>
            {(left_out > 0).then(|| view! {
                <p class="json-note">{words::counted(left_out as u64, "more column")} " in the tree only."</p>
            })}
            {more(total, pages, set_pages)}
        </div>
    }
    .into_any()
}

/// The columns, in the order in which rows name them, and how many more there are.
fn columns(value: &Value) -> (Vec<String>, usize) {
    let rows = value.as_array().into_iter().flatten().take(PAGE);
    let mut names: Vec<String> = Vec::new();
    for name in rows.filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
        if names.len() >= MAX_NAMES {
            break;
        }
    }
    let left_out = names.len().saturating_sub(MAX_COLUMNS);
    names.truncate(MAX_COLUMNS);
    (names, left_out)
}

/// The places of the rows, sorted by a column, downwards or not.
fn order(value: &Value, by: Option<&(String, bool)>) -> Vec<usize> {
    let rows = value.as_array().map_or(&[][..], Vec::as_slice);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    if let Some((name, down)) = by {
        let cell = |at: usize| rows.get(at).and_then(|row| row.get(name));
        order.sort_by(|a, b| match (cell(*a), cell(*b)) {
            // what has no value comes last, either way
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) if *down => compare(b, a),
            (Some(a), Some(b)) => compare(a, b),
        });
    }
    order
}

/// Numbers by size, texts by letters, kinds apart.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0));
            a.total_cmp(&b)
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text, CELL_CHARS).0,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            preview(value)
        }
    }
}

/// More columns than anybody reads side by side.
const MAX_COLUMNS: usize = 24;
/// Where counting more of them is given up.
const MAX_NAMES: usize = 500;
/// The longest text in a cell.
const CELL_CHARS: usize = 160;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_two_objects_at_least() {
        assert!(is_table(&json!([{"a":1},{"b":2}])));
        for value in [
            json!([{"a":1}]),
            json!([{"a":1},2]),
            json!([{}, {}]),
            json!({"a":1}),
            json!([]),
        ] {
            assert!(!is_table(&value), "{value}");
        }
        let (names, left_out) = columns(&json!([{"b":1,"a":1},{"c":2}]));
        assert_eq!((names.len(), left_out), (3, 0));
        let wide: serde_json::Map<_, _> = (0..30).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(columns(&json!([wide])).1, 6);
    }

    #[test]
    fn rows_are_sorted_by_a_column_and_what_has_no_value_is_last() {
        let rows = json!([{"n":10},{"n":9},{},{"n":"a"},{"n":9.5}]);
        assert_eq!(
            order(&rows, Some(&("n".to_owned(), false))),
            [1, 4, 0, 3, 2]
        );
        assert_eq!(order(&rows, Some(&("n".to_owned(), true))), [3, 0, 4, 1, 2]);
        assert_eq!(order(&rows, None), [0, 1, 2, 3, 4]);
    }
}
