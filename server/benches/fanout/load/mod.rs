//! The load generator: thousands of subscribers in one thread, one epoll and one buffer.
//!
//! It has a core of its own, and its own CPU is in the report, so that it is seen not to be what limits a server.

mod control;
mod decode;
mod drive;
mod progress;
mod scan;
mod secured;
mod sequence;
mod subscriber;

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use self::control::Control;
use self::progress::Progress;
use self::scan::Scanner;
use self::subscriber::Subscriber;
use crate::event::unix_micros;
use crate::histogram::Histogram;
use crate::job::{Drive, Job, Report, Wire};
use crate::machine;

/// Does the job.
pub(crate) fn run(job: Job) -> Report {
    machine::raise_open_files();
    if job.shape.wire != Wire::Clear {
        return secured::idle(&job);
    }
    let load = Load::new(job);
    match load.job.drive {
        Drive::Replay(count) => load.replay(count),
        Drive::Window(_) | Drive::Rate(_) | Drive::Cut(_) | Drive::Idle => load.measure(),
    }
}

struct Load {
    job: Job,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    scanner: Scanner,
    control: Control,
    subscribers: Vec<Subscriber>,
    streams: Vec<Progress>,
    /// Streams whose subscribers have all come further since it was last looked.
    moved: Vec<usize>,
    /// Subscribers that are to connect, and those on the way to being attached.
    waiting: Vec<usize>,
    connecting: usize,
    attached: usize,
    deliveries: u64,
    bytes: u64,
    broken: u64,
    /// Filled while it counts.
    latency: Option<Histogram>,
}

/// What had been used and done at a moment.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    server: f64,
    own: f64,
    deliveries: u64,
    bytes: u64,
}

impl Load {
    fn new(job: Job) -> Self {
        let shape = &job.shape;
        let total = shape.streams * shape.subscribers;
        let subscriber = |at: usize| {
            let stalls = at >= total - job.stalled;
            Subscriber::new(at % shape.streams, stalls, job.target.coding)
        };
        let subscribers: Vec<Subscriber> = (0..total).map(subscriber).collect();
        let mut streams = vec![Progress::default(); shape.streams];
        for one in subscribers.iter().filter(|one| !one.stalls) {
            streams[one.stream].subscribers += 1;
        }
        Self {
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            scanner: Scanner::default(),
            control: Control::connect(job.target.control),
            subscribers,
            streams,
            moved: Vec::new(),
            waiting: (0..total).rev().collect(),
            connecting: 0,
            attached: 0,
            deliveries: 0,
            bytes: 0,
            broken: 0,
            latency: None,
            job,
        }
    }

    /// Waits for what comes, at most until `until`, and takes it.
    fn turn(&mut self, until: Instant) {
        self.connect_more();
        let timeout = until.saturating_duration_since(Instant::now());
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout)) {
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
            return;
        }
        let now = unix_micros();
        for event in &self.events {
            let at = event.token().0;
            let one = &mut self.subscribers[at];
            if event.is_writable() {
                one.writable(&self.job.target);
            }
            if !event.is_readable() {
                continue;
            }
            let (before, was_attached) = (one.sequence.last, one.is_attached());
            let latency = &mut self.latency;
            let taken = one.readable(
                &self.job.target,
                &self.scanner,
                &mut self.buffer,
                now,
                |micros| {
                    if let Some(latency) = latency {
                        latency.record(micros);
                    }
                },
            );
            self.deliveries += taken.events;
            self.bytes += taken.bytes;
            if taken.attached {
                self.attached += 1;
                self.connecting -= 1;
            }
            if taken.ended {
                self.broken += 1;
                if was_attached {
                    self.attached -= 1;
                } else {
                    self.connecting -= 1;
                }
            }
            let (stream, last) = (one.stream, one.sequence.last);
            if last > before && !one.stalls && self.streams[stream].moved(before, last) {
                self.moved.push(stream);
            }
        }
    }

    /// As many at a time as a listener's queue takes.
    fn connect_more(&mut self) {
        while self.connecting < CONNECTING {
            let Some(at) = self.waiting.pop() else {
                return;
            };
            let registry = self.poll.registry();
            self.subscribers[at].connect(&self.job.target, registry, Token(at));
            self.connecting += 1;
        }
    }

    /// Connects all, and gives the server a moment to be done with it.
    fn attach(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.attached < self.subscribers.len() && Instant::now() < deadline {
            self.turn(deadline);
        }
        let (is, of) = (self.attached, self.subscribers.len());
        assert_eq!(is, of, "only {is} of {of} subscribers could be attached");
        self.turns(SETTLE);
    }

    /// Takes what comes for so long.
    fn turns(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(end);
        }
    }

    /// Waits until everyone has everything, or nothing more comes.
    fn drain(&mut self) {
        let mut seen = self.deliveries;
        let mut quiet = Instant::now();
        while self.streams.iter().any(|it| it.on_the_way() > 0) && quiet.elapsed() < QUIET {
            self.turn(Instant::now() + QUIET / 4);
            if self.deliveries > seen {
                (seen, quiet) = (self.deliveries, Instant::now());
            }
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            at: Instant::now(),
            server: machine::cpu_seconds(&self.job.target.pids),
            own: machine::cpu_seconds(&[std::process::id()]),
            deliveries: self.deliveries,
            bytes: self.bytes,
        }
    }

    /// What lies between two marks.
    fn report(&self, from: Mark, to: Mark) -> Report {
        let mut report = Report {
            deliveries: to.deliveries - from.deliveries,
            bytes: to.bytes - from.bytes,
            seconds: (to.at - from.at).as_secs_f64(),
            server_cpu: to.server - from.server,
            load_cpu: to.own - from.own,
            broken: self.broken,
            ..Report::default()
        };
        if let Some(latency) = &self.latency {
            report.latency = [0.5, 0.99, 1.0].map(|share| latency.percentile(share) as f64 / 1e3);
        }
        for one in self.subscribers.iter().filter(|one| !one.stalls) {
            report.lost += one.sequence.lost(self.streams[one.stream].emitted);
            report.doubled += one.sequence.doubled;
            report.reordered += one.sequence.reordered;
        }
        report
    }

    fn memory(&self) -> u64 {
        machine::memory_kib(&self.job.target.pids)
    }
}

/// Connections on their way at once: fewer than a listener queues by default, so that none waits for the second in
/// which a lost SYN is sent again.
const CONNECTING: usize = 100;

/// How long subscribers may take to be attached.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server is given after the last one is attached.
const SETTLE: Duration = Duration::from_millis(200);

/// Nothing for so long: nothing more comes.
const QUIET: Duration = Duration::from_secs(1);
