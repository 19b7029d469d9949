//! A book of operations: each is described in a few words, and what its route asks of callers is added by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::http::{Method, StatusCode};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};
use stepcast_core::schema;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterIn, Paths,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{
    Content, HeaderBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use super::parameters;
use super::security;
use crate::router::{Ask, routes};

/// What has been described so far.
pub(super) struct Book {
    asks: HashMap<(Method, &'static str), Ask>,
    paths: Paths,
    /// Schemas of what is read, and of what is written: a member that may be left out need not be the same in both.
    read: SchemaGenerator,
    written: SchemaGenerator,
    /// Schemas of frames, which are read and written alike.
    frames: SchemaGenerator,
}

/// An operation that is being described.
pub(super) struct Entry<'a> {
    book: &'a mut Book,
    method: Method,
    path: &'static str,
    operation: OperationBuilder,
    about: Option<String>,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    responses: BTreeMap<u16, Response>,
    problems: BTreeMap<u16, Vec<&'static str>>,
}

impl Book {
    pub(super) fn new() -> Self {
        let asks = routes().into_iter();
        Self {
            asks: asks
                .map(|route| ((route.method, route.path), route.ask))
                .collect(),
            paths: Paths::new(),
            read: schema::generator(SCHEMAS),
            written: schema::writing_generator(SCHEMAS),
            frames: schema::generator(SCHEMAS),
        }
    }

    /// Begins an operation: its name for programs, and what it does in a few words.
    pub(super) fn entry(
        &mut self,
        method: Method,
        path: &'static str,
        tag: &str,
        (id, summary): (&str, &str),
    ) -> Entry<'_> {
        let parameters = parameters::in_path(path, &mut self.read);
        Entry {
            book: self,
            method,
            path,
            operation: OperationBuilder::new()
                .tag(tag)
                .operation_id(Some(id))
                .summary(Some(summary)),
            about: None,
            parameters,
            body: None,
            responses: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// The paths, and the schemas that they refer to.
    pub(super) fn close(mut self) -> (Paths, Map<String, Value>) {
        schema_of::<crate::error::Problem>(&mut self.written);
        let mut schemas = Value::from(self.written.take_definitions(true));
        let mut frames = Value::from(self.frames.take_definitions(true));
        // what may be left out of a request may be null there
        let mut requests = Value::from(self.read.take_definitions(true));
        schema::tidy(&mut schemas);
        schema::tidy(&mut frames);
        schema::in_plain_words(&mut requests);
        // what frames and answers share is described as in frames
        let parts = [frames, schemas, requests].into_iter();
        let mut schemas = Map::new();
        for (name, schema) in parts.filter_map(members).flatten() {
            schemas.entry(name).or_insert(schema);
        }
        schemas.sort_keys();
        (self.paths, schemas)
    }
}

impl Entry<'_> {
    /// What else there is to say.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.about = Some(text.to_owned());
        self
    }

    /// What stands in the query: the members of `T`.
    pub(super) fn query<T: JsonSchema>(self) -> Self {
        self.takes::<T>(&ParameterIn::Query)
    }

    /// What stands in headers: the members of `T`.
    pub(super) fn headers<T: JsonSchema>(self) -> Self {
        self.takes::<T>(&ParameterIn::Header)
    }

    fn takes<T: JsonSchema>(mut self, place: &ParameterIn) -> Self {
        let found = parameters::of::<T>(place, &mut self.book.read);
        self.parameters.extend(found);
        self
    }

    /// A body of JSON.
    pub(super) fn body<T: JsonSchema>(self, required: bool) -> Self {
        let schema = schema_of::<T>(&mut self.book.read);
        self.problem(400, "The body cannot be read.")
            .problem(
                413,
                "The body is larger than the setting `max_body_bytes` allows.",
            )
            .problem(415, "The body is not said to be `application/json`.")
            .content(required, "application/json", schema)
    }

    /// A body that is no JSON document.
    pub(super) fn raw_body(self, media_type: &str, schema: Value) -> Self {
        self.content(true, media_type, inline(schema))
    }

    fn content(mut self, required: bool, media_type: &str, schema: RefOr<Schema>) -> Self {
        self = self.problem(408, "The body did not come in its time.");
        let required = if required {
            Required::True
        } else {
            Required::False
        };
        let body = self
            .body
            .take()
            .map_or_else(RequestBodyBuilder::new, Into::into);
        let body = body
            .required(Some(required))
            .content(media_type, Content::new(Some(schema)));
        self.body = Some(body.build());
        self
    }

    /// An answer of JSON.
    pub(super) fn answers<T: JsonSchema>(self, status: u16, description: &str) -> Self {
        let schema = schema_of::<T>(&mut self.book.written);
        self.answers_with(status, description, "application/json", schema)
    }

    /// An answer of JSON, whose members may be left out as in what is read.
    pub(super) fn answers_as_read<T: JsonSchema>(self, status: u16, description: &str) -> Self {
        let schema = schema_of::<T>(&mut self.book.frames);
        self.answers_with(status, description, "application/json", schema)
    }

    /// An answer of JSON of one of two shapes.
    pub(super) fn answers_one_of<A: JsonSchema, B: JsonSchema>(
        self,
        status: u16,
        description: &str,
    ) -> Self {
        let ways = [
            self.book.written.subschema_for::<A>(),
            self.book.written.subschema_for::<B>(),
        ];
        let schema = inline(serde_json::json!({ "anyOf": ways }));
        self.answers_with(status, description, "application/json", schema)
    }

    /// An answer that is no JSON document.
    pub(super) fn sends(
        self,
        status: u16,
        description: &str,
        media_type: &str,
        schema: Value,
    ) -> Self {
        self.answers_with(status, description, media_type, inline(schema))
    }

    fn answers_with(
        mut self,
        status: u16,
        description: &str,
        media_type: &str,
        schema: RefOr<Schema>,
    ) -> Self {
        let response = self
            .responses
            .entry(status)
            .or_insert_with(|| Response::new(description));
        let content = Content::new(Some(schema));
        response
            .content
            .insert(media_type.to_owned(), content.into());
        self
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: u16, description: &str) -> Self {
        self.responses.insert(status, Response::new(description));
        self
    }

    /// A header of an answer that was described.
    pub(super) fn with_header(mut self, status: u16, name: &str, description: &str) -> Self {
        if let Some(response) = self.responses.get_mut(&status) {
            response
                .headers
                .insert(name.to_owned(), text_header(description).into());
        }
        self
    }

    /// A refusal, as a problem document.
    pub(super) fn problem(mut self, status: u16, description: &'static str) -> Self {
        self.problems.entry(status).or_default().push(description);
        self
    }

    /// Ends it.
    pub(super) fn write(mut self) {
        let ask = self
            .book
            .asks
            .get(&(self.method.clone(), self.path))
            .copied();
        if !self.parameters.is_empty() {
            self = self.problem(400, "A parameter is not as it has to be.");
        }
        for (status, description) in security::problems(ask) {
            self = self.problem(status, description);
        }
        if ask.is_some() {
            self = self
                .problem(
                    403,
                    "The server is asked under a name, or by a page, that it does not answer to.",
                )
                .problem(500, "The server failed; its own log says why.");
        }
        let mut operation = self.operation.parameters(Some(self.parameters));
        // where nothing else is said, what comes of it says it
        let first = self.responses.values().next();
        let about = self
            .about
            .or_else(|| first.map(|it| it.description.clone()));
        operation = operation.description(about).request_body(self.body);
        if let Some(securities) = security::of(ask, self.path) {
            operation = operation.securities(Some(securities));
        }
        for (status, response) in self.responses {
            operation = operation.response(status.to_string(), response);
        }
        for (status, descriptions) in self.problems {
            operation = operation.response(status.to_string(), problem(status, &descriptions));
        }
        let operation: Operation = operation.build();
        let paths = &mut self.book.paths;
        paths.add_path_operation(self.path, vec![http_method(&self.method)], operation);
    }
}

fn members(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// A refusal, in the words of everything that may be the reason for it.
fn problem(status: u16, descriptions: &[&str]) -> Response {
    let distinct: BTreeSet<&str> = descriptions.iter().copied().collect();
    let description = distinct.into_iter().collect::<Vec<_>>().join(" Or: ");
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content);
    if status == StatusCode::UNAUTHORIZED.as_u16() {
        response = response.header("WWW-Authenticate", text_header("How to say who one is."));
    }
    if status == StatusCode::TOO_MANY_REQUESTS.as_u16() {
        response = response.header("Retry-After", text_header("How many seconds to wait."));
    }
    response.build()
}

fn text_header(description: &str) -> Header {
    let text = inline(serde_json::json!({ "type": "string" }));
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(description))
        .build()
}

pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> RefOr<Schema> {
    inline(generator.subschema_for::<T>().into())
}

/// A schema as it stands there.
pub(super) fn inline(mut schema: Value) -> RefOr<Schema> {
    schema::tidy(&mut schema);
    serde_json::from_value(schema).unwrap_or_else(|_unread| RefOr::T(Schema::default()))
}

fn http_method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        _ => HttpMethod::Get,
    }
}

/// Where the document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";
