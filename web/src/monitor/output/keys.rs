//! Arrow keys in a tree: up and down along what is in sight, right and left into it and out of it.

use leptos::ev::KeyboardEvent;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, Node};

/// Moves the focus from row to row.
pub(super) fn walk(event: KeyboardEvent) {
    if event.alt_key() || event.ctrl_key() || event.meta_key() || event.shift_key() {
        return;
    }
    let target = event.target().and_then(|it| it.dyn_into::<Element>().ok());
    let tree = event
        .current_target()
        .and_then(|it| it.dyn_into::<Element>().ok());
    let (Some(target), Some(tree)) = (target, tree) else {
        return;
    };
    let from = if target == tree {
        None
    } else if target.matches(ROW).unwrap_or(false) {
        Some(target)
    } else {
        // of a button and a table's keys we take none
        return;
    };
    let fold = from
        .as_ref()
        .filter(|row| row.tag_name() == "SUMMARY")
        .and_then(|row| row.parent_element());
    let is_open = fold.as_ref().is_some_and(|fold| fold.has_attribute("open"));
    let to = match event.key().as_str() {
        "ArrowDown" => step(&tree, from.as_ref(), 1),
        "ArrowUp" => step(&tree, from.as_ref(), -1),
        "Home" => step(&tree, None, 1),
        "End" => rows(&tree).pop(),
        "ArrowRight" if fold.is_some() && !is_open => {
            toggle(fold.as_ref(), true);
            from
        }
        "ArrowRight" if is_open => step(&tree, from.as_ref(), 1),
        "ArrowLeft" if is_open => {
            toggle(fold.as_ref(), false);
            from
        }
        "ArrowLeft" => from.as_ref().and_then(|row| outer(row, &tree)),
        _ => return,
    };
    event.prevent_default();
    if let Some(to) = to.and_then(|to| to.dyn_into::<HtmlElement>().ok()) {
        // fails for no element that is in the page
        let _focused = to.focus();
    }
}

/// The rows that are in sight, in order.
fn rows(tree: &Element) -> Vec<Element> {
    let mut found = Vec::new();
    collect(tree, &mut found);
    found
}

fn collect(within: &Element, found: &mut Vec<Element>) {
    let mut next = within.first_element_child();
    while let Some(element) = next {
        next = element.next_element_sibling();
        if element.matches(ROW).unwrap_or(false) {
            found.push(element);
        } else if element.tag_name() == "DETAILS" && !element.has_attribute("open") {
            // of what is folded only its line is in sight
            found.extend(element.first_element_child());
        } else {
            collect(&element, found);
        }
    }
}

fn step(tree: &Element, from: Option<&Element>, by: isize) -> Option<Element> {
    let rows = rows(tree);
    let Some(from) = from else {
        return rows.into_iter().next();
    };
    let at = rows.iter().position(|row| row == from)?;
    rows.into_iter().nth(at.checked_add_signed(by)?)
}

/// The line of what this row is in.
fn outer(row: &Element, tree: &Element) -> Option<Element> {
    let within = row.parent_element()?;
    let own = if row.tag_name() == "SUMMARY" {
        within.parent_element()?
    } else {
        within
    };
    let fold = own.closest("details").ok()??;
    let tree: &Node = tree.as_ref();
    tree.contains(Some(&fold))
        .then(|| fold.first_element_child())
        .flatten()
}

fn toggle(fold: Option<&Element>, open: bool) {
    if let Some(fold) = fold {
        // fails for no name that is a name
        let _set = if open {
            fold.set_attribute("open", "")
        } else {
            fold.remove_attribute("open")
        };
    }
}

/// What the focus may come to.
const ROW: &str = "summary, .json-leaf";
