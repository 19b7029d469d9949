//! A program with Stepcast inside: steps of its own, a run of its own, a subscriber of its own, and the server
//! for everybody else. `docs/guide.md` quotes it, so that what is quoted compiles.
//!
//! ```sh
//! cargo run -p stepcast-server --example embed
//! ```

#![expect(clippy::print_stdout, reason = "an example speaks on its terminal")]

use std::error::Error;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;
use stepcast::config::{Config, StoreKind};
use stepcast::context::StreamingContext;
use stepcast::executions::{Definition, Request};
use stepcast::log::Record;
use stepcast::pipeline::definition::Problems;
use stepcast::step::{
    Category, Question, Step, StepConfig, StepContext, StepError, StepFuture, StepRegistry,
};
use stepcast::subscriber::{MetricsSubscriber, Subscriber, SubscriberError};
use stepcast_core::control::EndReason;
use stepcast_core::id::Seq;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Says a text word by word.
struct Recite {
    separator: String,
}

impl Recite {
    /// Reads the configuration when a pipeline is loaded: what is wrong is a problem with its place.
    fn load(
        config: &StepConfig<'_>,
    ) -> Result<Box<dyn Step>, Vec<stepcast::pipeline::definition::Problem>> {
        let mut problems = Problems::default();
        let separator = match config.config.get("separator") {
            None => " ".to_owned(),
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
        };
        if separator.is_empty() {
            problems.error(&config.place.key("separator"), "a text that is not empty");
        }
        let step: Box<dyn Step> = Box::new(Self { separator });
        problems.into_result(step)
    }
}

impl Step for Recite {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let text = context.config().get("text");
            let Some(text) = text.and_then(|text| text.as_str()) else {
                let message = "`text` is a text";
                return Err(StepError::new(Category::Configuration, message));
            };
            let words: Vec<&str> = text.split_whitespace().collect();
            for (at, word) in words.iter().enumerate() {
                context.emit_token(word).await;
                context.emit_token(&self.separator).await;
                let done = (at + 1) as f64 / words.len() as f64;
                context.emit_progress(done, *word).await;
            }
            Ok(json!({ "words": words.len() }))
        })
    }

    fn fallback(&self, _context: StepContext, error: StepError) -> Option<StepFuture<'_>> {
        Some(Box::pin(async move {
            Ok(json!({ "words": 0, "instead_of": error.message }))
        }))
    }
}

/// The built-in kinds, and two classes.
fn registry() -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    registry.register("Recite", Recite::load);
    registry.register_fn("Count", |context: StepContext| async move {
        let words = context
            .subject()
            .get("words")
            .and_then(serde_json::Value::as_u64);
        Ok(json!({ "even": words.unwrap_or_default().is_multiple_of(2) }))
    });
    registry.register_fn("Publish", |context: StepContext| async move {
        let question = Question::choice("Publish it?", "decision", ["publish", "reject"])
            .with_context(context.subject())
            .with_timeout(Duration::from_secs(24 * 3600));
        let answer = context.ask(question).await?;
        let published = answer.values.get("decision") == Some(&json!("publish"));
        Ok(json!({ "published": published, "by": answer.by }))
    });
    registry
}

/// Prints each event's type, and tells when the execution has ended.
struct Printer {
    ended: Option<oneshot::Sender<EndReason>>,
}

impl Subscriber for Printer {
    fn name(&self) -> &'static str {
        "printer"
    }

    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>> {
        let step = event.step_id().unwrap_or("-");
        println!("{:>3} {} {step}", event.seq(), event.event_type());
        async { Ok(()) }.boxed()
    }

    fn on_closed(
        &mut self,
        _last_seq: Seq,
        reason: EndReason,
    ) -> BoxFuture<'_, Result<(), SubscriberError>> {
        if let Some(ended) = self.ended.take() {
            let _unless_nobody_waits = ended.send(reason);
        }
        async { Ok(()) }.boxed()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        store: StoreKind::Memory,
        ..Config::default()
    };
    let listener = TcpListener::bind(config.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let executions = stepcast::open(config, registry()).await?;

    let request = Request {
        pipeline: Definition::Inline(json!({
            "name": "Embedded",
            "steps": [
                {"id": "recite", "step_class": "Recite", "config": {"text": "{{ input.text }}"}},
                {"id": "count", "step_class": "Count"},
            ],
            "flow": {"start_at": "recite", "paths": [{"from": "recite", "to": "count"}]},
        })),
        input: [("text".to_owned(), json!("so long lives this"))]
            .into_iter()
            .collect(),
        execution_id: None,
        owner: None,
        trace: None,
    };
    // created first and started then: whoever subscribes between the two is there before the first event
    let refused = |problem: stepcast::error::Problem| problem.detail().to_owned();
    let id = executions.create(request).await.map_err(refused)?;
    let stream = executions
        .log()
        .open(&id)?
        .ok_or("the execution was created")?;
    let context = StreamingContext::new(stream);
    let metrics = MetricsSubscriber::default();
    let (ended, end) = oneshot::channel();
    context.subscribe(Box::new(Printer { ended: Some(ended) }));
    context.subscribe(Box::new(metrics.clone()));
    executions.start(&id).await.map_err(refused)?;

    // a real server would wait for Ctrl-C here
    let shutdown = async move {
        if let Ok(reason) = end.await {
            println!("ended: {reason:?}");
        }
    };
    stepcast::serve(listener, executions, shutdown).await?;
    println!("step validity rate: {:?}", metrics.step_validity_rate());
    Ok(())
}
