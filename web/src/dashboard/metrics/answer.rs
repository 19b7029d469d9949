//! What the server says: the numbers of a span, and how much of each objective's budget is left.

use gloo_net::http::Request;
use serde::Deserialize;
use serde_json::Value;
use stepcast_core::metrics::{Metric, Numbers, Quantiles, Target};
use stepcast_core::time::Timestamp;

use super::question::Question;
use crate::api::{ApiError, read};
use crate::monitor::metrics::reading::Reading;

/// `GET /api/metrics`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(super) struct Report {
    #[serde(default)]
    pub(super) executions: u64,
    #[serde(default)]
    pub(super) incomplete: u64,
    #[serde(default)]
    counts: Numbers,
    #[serde(default)]
    metrics: Vec<Told>,
    /// An hour or a day each, the oldest first; one in which nothing was made known is not told.
    #[serde(default)]
    pub(super) groups: Vec<Group>,
    #[serde(default)]
    pub(super) groups_left_out: bool,
    #[serde(default)]
    pub(super) top: Top,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Told {
    metric: String,
    #[serde(default)]
    value: Option<f64>,
    #[serde(default)]
    target: Option<Target>,
}

/// An hour or a day.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Group {
    #[serde(default)]
    pub(super) from: Option<Timestamp>,
    #[serde(default)]
    pipeline: Option<String>,
    #[serde(default)]
    pub(super) counts: Numbers,
    #[serde(default)]
    metrics: Vec<Told>,
}

/// The steps that stand out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Top {
    pub(super) left_out: bool,
    pub(super) slowest: Vec<Step>,
    pub(super) most_retried: Vec<Step>,
    pub(super) most_expensive: Vec<Step>,
}

/// One of them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Step {
    pub(super) pipeline: String,
    pub(super) step_id: String,
    pub(super) steps_completed: u64,
    pub(super) steps_failed: u64,
    pub(super) retries: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) step_ms: Option<Quantiles>,
}

/// An objective, and how its budget stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Slo {
    pub(super) name: String,
    pub(super) objective: Value,
    pub(super) target: f64,
    pub(super) window_seconds: u64,
    pub(super) good: u64,
    pub(super) total: u64,
    pub(super) attained: Option<f64>,
    pub(super) budget_remaining: Option<f64>,
    pub(super) burn: Vec<Burn>,
    pub(super) alert: String,
}

/// How fast a budget is used up: at a rate of 1 it lasts its whole window.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Burn {
    pub(super) window_seconds: u64,
    pub(super) rate: Option<f64>,
}

impl Report {
    /// A metric over all of the span.
    pub(super) fn reading(&self, metric: Metric) -> Reading {
        let told = find(&self.metrics, metric);
        Reading {
            metric,
            value: told.and_then(|told| told.value),
            target: told.and_then(|told| told.target),
            numbers: self.counts,
        }
    }
}

impl Group {
    pub(super) fn value(&self, metric: Metric) -> Option<f64> {
        find(&self.metrics, metric)?.value
    }
}

impl Step {
    /// How often it ended.
    pub(super) const fn ended(&self) -> u64 {
        self.steps_completed.saturating_add(self.steps_failed)
    }

    pub(super) const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

fn find(all: &[Told], metric: Metric) -> Option<&Told> {
    all.iter().find(|told| told.metric == metric.as_str())
}

/// The numbers that a question asks for.
pub(super) async fn report(question: &Question, now: u64) -> Result<Report, ApiError> {
    read(Request::get(&question.url(now)).send().await).await
}

/// The names of the pipelines that ran in the span of a question.
pub(super) async fn pipelines(question: &Question, now: u64) -> Result<Vec<String>, ApiError> {
    let report: Report = read(Request::get(&question.pipelines_url(now)).send().await).await?;
    let names = report.groups.into_iter();
    Ok(names.filter_map(|group| group.pipeline).collect())
}

/// The objectives; none where the server has none, or is one that knows of none.
pub(super) async fn slos() -> Result<Vec<Slo>, ApiError> {
    #[derive(Default, Deserialize)]
    struct Answer {
        #[serde(default)]
        slos: Vec<Slo>,
    }
    let answer: Result<Answer, _> = read(Request::get("/api/slos").send().await).await;
    match answer {
        Ok(answer) => Ok(answer.slos),
        Err(ApiError::Refused(problem)) if problem.status == 404 => Ok(Vec::new()),
        // a server without the route answers with its page
        Err(ApiError::Unreadable(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
