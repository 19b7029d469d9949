//! GraphQL: the same executions, the same access, the same read.
//!
//! A resolver asks `Asking` for what it works on, and that asks the one function that decides. The protocols that carry
//! it are in `transport/graphql/`; `docs/spec/schema.graphql` is what [`sdl`] gives.

mod asking;
mod event;
mod execution;
mod mutation;
mod pipeline;
mod query;
mod scalar;
mod settings;
mod subscription;
mod wait;

use std::sync::Arc;

pub(crate) use self::asking::{Asking, Cut};
use self::mutation::Mutation;
use self::query::Query;
pub use self::settings::GraphqlSettings;
use self::subscription::Subscription;

/// What can be asked.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema, within the bounds of these settings. `open`: everybody may look at it, where the settings do not say.
pub(crate) fn schema(settings: &GraphqlSettings, open: bool) -> Arc<Schema> {
    let schema = Schema::build(Query, Mutation, Subscription)
        .limit_depth(settings.max_depth)
        .limit_complexity(settings.max_complexity)
        .limit_directives(MOST_DIRECTIVES)
        .limit_recursive_depth(DEEPEST);
    let schema = match settings.introspection.unwrap_or(open) {
        true => schema,
        // what is misspelt is not answered with names either
        false => schema.disable_introspection().disable_suggestions(),
    };
    Arc::new(schema.finish())
}

/// The schema in its definition language.
pub fn sdl() -> String {
    schema(&GraphqlSettings::default(), true).sdl()
}

/// Directives on one field.
const MOST_DIRECTIVES: usize = 8;

/// Braces within braces that are parsed at all.
const DEEPEST: usize = 64;

/// A request that cannot be understood.
fn bad(what: &str) -> crate::error::Problem {
    crate::error::Problem::new(axum::http::StatusCode::BAD_REQUEST, format!("{what}."))
}
