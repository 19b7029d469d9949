//! The product: its own library serves, and a pipeline in the same process emits through a context.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::Path;
use std::time::{Duration, Instant};

use ::stepcast::TlsSettings;
use ::stepcast::config::Config;
use ::stepcast::context::{Draft, StreamingContext};
use ::stepcast::executions::Executions;
use ::stepcast::log::{Budget, NewExecution};
use ::stepcast::step::StepRegistry;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use stepcast_core::coalesce::Coalescer;
use stepcast_core::event::EventType;
use stepcast_core::time::Time;
use tokio::net::TcpListener;

use crate::control::{self, Producer};
use crate::event::{Maker, unix_micros};
use crate::histogram::Histogram;
use crate::job::{History, Role, Service, Shape, Wire};

pub(crate) async fn serve(service: &Service) {
    let mut config = Config {
        data_dir: service.directory.join("log"),
        ..Config::default()
    };
    config.metrics.delivery = service.role == Role::Stepcast;
    if service.shape.history == History::Memory {
        config.memory_budget_bytes = 2 << 30;
    }
    // who asks for plain bytes gets them all the same
    config.compression.streams = service.shape.words;
    if service.shape.wire != Wire::Clear {
        config.tls = certificate(&service.directory);
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

/// A certificate made for the moment.
fn certificate(directory: &Path) -> TlsSettings {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = ["cert.pem", "key.pem"].map(|name| directory.join(name));
    std::fs::write(&files[0], certificate.pem()).unwrap();
    std::fs::write(&files[1], key.serialize_pem()).unwrap();
    let [cert, key] = files.map(Some);
    TlsSettings {
        cert,
        key,
        ..TlsSettings::default()
    }
}

/// Pipelines that emit when they are asked to.
struct Runs {
    runs: Vec<Run>,
    maker: Maker,
    /// Where tokens are merged: the streams that hold some, and until when.
    holding: Option<BinaryHeap<Reverse<(Time, usize)>>>,
    begun: Instant,
    /// Nanoseconds that each call of `emit` took.
    times: Histogram,
    sum: f64,
    calls: u64,
}

struct Run {
    context: StreamingContext,
    /// Events, or tokens, that were asked for.
    emitted: u64,
    /// Events that have been emitted.
    events: u64,
    tokens: Coalescer<()>,
    /// When the oldest token that is held came.
    since: u64,
    /// Bytes of tokens that have been emitted.
    said: usize,
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
                events: 0,
                tokens: Coalescer::new(MERGED_FOR, usize::MAX),
                since: 0,
                said: 0,
            }
        };
        Self {
            runs: (0..shape.streams).map(create).collect(),
            maker: Maker::new(shape),
            holding: shape.merged.then(BinaryHeap::new),
            begun: Instant::now(),
            times: Histogram::default(),
            sum: 0.0,
            calls: 0,
        }
    }

    async fn emit_draft(&mut self, stream: usize, data: Value) {
        let run = &mut self.runs[stream];
        run.events += 1;
        let draft = Draft {
            event_type: EventType::StepProgress,
            step_id: Some("answer".into()),
            data,
            metadata: None,
        };
        let start = Instant::now();
        run.context.emit(draft).await.unwrap();
        let took = start.elapsed();
        self.times.record(u64::try_from(took.as_nanos()).unwrap());
        self.sum += took.as_secs_f64() * 1e6;
        self.calls += 1;
    }

    /// As a step does it: the token leaves at once, or with those that follow it shortly.
    async fn append(&mut self, stream: usize) {
        let now = Time::ZERO + self.begun.elapsed();
        self.say_due(now).await;
        let run = &mut self.runs[stream];
        let held = run.tokens.due().is_some();
        if run.tokens.ready().is_none() && !held {
            run.since = unix_micros();
        }
        run.tokens.push(&(), TOKEN, now);
        if let (false, Some(due), Some(holding)) = (held, run.tokens.due(), &mut self.holding) {
            holding.push(Reverse((due, stream)));
        }
        self.say_ready(stream).await;
    }

    /// What has waited long enough.
    async fn say_due(&mut self, now: Time) {
        while let Some(holding) = &mut self.holding {
            let Some(first) = holding.peek_mut().filter(|first| first.0.0 <= now) else {
                return;
            };
            let Reverse((_, stream)) = PeekMut::pop(first);
            self.runs[stream].tokens.tick(now);
            self.say_ready(stream).await;
        }
    }

    async fn say_ready(&mut self, stream: usize) {
        while let Some(text) = self.runs[stream]
            .tokens
            .ready()
            .map(|ready| ready.text.clone())
        {
            let run = &mut self.runs[stream];
            let before = run.said / TOKEN.len();
            run.said += text.len();
            let now = run.said / TOKEN.len();
            let (n, tokens) = (now as u64, (now - before) as u64);
            let data = self.maker.merged(n, run.since, tokens, &text);
            self.emit_draft(stream, data).await;
            self.runs[stream].tokens.written();
        }
    }
}

impl Producer for Runs {
    async fn emit(&mut self, stream: usize, count: u64) {
        for _ in 0..count {
            let run = &mut self.runs[stream];
            run.emitted += 1;
            if self.holding.is_some() {
                self.append(stream).await;
            } else {
                let data = self.maker.data(run.emitted);
                self.emit_draft(stream, data).await;
            }
        }
    }

    async fn due(&self) {
        let Some(&Reverse((due, _))) = self.holding.as_ref().and_then(BinaryHeap::peek) else {
            return std::future::pending().await;
        };
        let now = Time::ZERO + self.begun.elapsed();
        tokio::time::sleep(due.since(now)).await;
    }

    async fn tick(&mut self) {
        self.say_due(Time::ZERO + self.begun.elapsed()).await;
    }

    async fn report(&mut self) -> String {
        for stream in 0..self.runs.len() {
            self.runs[stream].tokens.flush();
            self.say_ready(stream).await;
            let run = &self.runs[stream];
            let stream = run.context.stream().unwrap();
            stream.settled(run.events).await.unwrap();
        }
        let micros = |share| self.times.percentile(share) as f64 / 1e3;
        let mean = self.sum / self.calls.max(1) as f64;
        let figures = [micros(0.5), micros(0.99), mean];
        serde_json::to_string(&figures).unwrap()
    }
}

/// What one token says.
const TOKEN: &str = "token ";

/// The default of a pipeline.
const MERGED_FOR: Duration = Duration::from_millis(100);
