//! The router: the address after the hash, as a page. Anything can host the file; nothing needs to rewrite.

use leptos::prelude::*;
use stepcast_core::id::{ExecutionId, Seq};

use super::filter::unescaped;
use crate::api::escaped;

/// A page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// `#/`: the runs.
    Runs,
    /// `#/runs/{id}`: one run; `?at=` is a place in it.
    Run {
        /// Which.
        id: ExecutionId,
        /// Where in it; the end where there is none.
        at: Option<Seq>,
    },
    /// `#/edit` and `#/edit/{name}`: a pipeline's definition, a new one or a stored one.
    Edit(String),
    /// `#/metrics`: how all runs fare; what is shown of that is the page's own to read.
    Metrics,
    /// No page of ours.
    Unknown(String),
}

impl Route {
    fn parse(hash: &str) -> Self {
        let hash = hash.strip_prefix('#').unwrap_or(hash);
        let (path, query) = hash.split_once('?').unwrap_or((hash, ""));
        let path = path.trim_end_matches('/');
        if path.is_empty() || path == "/runs" {
            return Self::Runs;
        }
        if path == "/metrics" {
            return Self::Metrics;
        }
        if path == "/edit" {
            return Self::Edit(String::new());
        }
        if let Some(name) = path.strip_prefix("/edit/") {
            return Self::Edit(unescaped(name));
        }
        let id = path.strip_prefix("/runs/").and_then(|id| id.parse().ok());
        let at = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("at="))
            .and_then(|at| at.parse().ok());
        id.map_or_else(|| Self::Unknown(path.to_owned()), |id| Self::Run { id, at })
    }
}

/// The page's route, as it changes.
pub(super) fn use_route() -> Memo<Route> {
    let read = || location().hash().unwrap_or_default();
    let (hash, set_hash) = signal(read());
    let listener = window_event_listener(leptos::ev::hashchange, move |_| set_hash.set(read()));
    on_cleanup(move || listener.remove());
    Memo::new(move |_| Route::parse(&hash.get()))
}

/// The address of a run's page.
pub(super) fn run_address(id: &str) -> String {
    format!("#/runs/{id}")
}

/// The address of the page of a pipeline's definition; of a new one where there is no name.
pub(super) fn edit_address(name: &str) -> String {
    match name {
        "" => "#/edit".to_owned(),
        name => format!("#/edit/{}", escaped(name)),
    }
}

/// Goes to a run's page.
pub(super) fn go_to_run(id: &str) {
    // fails for no hash
    let _gone = location().set_hash(&run_address(id));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_pages() {
        let run = |at| Route::Run {
            id: "exec_1".parse().unwrap(),
            at,
        };
        for (hash, route) in [
            ("", Route::Runs),
            ("#/", Route::Runs),
            ("#/runs/", Route::Runs),
            ("#/runs/exec_1", run(None)),
            ("#/runs/exec_1?at=17", run(Some(17))),
            ("#/runs/exec_1?x=1&at=z", run(None)),
            ("#/runs/a%2Fb", Route::Unknown("/runs/a%2Fb".into())),
            ("#/edit", Route::Edit(String::new())),
            ("#/edit/a%20b%2Fc", Route::Edit("a b/c".into())),
            ("#/metrics?window=7d", Route::Metrics),
            ("#/elsewhere", Route::Unknown("/elsewhere".into())),
        ] {
            assert_eq!(Route::parse(hash), route, "{hash}");
        }
        assert_eq!(Route::parse(&run_address("exec_1")), run(None));
    }
}
