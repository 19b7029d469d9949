//! Every route on one screen, with what it asks of who calls.

use std::collections::HashMap;

use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Router};

use self::Ask::{Handshake, May, Name, Nothing, Of};
use crate::access::Action::{
    self, Answer, Audit, Browse, Cancel, Delete, Ingest, List, Measure, Observe, Open, OpenAll,
    Resume, Share, Start, Watch, WatchAll,
};
use crate::access::gate::{self, Gate};
use crate::edge::Way;
use crate::executions::Executions;
use crate::transport::{agui, aisdk, durable, graphql, many, sse, websocket};
use crate::{api, assets, edge, pages, spec};

/// What a route asks of who calls, on a server with accounts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Nothing: it is for everybody.
    Nothing,
    /// That they say who they are.
    Name,
    /// That they may do this.
    May(Action),
    /// That they may do this with the execution in the path.
    Of(Action),
    /// Nothing here: the stream asks [`Action::Open`] of them once it speaks, and refuses with a close code.
    Handshake,
}

/// A route, and what it asks.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with names in braces for what varies.
    pub path: &'static str,
    /// What it asks.
    pub ask: Ask,
}

/// Every route of the server; one that is not among them is closed where there are accounts.
pub fn routes() -> Vec<Route> {
    all().rules
}

