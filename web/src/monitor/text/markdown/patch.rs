//! Brings elements of the page to what a tree says, touching only what differs: a selection stays, an open
//! block grows at its end.

use wasm_bindgen::JsCast;
use web_sys::{CharacterData, Document, Node as Dom};

use super::tree::{Element, Node};

/// Makes `parent`, which shows `old`, show `new`.
pub(super) fn patch(document: &Document, parent: &Dom, old: &[Node], new: &[Node]) {
    let mut next = parent.first_child();
    for (at, new) in new.iter().enumerate() {
        let shown = next.take();
        next = shown.as_ref().and_then(Dom::next_sibling);
        match (old.get(at), shown) {
            (Some(old), Some(shown)) if alike(old, new) => touch(document, &shown, old, new),
            (_, Some(shown)) => {
                if let Some(made) = make(document, new) {
                    // fails for no node that is there
                    let _replaced = parent.replace_child(&made, &shown);
                }
            }
            (_, None) => append(document, parent, new),
        }
    }
    while let Some(left) = next {
        next = left.next_sibling();
        // fails for no node that is there
        let _removed = parent.remove_child(&left);
    }
}

/// Adds what a tree says to the end of `parent`.
pub(super) fn append(document: &Document, parent: &Dom, node: &Node) {
    if let Some(made) = make(document, node) {
        // fails for no new node
        let _appended = parent.append_child(&made);
    }
}

/// Whether one can become the other in place.
fn alike(old: &Node, new: &Node) -> bool {
    match (old, new) {
        (Node::Text(_), Node::Text(_)) => true,
        (Node::Element(old), Node::Element(new)) => {
            old.tag == new.tag && old.attributes == new.attributes
        }
        (Node::Text(_), Node::Element(_)) | (Node::Element(_), Node::Text(_)) => false,
    }
}

fn touch(document: &Document, shown: &Dom, old: &Node, new: &Node) {
    match (old, new) {
        (Node::Text(old), Node::Text(new)) if old == new => {}
        (Node::Text(old), Node::Text(new)) => match new.strip_prefix(old.as_str()) {
            Some(more) => {
                if let Some(text) = shown.dyn_ref::<CharacterData>() {
                    // fails only beyond 2^32 characters
                    let _full = text.append_data(more);
                }
            }
            None => shown.set_node_value(Some(new)),
        },
        (Node::Element(old), Node::Element(new)) => {
            patch(document, shown, &old.children, &new.children);
        }
        (Node::Text(_), Node::Element(_)) | (Node::Element(_), Node::Text(_)) => {}
    }
}

fn make(document: &Document, node: &Node) -> Option<Dom> {
    match node {
        Node::Text(text) => Some(document.create_text_node(text).into()),
        Node::Element(element) => make_element(document, element),
    }
}

fn make_element(document: &Document, element: &Element) -> Option<Dom> {
    let made = document.create_element(element.tag).ok()?;
    for (name, value) in &element.attributes {
        made.set_attribute(name, value).ok()?;
    }
    for child in &element.children {
        append(document, &made, child);
    }
    Some(made.into())
}
