//! What is agreed about compression (RFC 7692).

use axum::http::{HeaderMap, header};

use crate::transport::coding::DEFLATE_WINDOW;

/// An offer of `permessage-deflate` that this server takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Offer {
    /// A message of the server's may refer to those before it.
    pub(super) takes_over: bool,
    /// The client wishes to be told how far back it may refer.
    names_window: bool,
}

impl Offer {
    /// The first of a client's offers that can be taken.
    pub(super) fn first(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        texts
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .find_map(Self::read)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
            return None;
        }
        let mut seen = Vec::new();
        let mut offer = Self {
            takes_over: true,
            names_window: false,
        };
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (part, None),
            };
            let bits = value.map(|text| match text.as_bytes() {
                [b'8' | b'9'] | [b'1', b'0'..=b'5'] => text.parse::<u8>().ok(),
                _ => None,
            });
            match (name, bits) {
                ("server_no_context_takeover", None) => offer.takes_over = false,
                // it is told to have none in any case, and may use what window it likes for its short messages
                ("client_no_context_takeover", None)
                | ("client_max_window_bits", None | Some(Some(_))) => {}
                ("server_max_window_bits", Some(Some(bits))) if bits >= DEFLATE_WINDOW => {
                    offer.names_window = true;
                }
                _ => return None,
            }
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
        Some(offer)
    }

    /// What the server answers.
    pub(super) fn answer(self) -> String {
        let mut answer = "permessage-deflate; client_no_context_takeover".to_owned();
        if !self.takes_over {
            answer.push_str("; server_no_context_takeover");
        }
        if self.names_window {
            answer.push_str(&format!("; server_max_window_bits={DEFLATE_WINDOW}"));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_offer_that_can_be_taken_is_answered() {
        let none = "permessage-deflate; client_no_context_takeover";
        for (offers, answer) in [
            ("permessage-deflate", Some(none.to_owned())),
            (
                "Permessage-Deflate; client_max_window_bits",
                Some(none.to_owned()),
            ),
            (
                "permessage-deflate; client_max_window_bits=9",
                Some(none.to_owned()),
            ),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                Some(format!("{none}; server_no_context_takeover")),
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some(format!("{none}; server_max_window_bits={DEFLATE_WINDOW}")),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"13\"",
                Some(format!("{none}; server_max_window_bits=13")),
            ),
            ("permessage-deflate; server_max_window_bits=10", None),
            (
                "permessage-deflate; server_max_window_bits=10, permessage-deflate",
                Some(none.to_owned()),
            ),
            (
                "x-webkit-deflate-frame, permessage-deflate",
                Some(none.to_owned()),
            ),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; client_max_window_bits=07", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits",
                None,
            ),
            ("permessage-deflate; of_later=1", None),
            ("permessage-bzip2", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, offers.parse().unwrap());
            let first = Offer::first(&headers).map(Offer::answer);
            assert_eq!(first, answer, "{offers}");
        }
    }
}