/// What each route asks.
#[derive(Debug)]
pub(crate) struct Rules(HashMap<&'static str, Vec<(Method, Ask)>>);

impl Rules {
    /// The methods of a route, as `Allow` names them.
    pub(crate) fn methods(&self, path: &str) -> Option<String> {
        let methods = self.0.get(path)?.iter();
        let names = methods.flat_map(|(method, _)| match *method {
            Method::GET => vec!["GET", "HEAD"],
            ref other => vec![other.as_str()],
        });
        Some(names.collect::<Vec<_>>().join(","))
    }

    pub(crate) fn ask(&self, path: &str, method: &Method) -> Option<Ask> {
        let methods = self.0.get(path)?;
        let method = gate::asked(method);
        let found = methods.iter().find(|(it, _)| it == method);
        found.map(|(_, ask)| *ask)
    }
}

#[derive(Default)]
struct Routes {
    router: Router<Executions>,
    rules: Vec<Route>,
}

impl Routes {
    fn at<const N: usize>(
        mut self,
        path: &'static str,
        asks: [(Method, Ask); N],
        methods: MethodRouter<Executions>,
    ) -> Self {
        self.router = self.router.route(path, methods);
        let rules = asks.map(|(method, ask)| Route { method, path, ask });
        self.rules.extend(rules);
        self
    }
}

/// The whole application.
pub(crate) fn way(executions: Executions) -> Way {
    let Routes { router, rules } = all();
    let settings = &executions.config().graphql;
    let schema = crate::graphql::schema(settings, !executions.access().is_closed());
    let mut router = router
        .fallback(get(assets::serve))
        .layer(Extension(graphql::GraphQl(schema)));
    if let Some(closed) = executions.access().closed() {
        let mut asks: HashMap<_, Vec<_>> = HashMap::new();
        for Route { method, path, ask } in rules {
            asks.entry(path).or_default().push((method, ask));
        }
        let gate = Gate::new(executions.clone(), closed.clone(), Rules(asks));
        router = router.layer(from_fn_with_state(gate, gate::pass));
    }
    // a browser asks whether it may ask before it shows a credential
    if let Some(cors) = edge::cross_origin(&executions.config().edge) {
        router = router.layer(cors);
    }
    Way::to(router.with_state(executions.clone()), executions)
}

fn all() -> Routes {
    streams(executions(server(Routes::default())))
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// The server itself, who calls it, and what it can start.
fn server(routes: Routes) -> Routes {
    routes
        .at("/healthz", [(GET, Nothing)], get(api::health::live))
        .at(
            "/metrics",
            [(GET, May(Observe))],
            get(api::prometheus::scrape),
        )
        .at("/readyz", [(GET, Nothing)], get(api::health::ready))
        .at("/api/spec/{document}", [(GET, Nothing)], get(spec::send))
        .at("/api/docs", [(GET, Nothing)], get(pages::docs::index))
        .at("/api/docs/{file}", [(GET, Nothing)], get(pages::docs::file))
        .at(
            "/api/session",
            [
                (GET, Nothing),
                (POST, Nothing),
                (PUT, Name),
                (DELETE, Nothing),
            ],
            get(api::session::show)
                .post(api::session::begin)
                .put(api::session::renew)
                .delete(api::session::end),
        )
        .at("/api/tickets", [(POST, Name)], post(api::tickets::draw))
        .at("/api/audit", [(GET, May(Audit))], get(api::audit::list))
        .at(
            "/api/metrics",
            [(GET, May(Measure))],
            get(api::metrics::report),
        )
        .at("/api/slos", [(GET, May(Observe))], get(api::slos::list))
        .at(
            "/api/beacon",
            [(GET, Name), (POST, Name)],
            get(api::beacon::asked).post(api::beacon::report),
        )
        .at(
            "/api/slos/alerts",
            [(GET, May(Observe))],
            get(api::slos::alerts),
        )
        .at(
            "/api/metrics/definitions",
            [(GET, Name)],
            get(api::metrics::definitions),
        )
        .at(
            "/api/pipelines",
            [(GET, May(Browse))],
            get(api::pipelines::list),
        )
        .at(
            "/api/pipelines/validate",
            [(POST, May(Browse))],
            post(api::pipelines::validate),
        )
        .at(
            "/api/pipelines/{name}",
            [(GET, May(Browse))],
            get(api::pipelines::show),
        )
}

/// Executions, and what belongs to each.
fn executions(routes: Routes) -> Routes {
    routes
        .at(
            "/api/executions",
            [(GET, May(List)), (POST, May(Start))],
            get(api::executions::list).post(api::executions::start),
        )
        .at(
            "/api/executions/{id}",
            [(GET, Of(Watch)), (DELETE, Of(Delete))],
            get(api::executions::show).delete(api::executions::remove),
        )
        .at(
            "/api/executions/{id}/start",
            [(POST, Of(Start))],
            post(api::executions::start_created),
        )
        .at(
            "/api/executions/{id}/cancel",
            [(POST, Of(Cancel))],
            post(api::executions::cancel),
        )
        .at(
            "/api/executions/{id}/resume",
            [(POST, Of(Resume))],
            post(api::executions::resume),
        )
        .at("/api/waits", [(GET, May(List))], get(api::waits::all))
        .at(
            "/api/executions/{id}/waits",
            [(GET, Of(WatchAll))],
            get(api::waits::list),
        )
        .at(
            "/api/executions/{id}/waits/{wait_id}/answer",
            [(POST, Of(Answer))],
            post(api::waits::answer),
        )
        .at(
            "/api/executions/{id}/events",
            [(GET, Of(Watch)), (POST, Of(Ingest))],
            get(api::events::page).post(api::ingest::events),
        )
        .at(
            "/api/executions/{id}/artifacts",
            [(GET, Of(WatchAll)), (POST, Of(Ingest))],
            get(api::artifacts::list).post(api::artifacts::add),
        )
        .at(
            "/api/executions/{id}/artifacts/{sha256}",
            [(GET, Of(WatchAll))],
            get(api::artifacts::send),
        )
        .at(
            "/api/executions/{id}/heartbeat",
            [(POST, Of(Ingest))],
            post(api::ingest::heartbeat),
        )
        .at(
            "/api/executions/{id}/shares",
            [(GET, Of(Share)), (POST, Of(Share))],
            get(api::shares::list).post(api::shares::make),
        )
        .at(
            "/api/executions/{id}/shares/{share}",
            [(DELETE, Of(Share))],
            delete(api::shares::revoke),
        )
}

/// What is followed.
fn streams(routes: Routes) -> Routes {
    routes
        .at(
            "/ws/pipeline/{execution_id}",
            [(GET, Handshake)],
            get(websocket::open),
        )
        .at(
            "/ws/executions/{execution_id}/artifacts/{sha256}",
            [(GET, Of(WatchAll))],
            get(websocket::artifact::open),
        )
        .at(
            "/graphql",
            [(GET, Name), (POST, Name)],
            get(graphql::look).post(graphql::ask),
        )
        .at(
            "/graphql/playground",
            [(GET, Nothing)],
            get(pages::playground::index),
        )
        .at(
            "/graphql/playground/{asset}",
            [(GET, Nothing)],
            get(pages::playground::file),
        )
        .at(
            "/ws/graphql",
            [(GET, Handshake)],
            get(graphql::websocket::open),
        )
        .at("/ws/executions", [(GET, Handshake)], get(many::web_socket))
        .at("/stream/executions", [(GET, May(List))], get(many::stream))
        .at(
            "/stream/pipeline/{execution_id}",
            [(GET, Of(Open))],
            get(sse::open),
        )
        .at(
            "/v1/stream/{id}",
            [
                (GET, Of(Watch)),
                (PUT, May(Start)),
                (POST, Of(Ingest)),
                (DELETE, Of(Delete)),
            ],
            get(durable::read)
                .put(durable::create)
                .post(durable::append)
                .delete(durable::remove),
        )
        .at("/api/agui/{name}", [(POST, May(Start))], post(agui::run))
        .at(
            "/api/agui/executions/{id}",
            [(GET, Of(OpenAll)), (POST, Of(Answer))],
            get(agui::join).post(agui::go_on),
        )
        .at("/api/aisdk/{name}", [(POST, May(Start))], post(aisdk::send))
        .at(
            "/api/aisdk/{name}/{chat}/stream",
            [(GET, May(List))],
            get(aisdk::again),
        )
        .at(
            "/api/aisdk/executions/{id}",
            [(GET, Of(OpenAll))],
            get(aisdk::join),
        )
}
