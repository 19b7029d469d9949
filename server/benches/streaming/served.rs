//! A whole server on loopback, in this process.

use std::path::Path;

use serde_json::Value;
use stepcast::config::{Config, StoreKind};
use stepcast::context::{Draft, StreamingContext};
use stepcast::executions::Executions;
use stepcast::log::{Budget, NewExecution};
use stepcast::step::StepRegistry;
use stepcast_core::event::EventType;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) struct Served {
    pub(crate) address: String,
    executions: Executions,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start(store: StoreKind, data_dir: &Path) -> Self {
        let config = Config {
            store,
            data_dir: data_dir.to_owned(),
            ..Config::default()
        };
        let executions = stepcast::open(config, StepRegistry::builtin())
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = executions.clone();
        let serving = tokio::spawn(async {
            let shutdown = async { stopped.await.unwrap() };
            stepcast::serve(listener, served, shutdown).await.unwrap();
        });
        Self {
            address,
            executions,
            stop,
            serving,
        }
    }

    /// A run that this process emits through.
    pub(crate) fn run(&self, id: &str) -> StreamingContext {
        let new = NewExecution::named(id.parse().unwrap(), "bench", 0);
        let log = self.executions.log();
        StreamingContext::new(log.create(&new, Budget::default()).unwrap())
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

pub(crate) async fn say(context: &StreamingContext, event_type: EventType, data: Value) {
    let step_id = (event_type == EventType::StepProgress).then(|| "s".into());
    let draft = Draft {
        event_type,
        step_id,
        data,
        metadata: None,
    };
    context.emit(draft).await.unwrap();
}
