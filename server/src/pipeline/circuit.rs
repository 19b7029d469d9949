//! Circuit breakers: a step that keeps failing is left alone for a while, and then tried with care.
//!
//! The state belongs to a step of a pipeline of that name, for all its runs in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::attempt::millis;
use super::definition::CircuitBreaker;
use crate::step::{Category, StepError};

/// The circuits of a process.
#[derive(Debug, Default)]
pub(crate) struct Circuits {
    known: Mutex<HashMap<(String, String), Arc<Circuit>>>,
}

/// What stands in front of one step.
#[derive(Debug)]
pub(crate) struct Circuit {
    name: String,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Everything passes; so many attempts in a row have failed.
    Closed { failures: u32 },
    /// Nothing passes until then.
    Open { failures: u32, until: Instant },
    /// One attempt at a time passes; so many in a row went well.
    HalfOpen {
        failures: u32,
        successes: u32,
        trying: bool,
    },
}

/// Leave to make an attempt. Dropped without [`Permit::settle`], the attempt counts for nothing.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    circuit: &'a Circuit,
    settings: &'a CircuitBreaker,
    settled: bool,
}

impl Circuits {
    /// The circuit of this step.
    pub(crate) fn of(&self, pipeline: &str, step: &str) -> Arc<Circuit> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, circuit| Arc::strong_count(circuit) > 1 || !circuit.rests());
        }
        let key = (pipeline.to_owned(), step.to_owned());
        let circuit = known.entry(key).or_insert_with(|| {
            Arc::new(Circuit {
                name: step.to_owned(),
                state: Mutex::new(State::Closed { failures: 0 }),
            })
        });
        Arc::clone(circuit)
    }
}

impl Circuit {
    /// Leave to make an attempt, and the change that is to be told; an error where there is none to be had.
    pub(crate) fn admit<'a>(
        &'a self,
        settings: &'a CircuitBreaker,
    ) -> Result<(Permit<'a>, Option<Value>), StepError> {
        let now = Instant::now();
        let mut state = self.lock();
        let told = match *state {
            State::Closed { .. } => None,
            State::Open { failures, until } if until <= now => {
                let successes = 0;
                *state = State::HalfOpen {
                    failures,
                    successes,
                    trying: true,
                };
                Some(self.told("half_open", failures, None))
            }
            State::Open { failures, until } => {
                return Err(self.refusal(failures, until.duration_since(now)));
            }
            State::HalfOpen {
                trying: true,
                failures,
                ..
            } => {
                return Err(self.refusal(failures, Duration::ZERO));
            }
            State::HalfOpen { ref mut trying, .. } => {
                *trying = true;
                None
            }
        };
        let settled = false;
        Ok((
            Permit {
                circuit: self,
                settings,
                settled,
            },
            told,
        ))
    }

    /// Whether no attempt would pass.
    pub(crate) fn is_shut(&self) -> bool {
        match *self.lock() {
            State::Closed { .. } => false,
            State::Open { until, .. } => until > Instant::now(),
            State::HalfOpen { trying, .. } => trying,
        }
    }

    fn refusal(&self, failures: u32, left: Duration) -> StepError {
        let name = &self.name;
        let when = if left.is_zero() {
            "an attempt that tries it is under way".to_owned()
        } else {
            format!("it is tried again in {:.1} s", left.as_secs_f64())
        };
        let message = format!("the circuit of `{name}` is open after {failures} failures; {when}");
        StepError::new(Category::Dependency, message)
    }

    fn told(&self, state: &str, failures: u32, left: Option<Duration>) -> Value {
        let mut told = json!({
            "kind": "circuit", "name": self.name, "state": state, "failures": failures,
        });
        if let (Some(left), Some(map)) = (left, told.as_object_mut()) {
            map.insert("retry_after_ms".into(), millis(left).into());
        }
        told
    }

    /// Whether it holds nothing worth keeping.
    fn rests(&self) -> bool {
        match *self.lock() {
            State::Closed { failures } => failures == 0,
            State::Open { until, .. } => until <= Instant::now(),
            State::HalfOpen { trying, .. } => !trying,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Counts how the attempt went; the change that is to be told.
    pub(crate) fn settle(mut self, went_well: bool) -> Option<Value> {
        self.settled = true;
        let (circuit, settings) = (self.circuit, self.settings);
        let mut state = circuit.lock();
        match (*state, went_well) {
            // another attempt that had begun before has opened it
            (State::Open { .. }, _) => None,
            (State::Closed { .. }, true) => {
                *state = State::Closed { failures: 0 };
                None
            }
            (State::Closed { failures }, false) => {
                let failures = failures.saturating_add(1);
                *state = State::Closed { failures };
                (failures >= settings.failure_threshold)
                    .then(|| circuit.open(&mut state, failures, settings))
            }
            (
                State::HalfOpen {
                    successes,
                    failures,
                    ..
                },
                true,
            ) => {
                let successes = successes.saturating_add(1);
                if successes >= settings.success_threshold {
                    *state = State::Closed { failures: 0 };
                    return Some(circuit.told("closed", 0, None));
                }
                *state = State::HalfOpen {
                    failures,
                    successes,
                    trying: false,
                };
                None
            }
            (State::HalfOpen { failures, .. }, false) => {
                Some(circuit.open(&mut state, failures.saturating_add(1), settings))
            }
        }
    }
}

impl Circuit {
    fn open(&self, state: &mut State, failures: u32, settings: &CircuitBreaker) -> Value {
        let until = Instant::now() + settings.recovery_timeout;
        *state = State::Open { failures, until };
        self.told("open", failures, Some(settings.recovery_timeout))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if let State::HalfOpen { trying, .. } = &mut *self.circuit.lock() {
            *trying = false;
        }
    }
}

/// Circuits beyond which those at rest are forgotten.
const MOST: usize = 1_024;
