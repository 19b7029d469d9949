//! The trace that a run belongs to, in the words of W3C Trace Context.
//!
//! Ids are derived from what the log knows of a run, so a run that goes on after a restart goes on in the same trace,
//! and what a step was given names the span that is told of it later.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stepcast_core::id::{Epoch, ExecutionId, Seq};

/// Where in a trace something belongs, as two headers say it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TraceContext {
    /// `traceparent`: the trace, the span that something belongs to, and whether it is sampled.
    pub traceparent: String,
    /// `tracestate`: what systems of tracing keep for themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

/// `traceparent`, read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Parent {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
}

pub(crate) type TraceId = [u8; 16];
pub(crate) type SpanId = [u8; 8];

/// The spans of one run: which trace they are in, and below what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RunTrace {
    execution: ExecutionId,
    epoch: Epoch,
    pub(crate) trace_id: TraceId,
    /// The span that the run belongs to; none where it begins a trace.
    pub(crate) parent: Option<SpanId>,
    flags: u8,
    pub(crate) state: Option<String>,
}

/// What steps of a run pass on.
#[derive(Clone, Debug)]
pub(crate) enum Carried {
    /// What the run was given, as it is: nobody is told of spans of this server.
    Given(TraceContext),
    /// The span of the attempt that passes it on.
    Own(RunTrace),
}

impl TraceContext {
    /// What a request says; none where it says nothing, or what the standard has refused.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all("traceparent").iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else {
            return None;
        };
        let states = headers.get_all("tracestate").iter();
        let states: Vec<&str> = states.filter_map(|state| state.to_str().ok()).collect();
        Self::new(parent.to_str().ok()?, &states.join(","))
    }

    /// These two, where the first is one.
    pub(crate) fn new(traceparent: &str, tracestate: &str) -> Option<Self> {
        let traceparent = traceparent.trim();
        Parent::read(traceparent)?;
        let state = tracestate.trim();
        let fits = !state.is_empty() && state.len() <= LONGEST_STATE;
        let printable = state.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        Some(Self {
            traceparent: traceparent.to_owned(),
            tracestate: (fits && printable).then(|| state.to_owned()),
        })
    }
}

impl TraceContext {
    /// As headers of a request that belongs to it.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let headers = self.pairs().into_iter();
        headers.filter_map(|(name, value)| {
            Some((
                HeaderName::from_static(name),
                HeaderValue::try_from(value).ok()?,
            ))
        })
    }

    /// As variables of a program that belongs to it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let variables = self.pairs().into_iter();
        variables.map(|(name, value)| (name.to_ascii_uppercase(), value.to_owned()))
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let state = self.tracestate.as_deref();
        let parent = [("traceparent", self.traceparent.as_str())].into_iter();
        parent
            .chain(state.map(|state| ("tracestate", state)))
            .collect()
    }
}

impl Parent {
    /// By the rules of Trace Context, section 3.2.2: versions to come may be longer.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version: [u8; 1] = bytes(parts.next()?)?;
        let (trace_id, span_id) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags]: [u8; 1] = bytes(parts.next()?)?;
        let [version] = version;
        let known = version == 0 && parts.next().is_none();
        let later = (1..0xff).contains(&version) && text.len() <= LONGEST_PARENT;
        let fits = (known || later) && trace_id != [0; 16] && span_id != [0; 8];
        fits.then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }
}

impl RunTrace {
    pub(crate) fn new(execution: &ExecutionId, epoch: Epoch, given: Option<&TraceContext>) -> Self {
        let parent = given.and_then(|given| Parent::read(&given.traceparent));
        let own = || derived(&["trace", execution.as_str()], &[epoch]);
        Self {
            execution: execution.clone(),
            epoch,
            trace_id: parent.map_or_else(own, |parent| parent.trace_id),
            parent: parent.map(|parent| parent.span_id),
            // whoever began the trace says whether it is sampled
            flags: parent.map_or(SAMPLED, |parent| parent.flags & SAMPLED),
            state: parent.and(given).and_then(|given| given.tracestate.clone()),
        }
    }

    /// Whether anybody is to be told of its spans.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The run's span.
    pub(crate) fn run(&self) -> SpanId {
        derived(&["run", self.execution.as_str()], &[self.epoch])
    }

    /// The span of the step execution that this event begins.
    pub(crate) fn step(&self, began: Seq) -> SpanId {
        derived(&["step", self.execution.as_str()], &[self.epoch, began])
    }

