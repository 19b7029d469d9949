//! Hands every event to a function.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Subscriber, SubscriberError};
use crate::log::Record;

/// Calls a function for every event.
#[derive(Debug)]
pub struct CallbackSubscriber<F>(F);

impl<F: FnMut(&Record) -> Result<(), SubscriberError> + Send + 'static> CallbackSubscriber<F> {
    /// A subscriber that calls `callback`. It should return soon: it runs on the runtime.
    pub fn new(callback: F) -> Self {
        Self(callback)
    }
}

impl<F: FnMut(&Record) -> Result<(), SubscriberError> + Send + 'static> Subscriber
    for CallbackSubscriber<F>
{
    fn name(&self) -> &'static str {
        "callback"
    }

    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>> {
        let result = (self.0)(event);
        async { result }.boxed()
    }
}
