//! The settings of GraphQL, `[graphql]` in the file.

use serde::{Deserialize, Serialize};

/// What a query may ask. `docs/configuration.md` holds it as a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphqlSettings {
    /// Whether the schema may be asked for; where nothing is said, on a server without accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection: Option<bool>,
    /// Fields within fields.
    pub max_depth: usize,
    /// Fields that an answer may have, by the sizes of pages that it asks for.
    pub max_complexity: usize,
}

impl Default for GraphqlSettings {
    fn default() -> Self {
        Self {
            introspection: None,
            // what clients ask of a schema has fifteen
            max_depth: 16,
            // a page of 1000 events with ten fields each
            max_complexity: 10_000,
        }
    }
}

impl GraphqlSettings {
    /// Which setting cannot be used, and why.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        for (key, value) in [
            ("graphql.max_depth", self.max_depth),
            ("graphql.max_complexity", self.max_complexity),
        ] {
            if value == 0 {
                return Err((key.to_owned(), "must be at least 1".to_owned()));
            }
        }
        Ok(())
    }
}
