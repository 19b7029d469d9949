//! What a pipeline says about failing, looping and streaming.

use std::time::Duration;

use serde_json::Value;

use super::breaker::CircuitBreaker;
use super::problem::{Place, Problems};
use super::reader::Fields;
use crate::redaction::Rules;
use crate::step::Category;

/// What happens when a step fails: retry, then fallback, then go on, then fail the run.
#[derive(Clone, Debug, Default)]
pub struct ErrorHandling {
    /// Whether the run goes on, with the error as the step's output.
    pub continue_on_error: bool,
    /// Whether the step's own fallback is asked after an error that is recoverable.
    pub enable_fallback: bool,
    /// What the step gives instead, after any error.
    pub fallback_output: Option<Value>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// Whether and how it is tried again.
    pub retry: Option<Retry>,
    /// Whether and when it is left alone for a while.
    pub circuit_breaker: Option<CircuitBreaker>,
}

/// How a failed step is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first one included.
    pub max_attempts: u32,
    /// Seconds before the second attempt.
    pub initial_delay: f64,
    /// Seconds before any attempt, jitter not counted.
    pub max_delay: f64,
    /// By what the delay grows from attempt to attempt.
    pub exponential_base: f64,
    /// Whether up to half of the delay is added by chance.
    pub jitter: bool,
    /// Which errors are worth another attempt.
    pub retry_on: Vec<Category>,
    /// Whether an attempt is made again that had given a part of its output already.
    pub retry_partial: bool,
}

/// What happens to a run that the server's own end has cut off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Recovery {
    /// It goes on where every step that was under way is idempotent, and is interrupted where one is not.
    #[default]
    Auto,
    /// It goes on.
    Resume,
    /// It is interrupted.
    Interrupt,
}

/// The limits of loops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoopConfig {
    /// How often one step may run in one run.
    pub max_iterations: u32,
    /// How long after its first start a step may start again.
    pub max_loop_time: Duration,
    /// The pause before a loop begins anew.
    pub iteration_delay: Duration,
}

/// The `streaming` block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Streaming {
    /// Whether a run is streamed where the caller does not say.
    pub enabled: bool,
    /// Whether fractions of progress are emitted.
    pub emit_progress: bool,
    /// How many events an execution keeps in memory; the server's own setting where it is not said.
    pub buffer_size: Option<usize>,
    /// How long tokens are gathered before they become an event, in milliseconds.
    pub flush_interval_ms: u64,
}

impl Retry {
    /// The pause after `attempt` failed attempts, in seconds:
    /// `min(initial_delay · exponential_base^(attempt − 1), max_delay)`, plus jitter.
    /// `chance` is from 0 to 1; half of it is the jitter.
    pub fn delay(&self, attempt: u32, chance: f64) -> f64 {
        let exponent = f64::from(attempt.saturating_sub(1));
        let plain = (self.initial_delay * self.exponential_base.powf(exponent)).min(self.max_delay);
        if self.jitter {
            plain * (1.0 + chance / 2.0)
        } else {
            plain
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_delay: 1.0,
            max_delay: 60.0,
            exponential_base: 2.0,
            jitter: true,
            retry_on: vec![Category::Network, Category::Timeout, Category::Dependency],
            retry_partial: false,
        }
    }
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self {
            max_iterations: 100,
            max_loop_time: Duration::from_secs(3600),
            iteration_delay: Duration::ZERO,
        }
    }
}

impl Default for Streaming {
    fn default() -> Self {
        Self {
            enabled: true,
            emit_progress: true,
            buffer_size: None,
            flush_interval_ms: 100,
        }
    }
}

impl Recovery {
    pub(super) fn load(value: &Value, place: &Place, problems: &mut Problems) -> Self {
        let words = [
            ("auto", Self::Auto),
            ("resume", Self::Resume),
            ("interrupt", Self::Interrupt),
        ];
        let word = value.as_str().unwrap_or_default();
        if let Some((_, recovery)) = words.iter().find(|(known, _)| *known == word) {
            return *recovery;
        }
        let message = "`recovery` is `auto`, `resume` or `interrupt`";
        problems.unknown(place, message, word, words.map(|(word, _)| word));
        Self::default()
    }
}

impl ErrorHandling {
    /// Reads an `error_handling` block over the one that holds where it says nothing.
    pub(super) fn load(&self, value: &Value, place: &Place, problems: &mut Problems) -> Self {
        let mut result = self.clone();
        let Some(mut fields) = Fields::open(value, place, "`error_handling`", problems) else {
            return result;
        };
        if let Some(flag) = fields.flag("continue_on_error", problems) {
            result.continue_on_error = flag;
        }
        if let Some(flag) = fields.flag("enable_fallback", problems) {
            result.enable_fallback = flag;
        }
        if let Some(output) = fields.value("fallback_output") {
            result.fallback_output = Some(output.clone());
        }
        if let Some(timeout) = load_timeout(&mut fields, problems) {
            result.timeout = Some(timeout);
        }
        if let Some(retry) = fields.value("retry") {
            let base = result.retry.clone().unwrap_or_default();
            result.retry = Some(base.load(retry, &fields.place("retry"), problems));
        }
        if let Some(breaker) = fields.value("circuit_breaker") {
            let base = result.circuit_breaker.clone().unwrap_or_default();
            let place = fields.place("circuit_breaker");
            result.circuit_breaker = Some(base.load(breaker, &place, problems));
        }
        fields.close(problems);
        result
    }
}

