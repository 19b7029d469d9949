//! What a page may load and run (Content Security Policy, level 3).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// For all that is no page: nothing may be run or loaded, should a browser ever show it as one.
pub(super) const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// For the dashboard: its own files, its own server, and no script in the page but those that it was built with.
///
/// `trunk build` writes the script that starts the program into the page; such a script is allowed by its hash.
pub(crate) fn of_page(html: &str) -> String {
    let mut policy = String::from("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'");
    for script in inline_scripts(html) {
        let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
        // writing into a string does not fail
        let _infallible = write!(policy, " 'sha256-{hash}'");
    }
    policy.push_str(
        "; style-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    policy
}

/// The text of each script that stands in the page itself.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|from| {
        let (attributes, rest) = from.split_once('>')?;
        let (text, _) = rest.split_once("</script>")?;
        let has_source = attributes
            .split_ascii_whitespace()
            .any(|attribute| attribute.starts_with("src="));
        (!has_source).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::of_page;

    #[test]
    fn a_script_in_the_page_is_allowed_by_its_hash_only() {
        let html = "<head><script type=\"module\" src=\"/a.js\"></script><script type=\"module\">\nrun()\n</script></head>";
        let policy = of_page(html);
        assert_eq!(policy.matches("'sha256-").count(), 1, "{policy}");
        // printf '\nrun()\n' | openssl dgst -sha256 -binary | base64
        assert!(
            policy.contains("'sha256-X8AAKgaI44zC2JgsZRJ4adpbl777tdE6qoD0mpUQwV4='"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-inline"));
        assert!(!policy.contains("'unsafe-eval'"));
    }

    #[test]
    fn a_page_without_one_has_no_hash() {
        assert!(!of_page("<script src=\"/a.js\"></script>").contains("sha256"));
    }
}
