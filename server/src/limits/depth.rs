//! How deep JSON is nested, before anybody builds it.

/// Whether arrays and objects stand in each other deeper than `most`. What is no JSON is left to the parser.
pub(crate) fn is_deeper(text: &[u8], most: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_deeper;

    #[test]
    fn depth_is_counted_outside_of_texts() {
        for (text, depth) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[[]]}"#, 3),
            (r#""[[[[""#, 0),
            (r#"["\"[[[[", []]"#, 2),
            (r#"["\\", [[]]]"#, 3),
            ("[[[", 3),
            ("]]][", 1),
        ] {
            assert!(!is_deeper(text.as_bytes(), depth), "{text}");
            assert!(
                depth == 0 || is_deeper(text.as_bytes(), depth - 1),
                "{text}"
            );
        }
    }
}
