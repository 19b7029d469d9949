//! The store: what is known of one run, as signals that change at most once a frame.
//!
//! Notices change the view and the log at once; [`Store::flush`] then tells the components. A component
//! tracks the run, one step, the list of steps or the log, and reads what it needs in place: nothing is copied.

use std::collections::{BTreeMap, BTreeSet};

use leptos::html::Article;
use leptos::prelude::*;
use stepcast_core::client::State;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::metrics::{RunMetrics, Targets};
use stepcast_core::time::Time;
use stepcast_core::view::{RunView, StepView};

use crate::api::{ApiError, Beginning};
use crate::delivery::{self, Delivery, Lateness};
use crate::driver::Notice;
use crate::log::{Filter, Log};

/// Two clocks, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Now {
    /// The page's monotonic clock: what a deadline is measured by.
    pub monotonic: Time,
    /// Milliseconds since 1970, by this computer.
    pub unix_ms: u64,
}

/// What came of an answer that was sent from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It is on its way.
    Sending,
    /// The server has taken it; the stream tells everybody.
    Taken,
    /// It was not taken.
    Refused(ApiError),
}

/// The beginning of a file that a person opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Preview {
    /// It is being read.
    Reading,
    /// Here it is.
    Read(Beginning),
    /// It could not be read.
    Failed(ApiError),
}