    /// The span of one of its attempts.
    pub(crate) fn attempt(&self, began: Seq, attempt: u32) -> SpanId {
        let numbers = [self.epoch, began, attempt.into()];
        derived(&["attempt", self.execution.as_str()], &numbers)
    }

    /// What belongs to this span.
    pub(crate) fn below(&self, span: SpanId) -> TraceContext {
        let mut traceparent = String::from("00-");
        hex(&mut traceparent, &self.trace_id);
        traceparent.push('-');
        hex(&mut traceparent, &span);
        traceparent.push('-');
        hex(&mut traceparent, &[self.flags]);
        TraceContext {
            traceparent,
            tracestate: self.state.clone(),
        }
    }
}

impl Carried {
    /// What an attempt passes on; `began` is the event that began its step, 0 where no such event is kept.
    pub(crate) fn by(&self, began: Seq, attempt: u32) -> TraceContext {
        match self {
            Self::Given(given) => given.clone(),
            Self::Own(run) if began == 0 => run.below(run.run()),
            Self::Own(run) => run.below(run.attempt(began, attempt)),
        }
    }
}

/// Bytes that name these words and numbers, and no others. None are all zeros but once in 2^64.
fn derived<const N: usize>(words: &[&str], numbers: &[u64]) -> [u8; N] {
    let mut hash = Sha256::new();
    for word in words {
        // no id holds a zero byte
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    for number in numbers {
        hash.update(number.to_be_bytes());
    }
    let mut id = [0; N];
    for (byte, from) in id.iter_mut().zip(hash.finalize()) {
        *byte = from;
    }
    id
}

/// So many bytes, as lower case digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if digits.len() != N * 2 || !digits.iter().all(lower) {
        return None;
    }
    let mut read = [0; N];
    for (byte, pair) in read.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(read)
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _a_string_takes_it = write!(text, "{byte:02x}");
    }
}

const SAMPLED: u8 = 1;

/// Of a version to come; ours has 55.
const LONGEST_PARENT: usize = 512;

/// What the standard wants passed on, and more than it.
const LONGEST_STATE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_the_standard_has_refused_is_no_parent() {
        for good in [
            GIVEN,
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 ",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes",
        ] {
            assert!(TraceContext::new(good, "").is_some(), "{good}");
        }
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319cé-b7ad6b7169203331-01",
        ] {
            assert!(TraceContext::new(bad, "").is_none(), "{bad}");
        }
    }

    #[test]
    fn a_state_that_is_too_long_or_no_text_is_left_out_and_the_parent_stays() {
        let state = |text: &str| TraceContext::new(GIVEN, text).unwrap().tracestate;
        assert_eq!(state(" a=1,b=2 ").as_deref(), Some("a=1,b=2"));
        assert_eq!(state(""), None);
        assert_eq!(state("a=\u{7f}"), None);
        assert_eq!(state(&"x".repeat(LONGEST_STATE + 1)), None);
    }

    #[test]
    fn every_span_of_a_run_has_an_id_of_its_own_and_always_the_same() {
        let id: ExecutionId = "run-1".parse().unwrap();
        let given = TraceContext::new(GIVEN, "a=1").unwrap();
        let run = RunTrace::new(&id, 7, Some(&given));
        assert_eq!(run, RunTrace::new(&id, 7, Some(&given)));
        let spans = [run.run(), run.step(1), run.step(2), run.attempt(1, 1)];
        let spans = spans
            .into_iter()
            .chain([run.attempt(1, 2), run.attempt(2, 1)]);
        let distinct: std::collections::BTreeSet<SpanId> = spans.collect();
        assert_eq!(distinct.len(), 6);
        let carried = run.below(run.run());
        let parent = Parent::read(&carried.traceparent).unwrap();
        assert_eq!((parent.trace_id, parent.span_id), (run.trace_id, run.run()));
        assert_eq!(carried.tracestate.as_deref(), Some("a=1"));
        // without a trace that it was given, a run begins its own; another incarnation another one
        let alone = RunTrace::new(&id, 7, None);
        assert_eq!(alone.parent, None);
        assert_ne!(alone.trace_id, RunTrace::new(&id, 8, None).trace_id);
    }

    #[test]
    fn what_is_not_sampled_stays_so() {
        let id: ExecutionId = "run-1".parse().unwrap();
        let given = GIVEN.replace("-01", "-00");
        let run = RunTrace::new(&id, 7, TraceContext::new(&given, "").as_ref());
        assert!(!run.is_sampled());
        assert!(run.below(run.run()).traceparent.ends_with("-00"));
    }
}
