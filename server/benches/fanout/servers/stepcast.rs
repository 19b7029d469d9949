//! The product: its own library serves, and a pipeline in the same process emits through a context.

use std::time::Instant;

use ::stepcast::config::Config;
use ::stepcast::context::{Draft, StreamingContext};
use ::stepcast::executions::Executions;
use ::stepcast::log::{Budget, NewExecution};
use ::stepcast::step::StepRegistry;
use stepcast_core::event::EventType;
use tokio::net::TcpListener;

use crate::control::{self, Producer};
use crate::event::Maker;
use crate::histogram::Histogram;
use crate::job::{History, Service, Shape};

pub(crate) async fn serve(service: &Service) {
    let mut config = Config {
        data_dir: service.directory.join("log"),
        ..Config::default()
    };
    if service.shape.history == History::Memory {
        config.memory_budget_bytes = 2 << 30;
    }
    let executions = ::stepcast::open(config, StepRegistry::builtin())
        .await
        .unwrap();
    let producer = Runs::create(&executions, &service.shape);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (control, address) = control::listen().await;
    let stream = producer.runs[0].context.stream().unwrap();
    let prefix = format!("{}.", stream.epoch());
    super::ready(listener.local_addr().unwrap(), address, prefix);
    tokio::spawn(async { control::obey(control, producer).await });
    ::stepcast::serve(listener, executions, std::future::pending())
        .await
        .unwrap();
}

/// Pipelines that emit when they are asked to.
struct Runs {
    runs: Vec<Run>,
    maker: Maker,
    /// Nanoseconds that each call of `emit` took.
    times: Histogram,
    sum: f64,
    calls: u64,
}

struct Run {
    context: StreamingContext,
    emitted: u64,
}

impl Runs {
    fn create(executions: &Executions, shape: &Shape) -> Self {
        let budget = match shape.history {
            History::Newest | History::Kept => Budget {
                events: executions.config().buffer_size,
                bytes: executions.config().buffer_bytes,
                ..Budget::default()
            },
            History::Memory => Budget {
                events: usize::MAX,
                bytes: usize::MAX,
                ..Budget::default()
            },
        };
        let create = |stream: usize| {
            let id = format!("run-{stream}").parse().unwrap();
            let new = NewExecution::named(id, "fanout", 0);
            Run {
                context: StreamingContext::new(executions.log().create(&new, budget).unwrap()),
                emitted: 0,
            }
        };
        Self {
            runs: (0..shape.streams).map(create).collect(),
            maker: Maker::new(shape),
            times: Histogram::default(),
            sum: 0.0,
            calls: 0,
        }
    }
}

impl Producer for Runs {
    async fn emit(&mut self, stream: usize, count: u64) {
        let run = &mut self.runs[stream];
        for _ in 0..count {
            run.emitted += 1;
            let draft = Draft {
                event_type: EventType::StepProgress,
                step_id: Some("answer".into()),
                data: self.maker.data(run.emitted),
                metadata: None,
            };
            let start = Instant::now();
            run.context.emit(draft).await.unwrap();
            let took = start.elapsed();
            self.times.record(u64::try_from(took.as_nanos()).unwrap());
            self.sum += took.as_secs_f64() * 1e6;
            self.calls += 1;
        }
    }

    async fn report(&mut self) -> String {
        for run in &self.runs {
            let stream = run.context.stream().unwrap();
            stream.settled(run.emitted).await.unwrap();
        }
        let micros = |share| self.times.percentile(share) as f64 / 1e3;
        let mean = self.sum / self.calls.max(1) as f64;
        let figures = [micros(0.5), micros(0.99), mean];
        serde_json::to_string(&figures).unwrap()
    }
}
