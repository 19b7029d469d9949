//! `index.html` as Trunk reads it, turned into the page that the server ships.
//!
//! The page is written once, for Trunk; this keeps the two builds from drifting apart.

use crate::process::Result;

/// A `<link data-trunk …>` of the page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    /// Its attributes, in order; an attribute without a value has an empty one.
    pub(crate) attributes: Vec<(String, String)>,
}

impl Link {
    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same link for a browser: without Trunk's attributes, and pointing at `href`.
    pub(crate) fn pointing_at(&self, href: &str) -> String {
        let mut tag = String::from("<link");
        for (key, value) in &self.attributes {
            match key.as_str() {
                "href" => tag.push_str(&format!(" href=\"{href}\"")),
                key if key.starts_with("data-") => {}
                key if value.is_empty() => tag.push_str(&format!(" {key}")),
                key => tag.push_str(&format!(" {key}=\"{value}\"")),
            }
        }
        tag.push('>');
        tag
    }
}

/// Replaces every link of Trunk's by what `replacement` gives for it.
pub(crate) fn replace_links(
    html: &str,
    mut replacement: impl FnMut(&Link) -> Result<String>,
) -> Result<String> {
    let mut page = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find(['<']) {
        let (before, tag_on) = rest.split_at(start);
        page.push_str(before);
        if let Some(comment) = tag_on.strip_prefix("<!--") {
            let end = comment
                .find("-->")
                .map_or(tag_on.len(), |end| end + "<!---->".len());
            let (comment, after) = tag_on.split_at(end);
            page.push_str(comment);
            rest = after;
            continue;
        }
        let end = tag_end(tag_on);
        let (tag, after) = tag_on.split_at(end);
        match link(tag) {
            Some(link) => page.push_str(&replacement(&link)?),
            None => page.push_str(tag),
        }
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// Where a tag ends, a `>` within quotes aside.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, character) in tag.char_indices() {
        match (quote, character) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None | Some(_), _) => {}
        }
    }
    tag.len()
}

/// The tag, where it is a link of Trunk's.
fn link(tag: &str) -> Option<Link> {
    let inside = tag
        .strip_prefix("<link")?
        .trim_end_matches('>')
        .trim_end_matches('/');
    let mut attributes = Vec::new();
    let mut rest = inside.trim_start();
    while !rest.is_empty() {
        let key_end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(key_end);
        let (value, after) = value(after);
        attributes.push((key.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    let link = Link { attributes };
    link.get("data-trunk").is_some().then_some(link)
}

/// An attribute's value and what comes after it.
fn value(rest: &str) -> (&str, &str) {
    let Some(value) = rest.trim_start().strip_prefix('=') else {
        return ("", rest);
    };
    let value = value.trim_start();
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    value.split_at(value.find(char::is_whitespace).unwrap_or(value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(html: &str) -> String {
        replace_links(html, |link| Ok(link.pointing_at("/new.css"))).unwrap()
    }

    #[test]
    fn a_link_of_trunk_loses_its_marks_and_points_elsewhere() {
        let html = "<head>\n<link data-trunk rel=\"css\" href='web/a.css' data-x=\"1\" crossorigin />\n</head>";
        assert_eq!(
            replaced(html),
            "<head>\n<link rel=\"css\" href=\"/new.css\" crossorigin>\n</head>"
        );
    }

    #[test]
    fn other_tags_and_comments_stay_as_they_are() {
        let html = "<!doctype html><!-- <link data-trunk rel=\"css\"> --><link rel=\"icon\" href=\"a>b\"><p>1 < 2</p>";
        assert_eq!(replaced(html), html);
    }

    #[test]
    fn attributes_are_read_with_and_without_quotes() {
        let link = link("<link data-trunk rel=rust data-bin=\"dashboard\">").unwrap();
        assert_eq!(link.get("rel"), Some("rust"));
        assert_eq!(link.get("data-bin"), Some("dashboard"));
        assert_eq!(link.get("data-trunk"), Some(""));
    }
}
