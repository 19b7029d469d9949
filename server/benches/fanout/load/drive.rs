//! When events are asked for, and what is measured meanwhile.

use std::time::{Duration, Instant};

use super::{Load, Mark};
use crate::histogram::Histogram;
use crate::job::{Drive, Report};

impl Load {
    /// All attached from the start; events while it counts.
    pub(super) fn measure(mut self) -> Report {
        let bare = self.memory();
        self.attach();
        let full = self.memory();
        let mut pace = Pace::new(&self);
        let [warm, seconds] = [self.job.warm, self.job.seconds].map(Duration::from_secs_f64);
        pace.drive(&mut self, warm);
        self.latency = Some(Histogram::default());
        pace.held_back = 0;
        let from = self.mark();
        pace.drive(&mut self, seconds);
        let to = self.mark();
        let end = self.memory();
        let latency = self.latency.take();
        self.drain();
        self.latency = latency;
        let answer = self.job.target.answers.then(|| self.control.report());
        Report {
            held_back: pace.held_back,
            memory_kib: [bare, full, end],
            caught_up_ms: pace.cut.and_then(|cut| cut.caught_up_ms),
            emit_us: answer.and_then(|answer| serde_json::from_str(&answer).ok()),
            ..self.report(from, to)
        }
    }

    /// Readers of what is there already, one after another; the first one warms up.
    pub(super) fn replay(mut self, count: u64) -> Report {
        self.control.emit(0, count);
        self.control.report();
        self.streams[0].emitted = count;
        let bare = self.memory();
        let mut from: Option<Mark> = None;
        for at in std::mem::take(&mut self.waiting) {
            self.waiting.push(at);
            let quiet = Instant::now() + Duration::from_secs(60);
            while self.subscribers[at].sequence.last < count && Instant::now() < quiet {
                self.turn(quiet);
            }
            self.subscribers[at].cut();
            from.get_or_insert_with(|| self.mark());
        }
        let to = self.mark();
        let end = self.memory();
        Report {
            memory_kib: [bare, bare, end],
            ..self.report(from.unwrap_or(to), to)
        }
    }
}

/// When the next event is due.
struct Pace {
    drive: Drive,
    start: Instant,
    /// Events that a rate has asked for so far, all streams.
    due: u64,
    held_back: u64,
    cut: Option<Cut>,
}

/// The moment at which all were cut off, and how far they are back.
struct Cut {
    at: Instant,
    /// What had been emitted when the last one was attached again, by stream.
    wanted: Option<Vec<u64>>,
    caught_up_ms: Option<f64>,
}

impl Pace {
    fn new(load: &Load) -> Self {
        Self {
            drive: load.job.drive,
            start: Instant::now(),
            due: 0,
            held_back: 0,
            cut: None,
        }
    }

    fn drive(&mut self, load: &mut Load, time: Duration) {
        let mut end = Instant::now() + time;
        let middle = Instant::now() + time / 3;
        while Instant::now() < end {
            let next = match self.drive {
                Drive::Window(size) => {
                    self.fill(load, size);
                    end
                }
                Drive::Rate(each) => self.emit_due(load, each, BEHIND).min(end),
                Drive::Cut(each) => {
                    if load.latency.is_some() && self.cut.is_none() && Instant::now() >= middle {
                        self.cut = Some(Cut::all(load));
                    }
                    self.emit_due(load, each, u64::MAX).min(end)
                }
                Drive::Idle | Drive::Replay(_) => end,
            };
            load.control.flush();
            if self.is_catching_up() {
                end = end.max(Instant::now() + LITTLE);
            }
            load.turn(next);
            if let Some(cut) = &mut self.cut {
                cut.look(load);
            }
        }
    }

    /// Whether there is still somebody to come back, and time for it.
    fn is_catching_up(&self) -> bool {
        let waits = |cut: &Cut| cut.caught_up_ms.is_none() && cut.at.elapsed() < PATIENCE;
        self.cut.as_ref().is_some_and(waits)
    }

    /// Keeps so many of each stream on their way.
    fn fill(&mut self, load: &mut Load, size: u64) {
        if self.due == 0 {
            self.due = 1;
            load.moved = (0..load.streams.len()).collect();
        }
        while let Some(stream) = load.moved.pop() {
            let progress = &mut load.streams[stream];
            let room = size.saturating_sub(progress.on_the_way());
            if room > 0 {
                progress.emitted += room;
                load.control.emit(stream, room);
            }
        }
    }

    /// Asks for what is due, the streams in turn; when the next one is.
    fn emit_due(&mut self, load: &mut Load, each: f64, behind: u64) -> Instant {
        load.moved.clear();
        let streams = load.streams.len();
        let between = 1.0 / (each * streams as f64);
        let due = (self.start.elapsed().as_secs_f64() / between) as u64;
        while self.due < due {
            let stream = (self.due % streams as u64) as usize;
            self.due += 1;
            let progress = &mut load.streams[stream];
            if progress.on_the_way() >= behind {
                self.held_back += 1;
                continue;
            }
            progress.emitted += 1;
            load.control.emit(stream, 1);
        }
        self.start + Duration::from_secs_f64((due + 1) as f64 * between)
    }
}

impl Cut {
    fn all(load: &mut Load) -> Self {
        let at = Instant::now();
        for one in &mut load.subscribers {
            one.cut();
        }
        load.attached = 0;
        load.connecting = 0;
        load.waiting = (0..load.subscribers.len()).collect();
        Self {
            at,
            wanted: None,
            caught_up_ms: None,
        }
    }

    /// Caught up is who has all that had been emitted when the last one was back.
    fn look(&mut self, load: &Load) {
        if self.caught_up_ms.is_some() || load.attached < load.subscribers.len() {
            return;
        }
        let emitted = || load.streams.iter().map(|it| it.emitted).collect();
        let wanted = self.wanted.get_or_insert_with(emitted);
        let streams = load.streams.iter().zip(wanted.iter());
        if streams.clone().all(|(it, &wanted)| it.everyone >= wanted) {
            self.caught_up_ms = Some(self.at.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// How much longer is waited each time that somebody is not back.
const LITTLE: Duration = Duration::from_millis(10);

/// How long all may take to come back.
const PATIENCE: Duration = Duration::from_secs(15);

/// Events of a stream on their way past which a rate is held back: the server does not keep up.
const BEHIND: u64 = 64;
