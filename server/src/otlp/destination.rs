//! Where one signal is sent, and how.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Url};

use super::settings::OtlpSettings;

/// A signal of OpenTelemetry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

/// The collector, for one signal.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    client: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    gzip: bool,
}

/// Why something was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be taken later; the collector may have said when.
    Later(String, Option<Duration>),
    /// It will never be.
    Never(String),
}

impl Signal {
    const fn variable(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }

    /// Whether the settings and `OTEL_…_EXPORTER` want it.
    fn is_wanted(self, settings: &OtlpSettings) -> bool {
        let (wanted, exporter) = match self {
            Self::Traces => (settings.traces, "OTEL_TRACES_EXPORTER"),
            Self::Metrics => (settings.metrics, "OTEL_METRICS_EXPORTER"),
        };
        let named = settings.environment.get(exporter).unwrap_or("otlp");
        wanted && named.split(',').any(|name| name.trim() == "otlp")
    }
}

/// Which setting is wrong, and what about it.
pub(super) type Wrong = (String, String);

impl Destination {
    /// Where a signal goes; none where nobody wants it.
    pub(super) fn of(settings: &OtlpSettings, signal: Signal) -> Result<Option<Self>, Wrong> {
        let environment = &settings.environment;
        let disabled = environment.get("OTEL_SDK_DISABLED") == Some("true");
        if disabled || !signal.is_wanted(settings) {
            return Ok(None);
        }
        let Some((url, from)) = address(settings, signal)? else {
            return Ok(None);
        };
        let name = |what: &str| format!("OTEL_EXPORTER_OTLP_{what}");
        let variable = |what: &str| environment.of_signal(signal.variable(), what);
        match variable("PROTOCOL") {
            None | Some("http/protobuf") => {}
            Some(other) => {
                let message = format!("`{other}` is not spoken here; http/protobuf is, to {from}");
                return Err((name("PROTOCOL"), message));
            }
        }
        let gzip = match variable("COMPRESSION") {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(other) => {
                return Err((name("COMPRESSION"), format!("gzip or none, not `{other}`")));
            }
        };
        let timeout = match variable("TIMEOUT") {
            None => TIMEOUT,
            Some(text) => {
                let millis = text.parse().ok().filter(|millis| *millis > 0);
                let wrong = || (name("TIMEOUT"), "milliseconds, more than 0".to_owned());
                Duration::from_millis(millis.ok_or_else(wrong)?)
            }
        };
        let headers = match variable("HEADERS") {
            None => HeaderMap::new(),
            // they hold keys: they are not repeated
            Some(text) => headers(text).ok_or_else(|| {
                let message = "name=value, separated by commas, each value percent-encoded";
                (name("HEADERS"), message.to_owned())
            })?,
        };
        // another part of the program may have chosen one already, which serves as well
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .user_agent(concat!("stepcast/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| (from, error.to_string()))?;
        Ok(Some(Self {
            client,
            url,
            headers,
            timeout,
            gzip,
        }))
    }

    /// The collector's host, for lines of the log: the address itself may hold a key.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends a message; what the collector answers.
    pub(super) async fn send(&self, message: Vec<u8>) -> Result<bytes::Bytes, Failure> {
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(self.timeout)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf");
        let body = match self.gzip.then(|| zipped(&message)).flatten() {
            Some(zipped) => {
                request = request.header(CONTENT_ENCODING, "gzip");
                zipped
            }
            None => message,
        };
        let sent = request.body(body).send().await;
        // its words may hold the address
        let response = sent.map_err(|error| {
            let why = if error.is_timeout() {
                "it did not answer in time"
            } else if error.is_connect() {
                "it could not be reached"
            } else {
                "it could not be sent"
            };
            Failure::Later(why.to_owned(), None)
        })?;
        let status = response.status();
        let told = format!("it answered {}", status.as_u16());
        // what the standard says to send again
        if [429, 502, 503, 504].contains(&status.as_u16()) {
            let after = response.headers().get(RETRY_AFTER);
            let seconds = after.and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(Failure::Later(told, seconds.map(Duration::from_secs)));
        }
        if !status.is_success() {
            return Err(Failure::Never(told));
        }
        let small = response
            .content_length()
            .is_some_and(|length| length <= LONGEST_ANSWER);
        if !small {
            return Ok(bytes::Bytes::new());
        }
        Ok(response.bytes().await.unwrap_or_default())
    }
}

/// The address of a signal, and the setting that it is from.
fn address(settings: &OtlpSettings, signal: Signal) -> Result<Option<(Url, String)>, Wrong> {
    let environment = &settings.environment;
    let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.variable());
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let (text, from, whole) = match (
        &settings.endpoint,
        environment.get(&own),
        environment.get(all),
    ) {
        (Some(text), ..) => (text.as_str(), "otlp.endpoint", false),
        (None, Some(text), _) => (text, own.as_str(), true),
        (None, None, Some(text)) => (text, all, false),
        (None, None, None) => return Ok(None),
    };
    let wrong = || {
        (
            from.to_owned(),
            "must be an address of http or https".to_owned(),
        )
    };
    let mut url = Url::parse(text).map_err(|_unparsed| wrong())?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong());
    }
    if !whole {
        let path = format!("{}/{}", url.path().trim_end_matches('/'), signal.path());
        url.set_path(&path);
    }
    Ok(Some((url, from.to_owned())))
}

