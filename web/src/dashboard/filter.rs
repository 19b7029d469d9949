//! Which runs are listed, as the address says it: `#/?status=failed&q=daily`. A filtered list can be shared.

use crate::api::escaped;

/// What a run must be like to be listed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Filter {
    /// One of [`GROUPS`]; any status where it is empty.
    pub(super) status: String,
    /// What its pipeline's name, its id or its owner's name must hold.
    pub(super) text: String,
}

/// Groups of statuses: what the address calls them, what people do, and which they are.
pub(super) const GROUPS: [(&str, &str, &str); 5] = [
    ("active", "under way", "pending,running,waiting"),
    ("waiting", "waiting for a person", "waiting"),
    ("completed", "completed", "completed"),
    (
        "failed",
        "failed",
        "failed,timeout,interrupted,producer_lost",
    ),
    ("cancelled", "cancelled", "cancelled"),
];

impl Filter {
    /// Reads it from the address after the hash; what is not known is left out.
    pub(super) fn parse(hash: &str) -> Self {
        let (_, query) = hash.split_once('?').unwrap_or((hash, ""));
        let mut filter = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "status" if GROUPS.iter().any(|(name, ..)| *name == value) => {
                    value.clone_into(&mut filter.status);
                }
                "q" => filter.text = unescaped(value),
                _ => {}
            }
        }
        filter
    }

    /// The address of the list that it makes.
    pub(super) fn address(&self) -> String {
        let status = (!self.status.is_empty()).then(|| format!("status={}", self.status));
        let text = (!self.text.is_empty()).then(|| format!("q={}", escaped(&self.text)));
        let pairs: Vec<String> = status.into_iter().chain(text).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("#/{mark}{}", pairs.join("&"))
    }

    /// The statuses that the server is asked for; all where it is empty.
    pub(super) fn statuses(&self) -> &'static str {
        let group = GROUPS.iter().find(|(name, ..)| *name == self.status);
        group.map_or("", |(_, _, statuses)| statuses)
    }

    /// Whether one of the texts holds what is looked for, in capitals or not.
    pub(super) fn finds(&self, texts: [&str; 3]) -> bool {
        let wanted = self.text.trim().to_lowercase();
        texts
            .into_iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.status.is_empty() && self.text.is_empty()
    }
}

/// A part of an address as it was written; what is no text is left as it stands.
pub(super) fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((head, tail)) = rest.split_once('%') {
        bytes.extend_from_slice(head.as_bytes());
        let code = tail
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = match code {
            Some(byte) => {
                bytes.push(byte);
                tail.get(2..).unwrap_or_default()
            }
            None => {
                bytes.push(b'%');
                tail
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_broken| part.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_address_and_an_address_a_filter() {
        let filter = Filter {
            status: "failed".into(),
            text: "Tägliche 100 % & mehr".into(),
        };
        assert_eq!(Filter::parse(&filter.address()), filter);
        assert_eq!(Filter::default().address(), "#/");
        assert_eq!(Filter::parse("#/?status=odd&x=1&q=a%zz").text, "a%zz");
        assert!(Filter::parse("#/?status=odd").is_empty());
        assert_eq!(
            filter.statuses(),
            "failed,timeout,interrupted,producer_lost"
        );
    }

    #[test]
    fn a_run_is_found_by_its_name_its_id_or_whose_it_is() {
        let filter = Filter {
            text: " HeL".into(),
            ..Filter::default()
        };
        assert!(filter.finds(["Hello", "e-1", ""]));
        assert!(filter.finds(["", "shell", ""]));
        assert!(filter.finds(["", "e-1", "Michelle"]));
        assert!(!filter.finds(["Stream", "e-2", "ann"]));
        assert!(Filter::default().finds(["", "", ""]));
    }
}
