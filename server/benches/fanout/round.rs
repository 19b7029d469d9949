//! One server, one measurement: starts it, loads it, ends it.

use std::path::Path;

use crate::job::{Coding, Exchange, Job, Report, Resume, Role, Service, Shape, Target, Transport};
use crate::machine;
use crate::peers::Peer;
use crate::process::{self, Process};
use crate::scenarios::Case;

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) server: Server,
    pub(crate) transport: Transport,
    pub(crate) coding: Coding,
}

/// A server to be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Server {
    /// A role of this executable.
    Own(Role),
    /// Another's.
    Peer(Peer),
}

/// A server that can be reached, until its processes are dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) target: Target,
    pub(crate) processes: Vec<Process>,
}

impl Server {
    pub(crate) const LIMIT: Self = Self::Own(Role::Raw);

    /// What measuring is compared with.
    pub(crate) const UNMEASURED: Self = Self::Own(Role::Unmeasured);

    /// The servers that are part of this executable.
    pub(crate) const OWN: [Self; 4] = [
        Self::LIMIT,
        Self::UNMEASURED,
        Self::Own(Role::Stepcast),
        Self::Own(Role::Broadcast),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own(Role::Raw) => "raw loop of write(2)",
            Self::Own(Role::Stepcast) => "stepcast",
            Self::Own(Role::Unmeasured) => "stepcast, not measuring",
            Self::Own(Role::Broadcast) => "axum, broadcast channel",
            Self::Own(Role::Publisher) => "publisher",
            Self::Peer(peer) => peer.name(),
        }
    }

    /// Whether a reader can be given what was emitted before it came.
    pub(crate) fn replays(self) -> bool {
        matches!(
            self,
            Self::Own(Role::Raw | Role::Stepcast | Role::Unmeasured)
        )
    }
}

impl Row {
    pub(crate) fn name(&self) -> String {
        let server = self.server.name();
        if self.coding == Coding::Plain {
            return server.to_owned();
        }
        format!("{server}, {}", self.coding.name())
    }

    /// Measures it once; nothing where the server did not bear it.
    pub(crate) fn measure(&self, case: &Case) -> Option<Report> {
        let directory = tempfile::tempdir().unwrap();
        let running = match self.server {
            Server::Own(role) => self.own(role, &case.shape, directory.path()),
            Server::Peer(peer) => peer.start(self.transport, &case.shape, directory.path()),
        };
        let report = process::load(cores().1, &case.job(&running.target));
        drop(running.processes);
        report
    }

    fn own(&self, role: Role, shape: &Shape, directory: &Path) -> Running {
        let service = Service {
            role,
            transport: self.transport,
            shape: shape.clone(),
            directory: directory.to_owned(),
            publish_to: None,
        };
        let (process, ready) = process::serve(cores().0, &service);
        let mut handshake = vec![Exchange::expect("\r\n\r\n")];
        let is_product = matches!(role, Role::Stepcast | Role::Unmeasured);
        if is_product {
            handshake.push(Exchange::expect("hello"));
        }
        let target = Target {
            http: ready.http,
            control: ready.control,
            transport: self.transport,
            coding: self.coding,
            path: match self.transport {
                Transport::Sse => "/stream/pipeline/{run}".to_owned(),
                Transport::Ws => "/ws/pipeline/{run}".to_owned(),
            },
            handshake,
            resume: match role {
                Role::Stepcast | Role::Unmeasured | Role::Raw => Resume::After(ready.cursor_prefix),
                Role::Broadcast | Role::Publisher => Resume::None,
            },
            answers: is_product,
            pids: vec![process.id()],
        };
        Running {
            target,
            processes: vec![process],
        }
    }
}

/// The server's core and the load generator's; the same where there is but one.
pub(crate) fn cores() -> (usize, usize) {
    let cores = machine::cores();
    (cores[0], cores[cores.len() - 1])
}

impl Case {
    fn job(&self, target: &Target) -> Job {
        Job {
            target: target.clone(),
            shape: self.shape.clone(),
            drive: self.drive,
            warm: self.seconds / 2.0,
            seconds: self.seconds,
            stalled: self.stalled,
        }
    }
}

impl Exchange {
    /// Waits for a text.
    pub(crate) fn expect(text: &str) -> Self {
        Self {
            expect: text.to_owned(),
            send: None,
        }
    }

    /// Waits for a text, and answers it.
    pub(crate) fn answer(expect: &str, send: &str) -> Self {
        Self {
            expect: expect.to_owned(),
            send: Some(send.to_owned()),
        }
    }
}