/// Headers as the variable has them: like W3C Baggage, without properties.
fn headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim())
            .decode_utf8()
            .ok()?;
        let mut value = HeaderValue::try_from(value.as_ref()).ok()?;
        value.set_sensitive(true);
        headers.append(HeaderName::try_from(name.trim()).ok()?, value);
    }
    Some(headers)
}

fn zipped(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

/// What OpenTelemetry has, where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read: it tells how much was refused, and why.
const LONGEST_ANSWER: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::settings::Environment;
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> OtlpSettings {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        OtlpSettings {
            environment: Environment::of(owned),
            ..OtlpSettings::default()
        }
    }

    fn url(settings: &OtlpSettings, signal: Signal) -> Option<String> {
        let found = Destination::of(settings, signal).unwrap()?;
        Some(found.url.to_string())
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where_to() {
        assert_eq!(url(&settings(&[]), Signal::Traces), None);
        assert_eq!(
            url(
                &settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]),
                Signal::Traces
            ),
            None
        );
    }

    #[test]
    fn the_variables_mean_what_opentelemetry_says_they_do() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/base/");
        let own = (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://127.0.0.1:1/own",
        );
        let both = settings(&[all, own]);
        assert_eq!(
            url(&both, Signal::Traces).unwrap(),
            "http://127.0.0.1:1/own"
        );
        assert_eq!(
            url(&both, Signal::Metrics).unwrap(),
            "http://127.0.0.1:4318/base/v1/metrics"
        );
        let set = OtlpSettings {
            endpoint: Some("http://127.0.0.1:2".to_owned()),
            ..both
        };
        assert_eq!(
            url(&set, Signal::Traces).unwrap(),
            "http://127.0.0.1:2/v1/traces"
        );
        for (name, value, left) in [
            ("OTEL_SDK_DISABLED", "true", [false, false]),
            ("OTEL_TRACES_EXPORTER", "none", [false, true]),
            ("OTEL_METRICS_EXPORTER", "console", [true, false]),
            ("OTEL_METRICS_EXPORTER", "console,otlp", [true, true]),
        ] {
            let settings = settings(&[all, (name, value)]);
            let on =
                [Signal::Traces, Signal::Metrics].map(|signal| url(&settings, signal).is_some());
            assert_eq!(on, left, "{name}={value}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_key_is_shown() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "sesame"),
        ] {
            let settings = settings(&[all, (name, value)]);
            let (key, message) = Destination::of(&settings, Signal::Traces).unwrap_err();
            assert_eq!(key, name);
            assert!(
                !message.contains("sesame") && !format!("{settings:?}").contains(value),
                "{message}"
            );
        }
        let keyed = headers("authorization=Basic%20c2Vz+YW1l==,x-scope = a").unwrap();
        assert_eq!(keyed["authorization"], "Basic c2Vz+YW1l==");
        assert_eq!(keyed["x-scope"], "a");
        assert!(!format!("{keyed:?}").contains("c2Vz"));
    }
}
