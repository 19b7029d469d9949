//! `http`: one request, its response as the step's output.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::artifact::media_type_of;
use super::outside;
use super::registry::made;
use super::retry_after::retry_after;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::log::Artifact;
use crate::pipeline::definition::{Fields, Problem, Problems};
use crate::pipeline::template::has_placeholder;

struct Http {
    method: Method,
    expect: Vec<u16>,
    body: Body,
    max_bytes: usize,
}

/// How the response's body is read.
#[derive(Clone, Copy)]
enum Body {
    /// As JSON where the response says that it is.
    Auto,
    Json,
    Text,
    /// Not looked into: kept for viewers.
    Artifact,
}

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut http = Http {
        method: Method::GET,
        expect: Vec::new(),
        body: Body::Auto,
        max_bytes: 16 << 20,
    };
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        http.read_config(&mut fields, &mut problems);
        fields.close(&mut problems);
    }
    made(http, problems)
}

impl Step for Http {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let request = self.request(&context)?;
            let response = request
                .send()
                .await
                .map_err(|error| request_error(&error))?;
            let status = response.status();
            let headers: Map<String, Value> = response
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.to_string(), value.into())
                })
                .collect();
            let json = match self.body {
                Body::Auto => is_json(response.headers()),
                Body::Json => true,
                Body::Text | Body::Artifact => false,
            };
            let retry_after = retry_after(response.headers(), SystemTime::now());
            if matches!(self.body, Body::Artifact) && self.expects(status) {
                let made = keep(response, &context).await?;
                return Ok(
                    json!({"status": status.as_u16(), "headers": headers, "artifact": made.described()}),
                );
            }
            let bytes = self.read(response, &context).await?;
            if !self.expects(status) {
                return Err(status_error(status, &bytes).with_retry_after(retry_after));
            }
            let body: Value = if json && !bytes.is_empty() {
                serde_json::from_slice(&bytes).map_err(|error| {
                    let message = format!("the response is no JSON: {error}");
                    StepError::new(Category::Validation, message)
                })?
            } else {
                String::from_utf8_lossy(&bytes).into()
            };
            Ok(json!({"status": status.as_u16(), "headers": headers, "body": body}))
        })
    }
}

impl Http {
    fn read_config(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        match fields.text("url", problems) {
            Some(url) if has_placeholder(&url.into()) => {}
            Some(url) => match reqwest::Url::parse(url) {
                Ok(url) if ["http", "https"].contains(&url.scheme()) => {}
                Ok(_) => problems.error(&fields.place("url"), "a URL of http or https"),
                Err(error) => problems.error(&fields.place("url"), format!("no URL: {error}")),
            },
            None if fields.has(&["url"]) => {}
            None => problems.error(fields.here(), "`http` needs a `url`"),
        }
        if let Some(word) = fields.text("method", problems) {
            match METHODS
                .into_iter()
                .find(|method| method.as_str() == word.to_uppercase())
            {
                Some(method) => self.method = method,
                None => {
                    let names: Vec<String> = METHODS.iter().map(ToString::to_string).collect();
                    let place = fields.place("method");
                    let message = format!("unknown method `{word}`");
                    problems.unknown(&place, message, word, names.iter().map(String::as_str));
                }
            }
        }
        for key in ["headers", "query"] {
            let _resolved_later = fields.object(key, problems);
        }
        if fields.value("json").is_some() & fields.value("body").is_some() {
            problems.error(&fields.place("body"), "either `json` or `body`");
        }
        match fields.value("expect_status") {
            None => {}
            Some(value) => {
                let codes = value
                    .as_array()
                    .map_or(std::slice::from_ref(value), Vec::as_slice);
                let read = codes.iter().map(|code| {
                    let code = u16::try_from(code.as_u64()?).ok()?;
                    (100..=999).contains(&code).then_some(code)
                });
                match read.collect() {
                    Some(codes) => self.expect = codes,
                    None => {
                        let place = fields.place("expect_status");
                        problems.error(&place, "a status such as 200, or a list of them");
                    }
                }
            }
        }
        match fields.text("response", problems) {
            None | Some("auto") => {}
            Some("json") => self.body = Body::Json,
            Some("text") => self.body = Body::Text,
            Some("artifact") => self.body = Body::Artifact,
            Some(word) => {
                let place = fields.place("response");
                let message = format!("unknown kind of response `{word}`");
                problems.unknown(&place, message, word, ["auto", "json", "text", "artifact"]);
            }
        }
        for key in ["name", "media_type"] {
            let given = fields.text(key, problems).is_some() || fields.has(&[key]);
            if given && !matches!(self.body, Body::Artifact) {
                let message = format!("`{key}` goes with `\"response\": \"artifact\"`");
                problems.error(&fields.place(key), message);
            }
        }
        if let Some(most) = fields.count("max_bytes", 1, problems) {
            self.max_bytes = usize::try_from(most).unwrap_or(usize::MAX);
        }
    }

