//! One server, one measurement: starts it, loads it, ends it.

use crate::job::{Exchange, Job, Ready, Report, Resume, Role, Service, Target, Transport};
use crate::machine;
use crate::process;
use crate::scenarios::Case;

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) server: &'static str,
    pub(crate) transport: Transport,
    pub(crate) role: Role,
}

/// The rows that are part of this executable.
pub(crate) const OWN: [(&str, Role); 3] = [
    (LIMIT, Role::Raw),
    ("stepcast", Role::Stepcast),
    ("axum, broadcast channel", Role::Broadcast),
];

/// What all are compared with.
pub(crate) const LIMIT: &str = "raw loop of write(2)";

impl Row {
    /// Measures it once.
    pub(crate) fn measure(&self, case: &Case) -> Report {
        let directory = tempfile::tempdir().unwrap();
        let service = Service {
            role: self.role,
            transport: self.transport,
            shape: case.shape.clone(),
            directory: directory.path().to_owned(),
            publish_to: None,
        };
        let (server, ready) = process::serve(cores().0, &service);
        let target = self.target(&ready, server.id());
        process::load(cores().1, &case.job(target))
    }

    fn target(&self, ready: &Ready, pid: u32) -> Target {
        let expect = |text: &str| Exchange {
            expect: text.to_owned(),
            send: None,
        };
        let mut handshake = vec![expect("\r\n\r\n")];
        if self.role == Role::Stepcast {
            handshake.push(expect("hello"));
        }
        Target {
            http: ready.http,
            control: ready.control,
            transport: self.transport,
            path: match self.transport {
                Transport::Sse => "/stream/pipeline/{run}".to_owned(),
                Transport::Ws => "/ws/pipeline/{run}".to_owned(),
            },
            handshake,
            resume: match self.role {
                Role::Stepcast | Role::Raw => Resume::After(ready.cursor_prefix.clone()),
                Role::Broadcast | Role::Publisher => Resume::None,
            },
            answers: self.role == Role::Stepcast,
            pids: vec![pid],
        }
    }
}

/// The server's core and the load generator's; the same where there is but one.
pub(crate) fn cores() -> (usize, usize) {
    let cores = machine::cores();
    (cores[0], cores[cores.len() - 1])
}

impl Case {
    fn job(&self, target: Target) -> Job {
        Job {
            target,
            shape: self.shape.clone(),
            drive: self.drive,
            warm: self.warm,
            seconds: self.seconds,
            stalled: self.stalled,
        }
    }
}
