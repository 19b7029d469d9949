//! From Markdown to a tree of the few elements that a text may have. Nothing in it is markup of the text's own.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};

/// A piece of what is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Text, as it is.
    Text(String),
    /// An element of ours.
    Element(Element),
}

/// An element. Tags and names of attributes are ours; only values may come from the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Element {
    pub(super) tag: &'static str,
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) children: Vec<Node>,
}

impl Element {
    fn new(tag: &'static str) -> Self {
        Self {
            tag,
            ..Self::default()
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    fn holding(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    fn saying(mut self, text: &str) -> Self {
        self.children.push(Node::Text(text.to_owned()));
        self
    }
}

/// The blocks of a text, each with its place there, and whether it defines addresses for its links.
pub(super) fn parse(source: &str) -> (Vec<(Range<usize>, Node)>, bool) {
    let wanted = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut events = Parser::new_ext(source, wanted).into_offset_iter();
    let mut growing = Growing::default();
    for (event, range) in events.by_ref() {
        growing.take(event, range);
    }
    let defines = events.reference_definitions().iter().next().is_some();
    (growing.blocks, defines)
}

/// A tree while it grows.
#[derive(Default)]
struct Growing {
    blocks: Vec<(Range<usize>, Node)>,
    /// The elements that are open, the outermost first. None stands for one that adds nothing: its children are
    /// its parent's.
    open: Vec<Option<Element>>,
    /// Whether the row that is open is the head of its table.
    in_head: bool,
}

impl Growing {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(_) => self.end(range),
            // markup is shown as it was written
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.say(&text, range);
            }
            Event::Code(code) => self.put(Element::new("code").saying(&code), range),
            Event::SoftBreak => self.say("\n", range),
            Event::HardBreak => self.put(Element::new("br"), range),
            Event::Rule => self.put(Element::new("hr"), range),
            Event::TaskListMarker(done) => {
                let (sign, words) = if done {
                    ("☑ ", "done")
                } else {
                    ("☐ ", "to do")
                };
                let mark = Element::new("span")
                    .with("role", "img")
                    .with("aria-label", words);
                self.put(mark.saying(sign), range);
            }
            // of extensions that are not asked for
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.say(&text, range);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        // however deep a text nests, the tree does not: it is walked by recursion
        let element = (self.open.len() < MAX_DEPTH).then(|| self.element(tag));
        self.open.push(element.flatten());
    }

    fn element(&mut self, tag: Tag<'_>) -> Option<Element> {
        Some(match tag {
            Tag::Paragraph => Element::new("p"),
            // the page's own headings go down to the third level, and none may be left out below
            Tag::Heading { level, .. } => Element::new("h4").with("data-level", depth(level)),
            Tag::BlockQuote(_) => Element::new("blockquote"),
            Tag::CodeBlock(kind) => code_block(&kind),
            Tag::HtmlBlock => Element::new("p").with("class", "md-markup"),
            Tag::List(Some(first)) => {
                let list = Element::new("ol");
                if first == 1 {
                    list
                } else {
                    list.with("start", first.to_string())
                }
            }
            Tag::List(None) => Element::new("ul"),
            Tag::Item => Element::new("li"),
            Tag::Table(_) => Element::new("table"),
            Tag::TableHead | Tag::TableRow => {
                self.in_head = matches!(tag, Tag::TableHead);
                Element::new("tr")
            }
            Tag::TableCell if self.in_head => Element::new("th").with("scope", "col"),
            Tag::TableCell => Element::new("td"),
            Tag::Emphasis => Element::new("em"),
            Tag::Strong => Element::new("strong"),
            Tag::Strikethrough => Element::new("del"),
            Tag::Link { dest_url, .. } => link(&dest_url)?,
            // its bytes are not asked for: whoever wrote the text would learn who reads it
            Tag::Image { dest_url, .. } => {
                let linked = self.open.iter().flatten().any(|it| it.tag == "a");
                let image = link(&dest_url).filter(|_| !linked);
                image
                    .unwrap_or_else(|| Element::new("span"))
                    .with("class", "md-image")
            }
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => return None,
        })
    }

    fn end(&mut self, range: Range<usize>) {
        let Some(Some(mut element)) = self.open.pop() else {
            return;
        };
        match element.tag {
            // a wide table moves in its own window
            "table" => {
                let window = Element::new("div")
                    .with("class", "md-table")
                    .with("tabindex", "0");
                let window = window.with("role", "group").with("aria-label", "Table");
                element = window.holding(element);
            }
            "pre" => element = with_copy(element),
            _ => {}
        }
        self.put(element, range);
    }

    /// Adds an element where the tree grows.
    fn put(&mut self, element: Element, range: Range<usize>) {
        match self.open.iter_mut().rev().flatten().next() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.blocks.push((range, Node::Element(element))),
        }
    }

    fn say(&mut self, text: &str, range: Range<usize>) {
        let Some(parent) = self.open.iter_mut().rev().flatten().next() else {
            let element = Element::new("p").saying(text);
            return self.blocks.push((range, Node::Element(element)));
        };
        match parent.children.last_mut() {
            Some(Node::Text(said)) => said.push_str(text),
            _ => parent.children.push(Node::Text(text.to_owned())),
        }
    }
}

fn code_block(kind: &CodeBlockKind<'_>) -> Element {
    let language = match kind {
        CodeBlockKind::Fenced(told) => told.split_whitespace().next().unwrap_or_default(),
        CodeBlockKind::Indented => "",
    };
    Element::new("pre").with("data-language", language)
}

