//! Every number and path that an operator may set, in one place, each with its reason.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::access::AccessSettings;
use crate::artifact::ArtifactSettings;
use crate::edge::{CompressionSettings, EdgeSettings};
use crate::graphql::GraphqlSettings;
use crate::limits::LimitSettings;
use crate::llm::{LlmSettings, Providers};
use crate::log::{Durability, MEMORY_BUDGET, Retention, SqliteOptions};
use crate::metrics::MetricsSettings;
use crate::otlp::{Exporter, OtlpSettings};
use crate::redaction::{Redaction, RedactionSettings};
use crate::slo::{self, AlertSettings, SloSettings, Webhook};
use crate::socket::tls::TlsSettings;
use crate::step::{PythonSettings, StepSettings};

/// Where the log lives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// SQLite in the data directory.
    #[default]
    Sqlite,
    /// Memory: bounded, and gone with the process.
    Memory,
}

/// The server's settings. `docs/configuration.md` holds them as a table.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. On loopback only, where there are no accounts.
    pub listen: SocketAddr,
    /// The names that a request's `Host` and `Origin` may carry, without port. Any page that a browser has open can
    /// send requests to loopback under a name of its own; it is told apart by that name.
    pub allowed_hosts: Vec<String>,
    /// Where the database lives; created when missing.
    pub data_dir: PathBuf,
    /// Where the log lives.
    pub store: StoreKind,
    /// What a committed event survives.
    pub durability: Durability,
    /// A folder of pipelines: `NAME.json`, or `NAME/pipeline.json`.
    pub pipelines: PathBuf,
    /// The server says something at least this often, in milliseconds. 15 s stays below the idle limits of
    /// common proxies (nginx and ALB 60 s, Cloudflare 100 s).
    pub heartbeat_ms: u64,
    /// The middle of the delay that clients are asked to keep before they come back, in milliseconds; each
    /// connection is given its own, from half to one and a half of it.
    pub retry_ms: u64,
    /// A write to a peer that makes no progress for this long ends the connection, in milliseconds.
    pub write_deadline_ms: u64,
    /// Events held in memory for one execution, where its pipeline says nothing (`streaming.buffer_size`).
    pub buffer_size: usize,
    /// Bytes held in memory for one execution.
    pub buffer_bytes: usize,
    /// Bytes of events held in memory, all executions together. Past it each execution keeps its share, and readers
    /// of older events read the store.
    pub memory_budget_bytes: usize,
    /// Executions go so long after their end, in seconds; 0 for no limit.
    pub retention_age_seconds: u64,
    /// So many executions that have ended stay, the newest ends first; 0 for no limit.
    pub retention_executions: u64,
    /// The oldest executions that have ended go while the database uses more bytes; 0 for no limit.
    pub retention_bytes: u64,
    /// So many events of one execution stay, under way or not; 0 for no limit.
    pub retention_execution_events: u64,
    /// So many bytes of one execution's events stay, under way or not; 0 for no limit.
    pub retention_execution_bytes: u64,
    /// How often these limits are looked at, in milliseconds.
    pub retention_interval_ms: u64,
    /// The database grows no larger: what is emitted past it is refused until there is room; 0 for no limit.
    pub max_log_bytes: u64,
    /// Whether all of the database is looked at before it is served.
    pub check_at_start: bool,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Runs under way at once; more are refused with 429.
    pub max_running: usize,
    /// Executions created and not started yet, at once; more are refused with 429.
    pub max_created: usize,
    /// One that was created and is not started within this time ends as `timeout`, in seconds; 0 for no limit.
    pub start_within_seconds: u64,
    /// Executions of producers elsewhere that have not ended, at once; more are refused with 429.
    pub max_external: usize,
    /// How long a producer elsewhere may be silent where it names no time of its own, in milliseconds.
    pub lease_ms: u64,
    /// The largest event that a producer elsewhere may send, in bytes of JSON.
    pub max_event_bytes: usize,
    /// Events a second that producers elsewhere may add to one execution, and the most in one request of JSON; 0 for
    /// no limit.
    pub max_events_per_second: u32,
    /// Step executions in one run, loops counted each time.
    pub max_steps: usize,
    /// The longest run, in seconds; 0 for no limit.
    pub run_timeout_seconds: u64,
    /// How long a stopping server waits for connections to close, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// Which language models `llm` steps can ask.
    pub llm: LlmSettings,
    /// How steps that are Python classes are run.
    pub python: PythonSettings,
    /// How much room the files of runs may take.
    pub artifacts: ArtifactSettings,
    /// When metrics are well, and how often they are looked after.
    pub metrics: MetricsSettings,
    /// What is to hold of the server.
    pub slo: Vec<SloSettings>,
    /// Who is told when it does not.
    pub alerts: AlertSettings,
    /// Who may come in.
    pub access: AccessSettings,
    /// What pipelines may do that users have posted.
    pub steps: StepSettings,
    /// What comes in, and how.
    pub edge: EdgeSettings,
    /// How much anybody may ask for, and how long they may take over it.
    pub limits: LimitSettings,
    /// What leaves compressed.
    pub compression: CompressionSettings,
    /// What may be asked in GraphQL; in the file only.
    pub graphql: GraphqlSettings,
    /// What is taken out of events before they are kept.
    pub redaction: RedactionSettings,
    /// Whether the server speaks TLS, and as whom.
    pub tls: TlsSettings,
    /// Where traces and metrics are sent.
    pub otlp: OtlpSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8400)),
            allowed_hosts: ["localhost", "127.0.0.1", "[::1]"]
                .map(str::to_owned)
                .to_vec(),
            data_dir: ".stepcast".into(),
            store: StoreKind::default(),
            durability: Durability::default(),
            pipelines: "pipelines".into(),
            heartbeat_ms: 15_000,
            retry_ms: 1_000,
            write_deadline_ms: 30_000,
            buffer_size: 1_000,
            buffer_bytes: 4 << 20,
            memory_budget_bytes: MEMORY_BUDGET,
            retention_age_seconds: 0,
            retention_executions: 0,
            retention_bytes: 0,
            retention_execution_events: 0,
            retention_execution_bytes: 0,
            retention_interval_ms: 10_000,
            max_log_bytes: 0,
            check_at_start: true,
            max_body_bytes: 10 << 20,
            max_running: 256,
            max_created: 1_000,
            start_within_seconds: 3_600,
            max_external: 10_000,
            lease_ms: 60_000,
            max_event_bytes: 1 << 20,
            max_events_per_second: 20_000,
            max_steps: 10_000,
            run_timeout_seconds: 0,
            shutdown_grace_ms: 5_000,
            llm: LlmSettings::default(),
            artifacts: ArtifactSettings::default(),
            metrics: MetricsSettings::default(),
            slo: Vec::new(),
            alerts: AlertSettings::default(),
            access: AccessSettings::default(),
            python: PythonSettings::default(),
            edge: EdgeSettings::default(),
            limits: LimitSettings::default(),
            compression: CompressionSettings::default(),
            graphql: GraphqlSettings::default(),
            redaction: RedactionSettings::default(),
            steps: StepSettings::default(),
            tls: TlsSettings::default(),
            otlp: OtlpSettings::default(),
        }
    }
}

