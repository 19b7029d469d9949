//! The Stepcast server: runs pipelines and streams every event of them from one durable log.
//!
//! ```text
//! step ─emit─▶ context ─append─▶ log ─tail, read─▶ subscriber | transport ─▶ network
//! ```
//!
//! A program that embeds it calls [`run`]; a pipeline of its own emits through a
//! [`context::StreamingContext`].

pub mod access;
mod agui;
mod aisdk;
mod api;
pub mod artifact;
mod assets;
pub mod catalog;
mod cbor;
pub mod cli;
pub mod clock;
mod cloudevent;
pub mod config;
pub mod context;
mod durable;
pub mod edge;
pub mod error;
pub mod executions;
pub mod follow;
pub mod graphql;
mod guard;
pub mod limits;
pub mod llm;
pub mod log;
pub mod logging;
pub mod metrics;
pub mod otlp;
mod pages;
pub mod pipeline;
pub mod redaction;
mod router;
pub mod slo;
mod socket;
pub mod spec;
pub mod step;
pub mod subscriber;
mod telemetry;
pub mod trace;
mod transport;
#[doc(hidden)]
pub mod untrusted;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;

use self::access::{Access, RegisterError};
use self::config::texts;
use self::config::{Config, ConfigError, StoreKind};
use self::executions::Executions;
use self::log::{Log, MemoryStore, SqliteStore, Store, StoreError};
use self::otlp::Environment;
pub use self::router::{Ask, Route, routes};
use self::socket::tls::Certificate;
pub use self::socket::tls::TlsSettings;
use self::socket::{Connections, Door};
use self::step::StepRegistry;

/// Why a server ended otherwise than it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The log cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket cannot be used.
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The register of credentials cannot be used.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// Everybody on the network could do everything.
    #[error(
        "{0} is not loopback, and there are no accounts: whoever reaches it could do everything. docs/security.md says how to have some"
    )]
    Open(std::net::SocketAddr),
    /// The settings ask for accounts, and the executions know of none.
    #[error(
        "the settings ask for accounts: make the executions with `stepcast::open`, or with an `Access` of these settings"
    )]
    Unguarded,
}

/// Opens the log, ends what a former process left unended, and gives the service that [`serve`] answers with.
///
/// # Errors
/// Where the log cannot be opened: the directory is not writable, the database damaged or of a later version.
pub async fn open(config: Config, registry: StepRegistry) -> Result<Executions, RunError> {
    let access = Access::open(&config)?;
    // said now rather than when somebody listens already
    Certificate::load(&config.tls)?;
    let mut config = config;
    config.otlp.environment = Environment::of(texts(std::env::vars_os()));
    config.check_otlp()?;
    let webhook = config.webhook(std::env::vars_os())?;
    let store: Arc<dyn Store> = match config.store {
        StoreKind::Memory => Arc::new(MemoryStore::new()),
        StoreKind::Sqlite => Arc::new(SqliteStore::open_with(&config.data_dir, config.sqlite())?),
    };
    let log = Log::with_memory_budget(store, config.memory_budget_bytes);
    log.set_retention(config.retention());
    log.set_redaction(config.redaction(std::env::vars_os())?);
    let registry = registry
        .with_python(&config.python)
        .with_evaluator(&config.steps);
    let registry = match registry.providers() {
        Some(_) => registry,
        None => registry.with_providers(config.providers(std::env::vars_os())?),
    };
    let executions = Executions::recover_with(log, registry, config, access).await?;
    executions.watch_objectives(webhook);
    Ok(executions)
}

/// Serves until `shutdown` is ready. Clients are then told to come back, runs are abandoned (they end as
/// `interrupted` at the next start), and what was emitted is committed.
///
/// # Errors
/// Where the listener fails, or is not on loopback and there are no accounts; where the certificate does not serve.
pub async fn serve(
    listener: TcpListener,
    executions: Executions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let config = executions.config();
    // an embedder's executions may know nothing of the accounts that its settings ask for
    if config.access.is_closed() && !executions.access().is_closed() {
        return Err(RunError::Unguarded);
    }
    // the listener may be another than the settings say
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && !executions.access().is_closed() {
        return Err(RunError::Open(address));
    }
    let grace = Duration::from_millis(config.shutdown_grace_ms);
    let certificate = Certificate::load(&config.tls)?;
    if let Some(certificate) = certificate.clone() {
        tokio::spawn(certificate.follow(executions.stopping().clone()));
    }
    let connections = Connections {
        way: router::way(executions.clone()),
        certificate,
        write_deadline: Duration::from_millis(config.write_deadline_ms),
        http: (&config.limits).into(),
        door: Door::new(config),
        stopping: executions.stopping().clone(),
        open: executions.sockets().clone(),
    };
    let accepting = tokio::spawn(connections.serve(listener));
    shutdown.await;
    executions.stopping().cancel();
    if let Err(error) = accepting.await {
        tracing::error!(%error, "accepting connections failed");
    }
    executions.sockets().close();
    if tokio::time::timeout(grace, executions.sockets().wait())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not close in time");
    }
    executions.stop().await;
    Ok(())
}

/// [`open`] and [`serve`] in one, with the built-in step kinds.
///
/// # Errors
/// As both.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let executions = open(config, StepRegistry::builtin()).await?;
    serve(listener, executions, shutdown).await
}
