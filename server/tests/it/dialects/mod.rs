//! One log, every dialect: the same runs, followed by each of them, come to the same.
//!
//! A dialect is one row of [`rows::ROWS`]. What it gives is compared with the log; where it translates, with what the
//! whole log comes to when it is read at once after the end.

mod rows;
mod runs;
mod tests;
mod wire;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::harness::Server;

/// A dialect.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Reads on one connection.
    pub(super) read: for<'a> fn(&'a Server, Asked) -> BoxFuture<'a, Told>,
    /// It has words of its own: its items are not events.
    pub(super) translates: bool,
}

/// What a reader asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: String,
    /// The place behind what it has.
    pub(super) after: Option<String>,
    /// It leaves after so many items.
    pub(super) most: usize,
    /// It takes its time before it reads.
    pub(super) slow: bool,
}

/// What a reader was told on one connection.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) items: Vec<Item>,
    /// Events that it was told are gone.
    pub(super) gaps: Vec<(u64, u64)>,
    /// There will be no more.
    pub(super) over: bool,
}

/// One thing that it was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) value: Value,
    /// Where one comes back to that has seen it.
    pub(super) place: Option<String>,
}

impl Told {
    pub(super) fn add(&mut self, value: Value, place: impl Into<Option<String>>) {
        let place = place.into();
        self.items.push(Item { value, place });
    }

    pub(super) fn values(&self) -> Vec<Value> {
        self.items.iter().map(|item| item.value.clone()).collect()
    }
}

impl Row {
    /// Reads until there is no more, and comes back as often as that takes.
    pub(super) async fn follow(&self, server: &Server, asked: Asked) -> Told {
        let mut all = Told::default();
        let mut asked = asked;
        for _ in 0..2_000 {
            let told = (self.read)(server, asked.clone()).await;
            all.gaps.extend(told.gaps);
            all.over = told.over;
            if let Some(place) = told.items.iter().rev().find_map(|item| item.place.clone()) {
                asked.after = Some(place);
            } else if !all.over {
                // what waits for somebody ends its stream at once
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            all.items.extend(told.items);
            if all.over || all.items.len() >= asked.most {
                return all;
            }
        }
        panic!("{}: no end of {}", self.name, asked.id);
    }
}