/// The variables that are text.
pub(crate) fn texts(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (String, String)> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file or variable does not fit.
    #[error("the configuration cannot be read: {0}")]
    Read(#[from] config::ConfigError),
    /// A value is out of its range.
    #[error("{key}: {message}")]
    Value {
        /// Which setting.
        key: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl Config {
    /// The defaults, overlaid by a TOML file and then by variables `STEPCAST_…`, for example
    /// `STEPCAST_DATA_DIR`.
    ///
    /// Without `file`, `stepcast.toml` in the working directory is read where it exists.
    ///
    /// # Errors
    /// Where a file named is missing, a key is unknown, or a value is out of its range.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let defaults = config::Config::try_from(&Self::default())?;
        let known: Vec<String> = defaults
            .clone()
            .try_deserialize::<serde_json::Map<String, serde_json::Value>>()?
            .into_iter()
            // a table stands in the file only: `STEPCAST_PYTHON` may be somebody's path of an interpreter
            .filter(|(key, value)| !value.is_object() && key != "slo")
            .map(|(key, _)| key)
            .collect();
        // Only names of settings are taken: other programs' variables may share the prefix.
        let ours = variables.filter(|(name, _)| {
            name.to_ascii_lowercase()
                .strip_prefix("stepcast_")
                .is_some_and(|key| known.iter().any(|known| known == key))
        });
        let source = match file {
            Some(path) => config::File::from(path).format(config::FileFormat::Toml),
            None => config::File::from(Path::new("stepcast.toml"))
                .format(config::FileFormat::Toml)
                .required(false),
        };
        let environment = config::Environment::with_prefix("STEPCAST")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("allowed_hosts")
            .source(Some(ours.collect()));
        let merged = config::Config::builder()
            .add_source(defaults)
            .add_source(source)
            .add_source(environment)
            .build()?;
        let config: Self = merged.try_deserialize()?;
        config.check()?;
        Ok(config)
    }

    /// What the log keeps.
    pub fn retention(&self) -> Retention {
        let limit = |value: u64| (value > 0).then_some(value);
        Retention {
            age: limit(self.retention_age_seconds).map(Duration::from_secs),
            executions: limit(self.retention_executions),
            bytes: limit(self.retention_bytes),
            execution_events: limit(self.retention_execution_events),
            execution_bytes: limit(self.retention_execution_bytes),
            interval: Duration::from_millis(self.retention_interval_ms),
        }
    }

    /// How its database is opened.
    pub fn sqlite(&self) -> SqliteOptions {
        SqliteOptions {
            durability: self.durability,
            max_bytes: (self.max_log_bytes > 0).then_some(self.max_log_bytes),
            check: self.check_at_start,
        }
    }

    /// The language models that `llm` steps can ask: these settings, and what the environment has keys for.
    ///
    /// # Errors
    /// Where a provider cannot be used as it is configured.
    pub fn providers(
        &self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Providers, ConfigError> {
        Providers::load(&self.llm, texts(variables))
            .map_err(|(key, message)| ConfigError::Value { key, message })
    }

    /// What is taken out of events, the secrets that the environment holds among it: those that the settings name, and
    /// the keys of language models and of the issuer of tokens.
    ///
    /// # Errors
    /// Where a rule is none.
    pub fn redaction(
        &self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Redaction, ConfigError> {
        let models = self.llm.providers.values();
        let models = models.filter_map(|provider| provider.api_key_env.as_deref());
        let issuer = self.access.jwt.iter();
        let issuer = issuer.filter_map(|jwt| jwt.key_env.as_deref());
        self.redaction
            .compile(models.chain(issuer), texts(variables))
            .map_err(|(key, message)| ConfigError::Value { key, message })
    }

    /// Whether traces and metrics can be sent as these settings, and those of the environment, say.
    ///
    /// # Errors
    /// Where they cannot.
    pub(crate) fn check_otlp(&self) -> Result<(), ConfigError> {
        Exporter::of(&self.otlp)
            .map(drop)
            .map_err(|(key, message)| ConfigError::Value { key, message })
    }

    /// Where alerts are posted; none where the settings name nothing.
    ///
    /// # Errors
    /// Where that cannot be used.
    pub(crate) fn webhook(
        &self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Option<Webhook>, ConfigError> {
        let mut variables = variables;
        let variable = |name: &str| {
            let found = variables.find(|(it, _)| it.to_str() == Some(name))?;
            found.1.into_string().ok()
        };
        Webhook::new(&self.alerts, variable)
            .map_err(|(key, message)| ConfigError::Value { key, message })
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let value = |key: &str, message: &str| {
            Err(ConfigError::Value {
                key: key.to_owned(),
                message: message.to_owned(),
            })
        };
        if let Err((key, message)) = self.access.check() {
            return value(key, message);
        }
        if !self.listen.ip().is_loopback() && !self.access.is_closed() {
            return value("listen", OPEN);
        }
        if let Err((key, message)) = self.redaction.check() {
            return value(&key, &message);
        }
        if let Err((key, message)) = slo::check(&self.slo).and_then(|()| self.alerts.check()) {
            return value(&key, &message);
        }
        if let Err((key, message)) = self.graphql.check() {
            return value(&key, &message);
        }
        if let Err((key, message)) = self.edge.check() {
            return value(&key, &message);
        }
        if let Err((key, message)) = self.tls.check() {
            return value(key, message);
        }
        if let Err((key, message)) = self.limits.check() {
            return value(key, message);
        }
        if !(100..=300_000).contains(&self.heartbeat_ms) {
            return value("heartbeat_ms", "must be from 100 to 300000");
        }
        if self.retry_ms > 600_000 {
            return value("retry_ms", "must be at most 600000");
        }
        if self.write_deadline_ms < 100 {
            return value("write_deadline_ms", "must be at least 100");
        }
        if self.buffer_size == 0 || self.buffer_bytes == 0 {
            return value("buffer_size", "must be at least 1, and buffer_bytes too");
        }
        if self.memory_budget_bytes < 1 << 20 {
            return value("memory_budget_bytes", "must be at least 1048576");
        }
        if !(100..=86_400_000).contains(&self.retention_interval_ms) {
            return value("retention_interval_ms", "must be from 100 to 86400000");
        }
        if (1..1 << 20).contains(&self.max_log_bytes) {
            return value(
                "max_log_bytes",
                "must be 0, for no limit, or at least 1048576",
            );
        }
        if self.python.max_workers == 0 || self.python.max_uses == 0 {
            return value("python.max_workers", "must be at least 1, and max_uses too");
        }
        if self.metrics.interval_ms < 100 {
            return value("metrics.interval_ms", "must be at least 100");
        }
        if self.max_steps == 0 || self.max_running == 0 {
            return value("max_steps", "must be at least 1, and max_running too");
        }
        if !LEASE_MS.contains(&self.lease_ms) {
            return value("lease_ms", "must be from 100 to 86400000");
        }
        if self.max_event_bytes < 1_000 {
            return value("max_event_bytes", "must be at least 1000");
        }
        Ok(())
    }
}

/// Why a server without accounts stays on its machine, and how it gets some.
const OPEN: &str = "without accounts this server listens on loopback only (127.0.0.1 or [::1]), since everybody who reaches it may do everything. To listen elsewhere, make a token with `stepcast token create me --scopes admin` and let the server ask for one: `stepcast serve --accounts`, or in stepcast.toml `[access]` and below it `tokens = true`; or name who issues tokens in `[access.jwt]`. docs/security.md has it step by step";

/// What a lease may be: longer than a network's hiccup, shorter than what people forget.
pub(crate) const LEASE_MS: std::ops::RangeInclusive<u64> = 100..=86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stepcast.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        Config::load(
            Some(&path),
            variables
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned())),
        )
    }

    #[test]
    fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
        let config = load(
            Some("heartbeat_ms = 1000\nretry_ms = 5\nstore = \"memory\""),
            &[
                ("STEPCAST_RETRY_MS", "7"),
                ("STEPCAST_CHROME", "x"),
                ("STEPCAST_PYTHON", "x"),
            ],
        )
        .unwrap();
        assert_eq!(
            (config.heartbeat_ms, config.retry_ms, config.store),
            (1000, 7, StoreKind::Memory)
        );
        assert_eq!(config.max_body_bytes, Config::default().max_body_bytes);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_name() {
        for (file, named) in [
            ("heartbeat = 1", "heartbeat"),
            ("heartbeat_ms = 1", "heartbeat_ms"),
            ("listen = \"0.0.0.0:80\"", "stepcast token create"),
            ("access.tokens = \"maybe\"", "access.tokens"),
            ("access.token = true", "token"),
            ("retry_ms = \"soon\"", "retry_ms"),
            ("edge.allowed_origins = [\"*\"]", "edge.allowed_origins[0]"),
            ("limits.json_depth = 1000", "limits.json_depth"),
            ("limits.head_bytes = 10", "limits.head_bytes"),
            ("limits.body_deadline_ms = 0", "limits.body_deadline_ms"),
            ("limits.bodies = 1", "bodies"),
        ] {
            let message = load(Some(file), &[]).unwrap_err().to_string();
            assert!(message.contains(named), "{file}: {message}");
        }
        assert!(Config::load(Some(Path::new("no-such-file.toml")), std::iter::empty()).is_err());
    }
}