impl Retry {
    fn load(mut self, value: &Value, place: &Place, problems: &mut Problems) -> Self {
        let Some(mut fields) = Fields::open(value, place, "`retry`", problems) else {
            return self;
        };
        if let Some(count) = fields.count("max_attempts", 1, problems) {
            self.max_attempts = u32::try_from(count).unwrap_or(u32::MAX);
        }
        if let Some(seconds) = fields.seconds("initial_delay", problems) {
            self.initial_delay = seconds;
            self.max_delay = self.max_delay.max(seconds);
        }
        if let Some(seconds) = fields.seconds("max_delay", problems) {
            self.max_delay = seconds;
        }
        if self.max_delay < self.initial_delay {
            let place = fields.place("max_delay");
            problems.error(&place, "`max_delay` is at least `initial_delay`");
        }
        let above_one = |base: f64| base >= 1.0;
        let wanted = "a number of at least 1";
        if let Some(base) = fields.number("exponential_base", wanted, above_one, problems) {
            self.exponential_base = base;
        }
        if let Some(jitter) = fields.flag("jitter", problems) {
            self.jitter = jitter;
        }
        if let Some(flag) = fields.flag("retry_partial", problems) {
            self.retry_partial = flag;
        }
        if let Some(list) = fields.list("retry_on", problems) {
            let place = fields.place("retry_on");
            self.retry_on = list
                .iter()
                .enumerate()
                .filter_map(|(at, value)| load_category(value, &place.index(at), problems))
                .collect();
        }
        fields.close(problems);
        self
    }
}

impl LoopConfig {
    pub(super) fn load(value: &Value, place: &Place, problems: &mut Problems) -> Self {
        let mut result = Self::default();
        let Some(mut fields) = Fields::open(value, place, "`loop_config`", problems) else {
            return result;
        };
        if let Some(count) = fields.count("max_iterations", 1, problems) {
            result.max_iterations = u32::try_from(count).unwrap_or(u32::MAX);
        }
        if let Some(seconds) = fields.seconds("max_loop_time_seconds", problems) {
            result.max_loop_time = Duration::from_secs_f64(seconds);
        }
        if let Some(seconds) = fields.seconds("iteration_delay_seconds", problems) {
            result.iteration_delay = Duration::from_secs_f64(seconds);
        }
        fields.close(problems);
        result
    }
}

impl Streaming {
    pub(super) fn load(value: &Value, place: &Place, problems: &mut Problems) -> Self {
        let mut result = Self::default();
        let Some(mut fields) = Fields::open(value, place, "`streaming`", problems) else {
            return result;
        };
        if let Some(enabled) = fields.flag("enabled", problems) {
            result.enabled = enabled;
        }
        if let Some(emit_progress) = fields.flag("emit_progress", problems) {
            result.emit_progress = emit_progress;
        }
        if let Some(size) = fields.count("buffer_size", 1, problems) {
            result.buffer_size = Some(usize::try_from(size).unwrap_or(usize::MAX));
        }
        if let Some(interval) = fields.count("flush_interval_ms", 0, problems) {
            result.flush_interval_ms = interval;
        }
        if let Some(list) = fields.list("redact", problems) {
            check_redact(list, &fields.place("redact"), problems);
        }
        fields.close(problems);
        result
    }
}

/// The rules of `redact`; a log reads them from the definition.
fn check_redact(list: &[Value], place: &Place, problems: &mut Problems) {
    let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    if texts.len() < list.len() {
        problems.error(place, "`redact` is a list of texts");
    } else if let Err(bad) = Rules::parse(texts) {
        problems.error(&place.index(bad.at), bad.to_string());
    }
}

/// Reads `timeout_seconds`, which is more than zero.
pub(super) fn load_timeout(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Duration> {
    let seconds = fields.number(
        "timeout_seconds",
        "a number of seconds above 0",
        |s| s > 0.0 && s <= 31_536_000.0,
        problems,
    )?;
    Some(Duration::from_secs_f64(seconds))
}

fn load_category(value: &Value, place: &Place, problems: &mut Problems) -> Option<Category> {
    let word = value.as_str().unwrap_or_default();
    let category = Category::parse(word);
    if category.is_none() {
        problems.unknown(
            place,
            format!("unknown category of errors `{word}`"),
            word,
            Category::ALL.iter().map(|category| category.as_str()),
        );
    }
    category
}