    fn request(&self, context: &StepContext) -> Result<reqwest::RequestBuilder, StepError> {
        let (config, reaches_inside) = (context.config(), context.policy().reaches_inside());
        let wrong = |message: String| StepError::new(Category::Configuration, message);
        let url = config
            .get("url")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let url = reqwest::Url::parse(url).map_err(|error| wrong(format!("no URL: {error}")))?;
        if !reaches_inside {
            outside::check(&url).map_err(wrong)?;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in pairs(config.get("headers")) {
            let bad =
                |what: &str| wrong(format!("header `{name}` has a {what} that cannot be sent"));
            let key = HeaderName::try_from(&name).map_err(|_invalid| bad("name"))?;
            let value = HeaderValue::try_from(value).map_err(|_invalid| bad("value"))?;
            headers.append(key, value);
        }
        if let Some(trace) = context.trace()
            && !headers.contains_key("traceparent")
        {
            headers.extend(trace.headers());
        }
        let mut request = client(reaches_inside)?
            .request(self.method.clone(), url)
            .query(&pairs(config.get("query")));
        if let Some(json) = config.get("json") {
            request = request.json(json);
        } else if let Some(body) = config.get("body") {
            request = request.body(text_of(body));
        }
        Ok(request.headers(headers))
    }

    fn expects(&self, status: StatusCode) -> bool {
        if self.expect.is_empty() {
            status.is_success()
        } else {
            self.expect.contains(&status.as_u16())
        }
    }

    /// Reads the body, and says how far it is where the server has said how long it is.
    async fn read(
        &self,
        mut response: Response,
        context: &StepContext,
    ) -> Result<Vec<u8>, StepError> {
        let length = response.content_length();
        let (mut bytes, mut told) = (Vec::new(), 0.0);
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| request_error(&error))?
        {
            if bytes.len() + chunk.len() > self.max_bytes {
                let most = self.max_bytes;
                let message = format!("the response has more than {most} bytes (`max_bytes`)");
                return Err(StepError::new(Category::Resource, message));
            }
            bytes.extend_from_slice(&chunk);
            let fraction = bytes.len() as f64 / length.unwrap_or_default().max(1) as f64;
            if length.is_some() && fraction - told >= TOLD {
                told = fraction;
                context
                    .emit_progress(fraction.min(1.0), "downloading")
                    .await;
            }
        }
        // the last chunk may have been too small to be told
        if length.is_some() && told < 1.0 {
            context.emit_progress(1.0, "downloading").await;
        }
        Ok(bytes)
    }
}

/// Keeps the body as it comes. It is called as the step says, or as the last part of the address.
async fn keep(mut response: Response, context: &StepContext) -> Result<Artifact, StepError> {
    let text = |key: &str| context.config().get(key).and_then(Value::as_str);
    let name = match text("name") {
        Some(name) => name.to_owned(),
        None => {
            let last = response
                .url()
                .path_segments()
                .and_then(|mut it| it.next_back());
            let last = last.filter(|last| !last.is_empty());
            last.unwrap_or("response").to_owned()
        }
    };
    let told = response.headers().get(reqwest::header::CONTENT_TYPE);
    let told = told.and_then(|value| value.to_str().ok());
    let media_type = text("media_type").or(told);
    let media_type = media_type.map_or_else(|| media_type_of(&name), str::to_owned);
    let mut writing = context.begin_artifact(&name, &media_type).await?;
    let (length, mut read, mut told) = (response.content_length(), 0, 0.0);
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| request_error(&error))?
    {
        writing.write(&chunk).await?;
        read += chunk.len();
        let fraction = read as f64 / length.unwrap_or_default().max(1) as f64;
        if length.is_some() && fraction - told >= TOLD {
            told = fraction;
            context
                .emit_progress(fraction.min(1.0), "downloading")
                .await;
        }
    }
    context.announce(writing).await
}

/// One for the operator's pipelines, one for those of users.
fn client(reaches_inside: bool) -> Result<&'static Client, StepError> {
    static EVERYWHERE: OnceLock<Result<Client, String>> = OnceLock::new();
    static OUTSIDE: OnceLock<Result<Client, String>> = OnceLock::new();
    let built = |wrap: fn(ClientBuilder) -> ClientBuilder| {
        // another part of the program may have chosen one already, which serves as well
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = Client::builder()
            .connect_timeout(Duration::from_secs(30))
            .user_agent(concat!("stepcast/", env!("CARGO_PKG_VERSION")));
        wrap(builder).build().map_err(|error| error.to_string())
    };
    let client = if reaches_inside {
        EVERYWHERE.get_or_init(|| built(|builder| builder))
    } else {
        OUTSIDE.get_or_init(|| built(outside::outside_only))
    };
    client.as_ref().map_err(|error| {
        StepError::new(Category::Configuration, format!("no HTTP client: {error}"))
    })
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let object = value.and_then(Value::as_object);
    let flat = object.into_iter().flatten().flat_map(|(key, value)| {
        let many = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        many.iter().map(|value| (key.clone(), text_of(value)))
    });
    flat.collect()
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(reqwest::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim();
    kind == "application/json" || kind.ends_with("+json")
}

/// The error's own text names the URL, which may hold a key: it is left out.
fn request_error(error: &reqwest::Error) -> StepError {
    if error.is_timeout() {
        return StepError::new(Category::Timeout, "the request took too long");
    }
    if error.is_builder() {
        return StepError::new(Category::Configuration, "the request cannot be built");
    }
    let mut message = String::from("the request failed");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    StepError::new(Category::Network, message)
}

fn status_error(status: StatusCode, body: &[u8]) -> StepError {
    let category = match status.as_u16() {
        408 | 504 => Category::Timeout,
        401 | 403 | 407 => Category::Configuration,
        429 | 500..=599 => Category::Dependency,
        _ => Category::Validation,
    };
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().take(200).collect();
    let message = if text.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {text}")
    };
    StepError::new(category, message)
}

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];

/// Progress is told for every such part of the body.
const TOLD: f64 = 0.05;