/// A block of code under its language and a button to copy it.
fn with_copy(mut block: Element) -> Element {
    let code = Element {
        children: std::mem::take(&mut block.children),
        ..Element::new("code")
    };
    let block = block.holding(code);
    let language = block
        .attributes
        .first()
        .map_or("", |(_, language)| language);
    let told = Element::new("span").with("class", "tag").saying(language);
    let copy = Element::new("button")
        .with("type", "button")
        .with("class", "quiet md-copy");
    let head = Element::new("div")
        .with("class", "md-code-head")
        .holding(told);
    let head = head.holding(copy.with("aria-label", "Copy the code").saying("Copy"));
    let framed = Element::new("div").with("class", "md-code");
    framed.holding(head).holding(block)
}

/// A link that leads out of the page and tells nobody where from; none to where a click could do anything else.
fn link(address: &str) -> Option<Element> {
    let lower = address.to_ascii_lowercase();
    let known = ["http://", "https://", "mailto:"];
    let leads_out = known.iter().any(|scheme| lower.starts_with(scheme));
    leads_out.then(|| {
        let link = Element::new("a").with("href", address);
        link.with("rel", "noopener noreferrer")
            .with("target", "_blank")
    })
}

const fn depth(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "1",
        HeadingLevel::H2 => "2",
        HeadingLevel::H3 => "3",
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => "4",
    }
}

/// Elements within elements, at most.
const MAX_DEPTH: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as HTML would have it.
    fn html(source: &str) -> String {
        fn write(out: &mut String, node: &Node) {
            match node {
                Node::Text(text) => out.push_str(&text.replace('<', "&lt;")),
                Node::Element(element) => {
                    out.push_str(&format!("<{}", element.tag));
                    for (name, value) in &element.attributes {
                        out.push_str(&format!(" {name}={value:?}"));
                    }
                    out.push('>');
                    element.children.iter().for_each(|child| write(out, child));
                    out.push_str(&format!("</{}>", element.tag));
                }
            }
        }
        let mut out = String::new();
        parse(source)
            .0
            .iter()
            .for_each(|(_, node)| write(&mut out, node));
        out
    }

    #[test]
    fn what_texts_are_made_of_has_its_element() {
        for (source, expected) in [
            ("# A *b*", "<h4 data-level=\"1\">A <em>b</em></h4>"),
            ("a\nb  \nc", "<p>a\nb<br></br>c</p>"),
            ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
            (
                "3. a\n\n   b",
                "<ol start=\"3\"><li><p>a</p><p>b</p></li></ol>",
            ),
            (
                "> **a** ~~b~~ `c`",
                "<blockquote><p><strong>a</strong> <del>b</del> <code>c</code></p></blockquote>",
            ),
            ("---", "<hr></hr>"),
        ] {
            assert_eq!(html(source), expected);
        }
        let table = html("| a | b |\n|---|---|\n| 1 | 2 |");
        assert!(table.contains("<tr><th scope=\"col\">a</th>"), "{table}");
        assert!(table.contains("<tr><td>1</td><td>2</td></tr>"), "{table}");
        let code = html("```rust x\nfn a() {}\n```");
        assert!(
            code.contains("<pre data-language=\"rust\"><code>fn a() {}\n</code></pre>"),
            "{code}"
        );
        assert!(html("- [x] a").contains("☑"));
    }

    #[test]
    fn markup_of_a_text_is_text() {
        for source in [
            "<img src=x onerror=a()>",
            "a <b onclick=x>c</b>",
            "<script>\na()\n\n</script>",
            "<!-- a -->",
        ] {
            let html = html(source);
            for bad in ["<img", "<b ", "<script", "<!--"] {
                assert!(!html.contains(bad), "{html}");
            }
            assert!(html.contains("&lt;"), "{html}");
        }
    }

    #[test]
    fn links_lead_to_pages_and_mail_and_nowhere_else() {
        let safe = html("[a](https://a.example/?x=1) <mailto:a@b.example> [b](HTTP://b.example)");
        assert_eq!(
            safe.matches("rel=\"noopener noreferrer\"").count(),
            3,
            "{safe}"
        );
        for address in [
            "javascript:alert(1)",
            "java&#x73;cript:x",
            "data:text/html,x",
            "vbscript:x",
            "//a.example",
            "/x",
            "file:///x",
            "&#1;javascript:x",
        ] {
            let html = html(&format!("[a]({address}) ![b]({address}) <{address}>"));
            assert!(!html.contains("href"), "{html}");
        }
    }

    #[test]
    fn an_image_is_a_link_and_is_not_loaded() {
        let alone = html("![a cat](https://a.example/cat.png)");
        assert!(alone.contains("class=\"md-image\">a cat</a>"), "{alone}");
        let linked = html("[![a cat](https://a.example/cat.png)](https://b.example)");
        assert_eq!(linked.matches("<a ").count(), 1, "{linked}");
        assert!(!alone.contains("src") && !linked.contains("<img"));
    }

    #[test]
    fn however_deep_a_text_nests_the_tree_does_not() {
        fn depth(node: &Node) -> usize {
            match node {
                Node::Text(_) => 0,
                Node::Element(element) => 1 + element.children.iter().map(depth).max().unwrap_or(0),
            }
        }
        let (blocks, _) = parse(&format!("{}deep", "> ".repeat(5_000)));
        assert!(depth(&blocks[0].1) <= MAX_DEPTH + 3);
        assert!(html(&format!("{}deep", "- ".repeat(200))).contains("deep"));
    }
}
