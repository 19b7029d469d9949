//! Merges the pieces of a streamed text into runs: a few events a second, and not one for each token.
//!
//! - The first piece of a channel leaves at once, and so does one that comes after a pause, or after something else.
//! - Later ones merge until an interval has passed since the last run left, or a limit of bytes is reached.
//! - A run never reaches across a piece of another channel, nor across a [`Coalescer::flush`].
//! - The runs of a channel, one after the other, are its pieces, byte for byte.
//! - Pieces are merged whole, and the end of a run that is half a character as people see it is held back
//!   ([`grapheme`]). A mark that comes alone after its letter has left cannot be foreseen: from the first such mark
//!   on, the last character of every run waits for what follows.
//!
//! A run that is ready stays until [`Coalescer::written`] says that it is kept, so a writer that is stopped half
//! way loses nothing.

pub mod grapheme;

use std::collections::VecDeque;
use std::time::Duration;

use self::grapheme::Open;
use crate::time::Time;

/// Merges what is pushed; `K` tells channels apart.
#[derive(Clone, Debug)]
pub struct Coalescer<K> {
    interval: Duration,
    limit: usize,
    ready: VecDeque<Run<K>>,
    held: Option<Run<K>>,
    /// Whether nothing of the held channel has left yet.
    fresh: bool,
    left: Option<Time>,
    due: Option<Time>,
    /// Whether marks come alone.
    careful: bool,
}

/// A piece of one channel's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run<K> {
    /// Which channel.
    pub channel: K,
    /// What is to be appended to it; never empty.
    pub text: String,
}

impl<K: Clone + PartialEq> Coalescer<K> {
    /// Runs leave `interval` after one another, or once they have `limit` bytes. An interval of zero merges nothing.
    pub fn new(interval: Duration, limit: usize) -> Self {
        Self {
            interval,
            limit,
            ready: VecDeque::new(),
            held: None,
            fresh: true,
            left: None,
            due: None,
            careful: false,
        }
    }

    /// Takes a piece, however small. What is ready by it is in [`Coalescer::ready`].
    pub fn push(&mut self, channel: &K, text: &str, now: Time) {
        if text.is_empty() {
            return;
        }
        if self.interval.is_zero() {
            self.ready.push_back(Run {
                channel: channel.clone(),
                text: text.to_owned(),
            });
            return;
        }
        let fits = |run: &Run<K>| run.channel == *channel;
        if !self.held.as_ref().is_some_and(fits) {
            self.flush();
            self.fresh = true;
        }
        let held = self.held.get_or_insert_with(|| Run {
            channel: channel.clone(),
            text: String::new(),
        });
        if held.text.is_empty() && !self.fresh && grapheme::begins_with_mark(text) {
            self.careful = true;
        }
        held.text.push_str(text);
        let full = held.text.len() >= self.limit;
        let next = self.left.map(|left| left + self.interval);
        if self.fresh || full || next.is_none_or(|next| now >= next) {
            self.leave(now);
        } else if self.due.is_none() {
            self.due = next;
        }
    }

    /// When [`Coalescer::tick`] has something to do.
    pub fn due(&self) -> Option<Time> {
        self.due
    }

    /// Makes ready what has been held for long enough; all but half a character that cannot be whole yet.
    pub fn tick(&mut self, now: Time) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        let Some(held) = &mut self.held else {
            return;
        };
        let (at, open) = grapheme::open_end(&held.text, self.careful);
        let at = match open {
            Open::Surely => at,
            Open::Maybe | Open::No => held.text.len(),
        };
        self.split(at, now);
    }

    /// Makes ready all that is held: something else follows, or nothing.
    pub fn flush(&mut self) {
        self.due = None;
        let all = self.held.take();
        self.ready.extend(all.filter(|run| !run.text.is_empty()));
    }

    /// The next run to be written.
    pub fn ready(&self) -> Option<&Run<K>> {
        self.ready.front()
    }

    /// The run that [`Coalescer::ready`] gave is kept.
    pub fn written(&mut self) {
        self.ready.pop_front();
    }

    /// Makes ready what is held, up to the end that may go on.
    fn leave(&mut self, now: Time) {
        let Some(held) = &self.held else {
            return;
        };
        let (at, _) = grapheme::open_end(&held.text, self.careful);
        self.split(at, now);
        let rests = self.held.as_ref().is_some_and(|held| !held.text.is_empty());
        self.due = rests.then(|| now + self.interval);
    }

    fn split(&mut self, at: usize, now: Time) {
        let Some(held) = self.held.as_mut().filter(|_| at > 0) else {
            return;
        };
        let rest = held.text.split_off(at);
        let text = std::mem::replace(&mut held.text, rest);
        self.fresh = false;
        self.left = Some(now);
        self.ready.push_back(Run {
            channel: held.channel.clone(),
            text,
        });
    }
}