/// What is known of one run. A handle: cheap to copy, gone with the component that made it.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    inner: StoredValue<Inner>,
    run: Trigger,
    shape: Trigger,
    counted: Trigger,
    connection: RwSignal<State>,
    now: RwSignal<Now>,
    heard: RwSignal<Option<Time>>,
    targets: RwSignal<Option<Targets>>,
    filter: RwSignal<Filter>,
    replies: RwSignal<BTreeMap<String, Reply>>,
    previews: RwSignal<BTreeMap<String, Preview>>,
    root: NodeRef<Article>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// A store that knows nothing yet.
    pub fn new() -> Self {
        Self {
            inner: StoredValue::new(Inner::default()),
            run: Trigger::new(),
            shape: Trigger::new(),
            counted: Trigger::new(),
            connection: RwSignal::new(State::Idle),
            now: RwSignal::new(Now::default()),
            heard: RwSignal::new(None),
            targets: RwSignal::default(),
            filter: RwSignal::default(),
            replies: RwSignal::default(),
            previews: RwSignal::default(),
            root: NodeRef::new(),
        }
    }

    /// The element that shows it, in whichever document or shadow root it is.
    pub const fn root(self) -> NodeRef<Article> {
        self.root
    }

    /// Takes what the driver says. Components hear of it with the next [`Store::flush`].
    pub fn take(self, notice: Notice, unix_ms: u64) {
        // none where the component is gone: nobody looks any more
        let _taken = self
            .inner
            .try_update_value(|inner| inner.take(notice, unix_ms));
    }

    /// Tells the components what has changed.
    pub fn flush(self) {
        let Some(news) = self.inner.try_update_value(Inner::news) else {
            return;
        };
        if let Some(state) = news.connection {
            self.connection.set(state);
        }
        if news.shape {
            self.shape.notify();
        }
        news.steps.notify();
        if news.counted {
            self.counted.notify();
        }
        if news.any {
            self.run.notify();
        }
    }

    /// Sets the clocks.
    pub fn set_now(self, now: Now) {
        // none where the component is gone
        let _unset = self.now.try_set(now);
    }

    /// Sets when the server last said anything, by the monotonic clock.
    pub fn set_heard(self, heard: Option<Time>) {
        // none where the component is gone
        let _unset = self.heard.try_set(heard);
    }

    /// When the server last said anything, a heartbeat at least, as far as the last second shows; tracked.
    pub fn heard(self) -> Option<Time> {
        self.heard.get()
    }

    /// The connection's state; tracked.
    pub fn connection(self) -> State {
        self.connection.get()
    }

    /// The clocks; tracked.
    pub fn now(self) -> Now {
        self.now.get()
    }

    /// Milliseconds since 1970 by the server's clock, as far as its events show; tracked.
    pub fn server_now(self) -> u64 {
        let now = self.now.get().unix_ms;
        let skew = self.inner.with_value(|inner| inner.skew.unwrap_or(0));
        now.saturating_add_signed(-skew)
    }

    /// Reads what was counted of the run; tracked only as far as it changes.
    pub fn metrics<T>(self, read: impl FnOnce(&RunMetrics) -> T) -> T {
        self.counted.track();
        self.inner.with_value(|inner| read(&inner.metrics))
    }

    /// When the server calls a metric well; tracked. None where it has not said so.
    pub fn targets(self) -> Option<Targets> {
        self.targets.get()
    }

    /// Says when the server calls a metric well.
    pub fn set_targets(self, targets: Targets) {
        // none where the component is gone
        let _gone = self.targets.try_set(Some(targets));
    }

    /// How late events come here; not tracked, since it changes with each of them.
    pub fn lateness(self) -> Option<Lateness> {
        self.inner.with_value(|inner| inner.delivery.lateness())
    }

    /// What came of the answer to this wait; tracked. None where none was sent from here.
    pub fn reply(self, wait_id: &str) -> Option<Reply> {
        self.replies.with(|replies| replies.get(wait_id).cloned())
    }

    /// Says what came of an answer.
    pub fn set_reply(self, wait_id: &str, reply: Reply) {
        // none where the component is gone
        let _gone = self
            .replies
            .try_update(|replies| replies.insert(wait_id.to_owned(), reply));
    }

    /// Notes that an answer is sent; false where one is on its way or was taken.
    pub fn begin_reply(self, wait_id: &str) -> bool {
        let held = self
            .replies
            .try_with_untracked(|it| it.get(wait_id).cloned());
        let free = matches!(held, Some(None | Some(Reply::Refused(_))));
        if free {
            self.set_reply(wait_id, Reply::Sending);
        }
        free
    }

    /// The beginning of the file of this hash; tracked. None where nobody opened it.
    pub fn preview(self, sha256: &str) -> Option<Preview> {
        self.previews.with(|previews| previews.get(sha256).cloned())
    }

    /// Says what came of reading a file.
    pub fn set_preview(self, sha256: &str, preview: Preview) {
        // none where the component is gone
        let _gone = self
            .previews
            .try_update(|previews| previews.insert(sha256.to_owned(), preview));
    }

    /// Notes that a file is read; false where it is, or was.
    pub fn begin_preview(self, sha256: &str) -> bool {
        let held = self
            .previews
            .try_with_untracked(|it| it.get(sha256).cloned());
        let free = matches!(held, Some(None | Some(Preview::Failed(_))));
        if free {
            self.set_preview(sha256, Preview::Reading);
        }
        free
    }

    /// Reads the run; tracked.
    pub fn run<T>(self, read: impl FnOnce(&RunView) -> T) -> T {
        self.run.track();
        self.peek(read)
    }

    /// Reads the run without tracking it.
    pub fn peek<T>(self, read: impl FnOnce(&RunView) -> T) -> T {
        self.inner.with_value(|inner| read(&inner.view))
    }

    /// Reads the event log; tracked.
    pub fn log<T>(self, read: impl FnOnce(&Log) -> T) -> T {
        self.run.track();
        self.inner.with_value(|inner| read(&inner.log))
    }

    /// Reads the event log without tracking it.
    pub fn peek_log<T>(self, read: impl FnOnce(&Log) -> T) -> T {
        self.inner.with_value(|inner| read(&inner.log))
    }

    /// What events are like that the event log lets through; tracked.
    pub fn filter(self) -> Filter {
        self.filter.get()
    }

    /// Changes what the event log lets through.
    pub fn filter_log(self, change: impl FnOnce(&mut Filter)) {
        let mut filter = self.filter.get_untracked();
        change(&mut filter);
        self.inner
            .update_value(|inner| inner.log.set_filter(filter.clone()));
        self.filter.set(filter);
        self.run.notify();
    }

    /// The ids of the steps, in order; tracked.
    pub fn step_ids(self) -> Vec<String> {
        self.shape.track();
        self.peek(|view| view.steps.iter().map(|step| step.id.clone()).collect())
    }

    /// Reads which steps and paths there are; tracked only as far as some come or are announced anew.
    pub fn outline<T>(self, read: impl FnOnce(&RunView) -> T) -> T {
        self.shape.track();
        self.peek(read)
    }

    /// One step.
    pub fn step(self, id: &str) -> Step {
        let changed = self
            .inner
            .try_update_value(|inner| inner.steps.entry(id.to_owned()).or_default().clone())
            .unwrap_or_default();
        Step {
            store: self,
            id: StoredValue::new(id.to_owned()),
            changed: StoredValue::new(changed),
        }
    }
}

