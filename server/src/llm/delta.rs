//! What comes of an answer, piece by piece, in no provider's words.

use serde_json::{Map, Value};

use super::text::Fragment;

/// One thing that an answer says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Delta<T> {
    /// More of the text.
    Text(T),
    /// More of what the model thinks before it speaks.
    Reasoning(T),
    /// More of why it does not answer.
    Refusal(T),
    /// The call number `index` begins.
    CallBegins {
        index: usize,
        id: Option<String>,
        name: String,
    },
    /// More of a call's arguments.
    Arguments { index: usize, text: T },
    /// A call's arguments are whole.
    CallEnds { index: usize },
    /// The model that answers, as it calls itself.
    Model(String),
    /// What the answer took so far; later ones add to it and replace.
    Usage(Usage),
    /// Why it ends.
    Finish(String),
}

/// As providers send it: characters may be cut in two.
pub(crate) type Raw = Delta<Fragment>;

/// Tokens that an answer took. The output includes the reasoning, the input what was cached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Usage {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    pub(crate) cached: Option<u64>,
}

impl Usage {
    /// This, and what a later one says in its place.
    pub(crate) fn then(self, later: Self) -> Self {
        Self {
            input: later.input.or(self.input),
            output: later.output.or(self.output),
            reasoning: later.reasoning.or(self.reasoning),
            cached: later.cached.or(self.cached),
        }
    }

    /// The known counts under their names.
    pub(crate) fn to_map(self) -> Map<String, Value> {
        let counts = [
            ("input_tokens", self.input),
            ("output_tokens", self.output),
            ("reasoning_tokens", self.reasoning),
            ("cached_tokens", self.cached),
        ];
        let known = counts
            .into_iter()
            .filter_map(|(key, count)| Some((key.to_owned(), count?.into())));
        known.collect()
    }
}
