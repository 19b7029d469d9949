//! Starts the other processes, each on its core, and ends them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::job::{Job, Ready, Report, Service};
use crate::machine;

/// A process that is ended when this is dropped, with those that it started.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts it on `core`.
    pub(crate) fn start(core: usize, command: &mut Command) -> Self {
        let child = machine::on_core(core, || command.spawn());
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// The first line that it writes.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        let output = self.0.stdout.as_mut().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "a server ended before it was ready");
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = machine::family(self.id());
        let _ended_already = self.0.kill();
        for pid in family.into_iter().skip(1) {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
            let _ended_with_it = kill_process(pid, Signal::KILL);
        }
        let _reaped_already = self.0.wait();
    }
}

/// Starts a role of this executable, and waits until it can be reached.
pub(crate) fn serve(core: usize, service: &Service) -> (Process, Ready) {
    let mut command = this(SERVE, &serde_json::to_string(service).unwrap());
    start(core, &mut command)
}

/// Starts a server that says when it is ready, and that ends when its input does.
pub(crate) fn start(core: usize, command: &mut Command) -> (Process, Ready) {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Process::start(core, piped);
    let ready = serde_json::from_str(&process.first_line()).unwrap();
    (process, ready)
}

/// Runs the load generator to its end; nothing where a server did not bear it.
pub(crate) fn load(core: usize, job: &Job) -> Option<Report> {
    let mut command = this(LOAD, &serde_json::to_string(job).unwrap());
    let output = machine::on_core(core, || command.stderr(Stdio::inherit()).output()).unwrap();
    let reported = || serde_json::from_slice(&output.stdout).unwrap();
    output.status.success().then(reported)
}

fn this(role: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(role).arg(argument);
    command
}

/// Ends this process when the one that started it is gone: its end of the pipe closes.
pub(crate) fn end_with_the_parent() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _closed = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}

/// The role of the load generator.
pub(crate) const LOAD: &str = "role:load";

/// The roles of servers.
pub(crate) const SERVE: &str = "role:serve";