/// One step of a store.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    store: Store,
    id: StoredValue<String>,
    changed: StoredValue<ArcTrigger>,
}

impl Step {
    /// The store it is in.
    pub const fn store(self) -> Store {
        self.store
    }

    /// Its id.
    pub fn id(self) -> String {
        self.id.get_value()
    }

    /// Reads it; tracked. None after a reset, until it is announced again.
    pub fn read<T>(self, read: impl FnOnce(&StepView) -> T) -> Option<T> {
        self.changed.with_value(Track::track);
        self.peek(read)
    }

    /// Reads it without tracking it.
    pub fn peek<T>(self, read: impl FnOnce(&StepView) -> T) -> Option<T> {
        self.id
            .with_value(|id| self.store.peek(|view| view.step(id).map(read)))
    }

    /// Something of it as a signal that changes only when its value does.
    pub fn memo<T>(self, read: impl Fn(&StepView) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: Default + PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |_| self.read(&read).unwrap_or_default())
    }
}

#[derive(Debug, Default)]
struct Inner {
    view: RunView,
    log: Log,
    metrics: RunMetrics,
    delivery: Delivery,
    steps: BTreeMap<String, ArcTrigger>,
    live: bool,
    /// How far our clock is ahead of the server's, in milliseconds.
    skew: Option<i64>,
    changed: Changed,
}

/// What has changed since the last flush.
#[derive(Debug, Default)]
struct Changed {
    any: bool,
    shape: bool,
    counted: bool,
    all_steps: bool,
    steps: BTreeSet<String>,
    connection: Option<State>,
}

/// Whom to tell.
struct News {
    any: bool,
    shape: bool,
    counted: bool,
    steps: Vec<ArcTrigger>,
    connection: Option<State>,
}

impl Inner {
    fn take(&mut self, notice: Notice, unix_ms: u64) {
        match notice {
            Notice::Event(event) => self.take_event(event, unix_ms),
            Notice::Gap { from, to, reason } => {
                self.view.gap(from, to, reason);
                self.metrics.gap();
                self.changed.any = true;
                self.changed.counted = true;
            }
            Notice::Reset { .. } => {
                self.view.reset();
                self.log.clear();
                self.metrics = RunMetrics::default();
                self.delivery = Delivery::default();
                self.changed.any = true;
                self.changed.counted = true;
                self.changed.shape = true;
                self.changed.all_steps = true;
            }
            // the page asks for every event
            Notice::Snapshot(_) | Notice::Fidelity(_) => {}
            Notice::State(state) => {
                self.live = matches!(state, State::Live { .. });
                self.changed.connection = Some(state);
            }
        }
    }

    fn take_event(&mut self, event: Box<StreamEvent>, unix_ms: u64) {
        self.measure_skew(&event, unix_ms);
        if self.live {
            self.delivery.add(&event, unix_ms);
        }
        self.metrics.apply(&event);
        let shape = (self.view.steps.len(), self.view.paths.len());
        self.view.apply(&event);
        let changed = &mut self.changed;
        changed.any = true;
        changed.counted |= RunMetrics::concerned_by(&event);
        changed.shape |= (self.view.steps.len(), self.view.paths.len()) != shape
            || event.event_type == EventType::PipelineStart;
        changed.all_steps |= changed.shape || event.event_type.is_terminal();
        if let Some(id) = &event.step_id
            && !changed.steps.contains(id.as_str())
        {
            changed.steps.insert(id.as_str().to_owned());
        }
        self.log.push(event);
    }

    /// The least delay that a live event showed is the clocks' difference, to within the way here. An old
    /// event shows a difference only where it comes from the future.
    fn measure_skew(&mut self, event: &StreamEvent, unix_ms: u64) {
        let Some(seen) = delivery::lateness(event, unix_ms) else {
            return;
        };
        if self.live || seen < 0 {
            self.skew = Some(self.skew.map_or(seen, |least| least.min(seen)));
        }
    }

    fn news(&mut self) -> News {
        let changed = std::mem::take(&mut self.changed);
        let steps = if changed.all_steps {
            self.steps.values().cloned().collect()
        } else {
            let triggers = changed.steps.iter();
            triggers
                .filter_map(|id| self.steps.get(id))
                .cloned()
                .collect()
        };
        News {
            any: changed.any,
            shape: changed.shape,
            counted: changed.counted,
            steps,
            connection: changed.connection,
        }
    }
}
