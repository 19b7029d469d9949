//! The machine: what it is, which core a process runs on, and what a process has used of it.

use std::fs;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// The machine, for those who read the figures elsewhere.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let rustc = Command::new("rustc").arg("--version").output();
        Self {
            cores: cores().len(),
            cpu: cpu.map_or("unknown", |(_, name)| name).to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            rustc: rustc.map_or_else(
                |_| "unknown".to_owned(),
                |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
            ),
        }
    }
}

impl Machine {
    /// One sentence.
    pub(crate) fn describe(&self) -> String {
        let Self {
            cores,
            cpu,
            kernel,
            rustc,
        } = self;
        format!("{cores} cores of {cpu}, Linux {kernel}, {rustc}, release profile")
    }
}

/// The cores that this thread may run on.
pub(crate) fn cores() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|&at| set.is_set(at)).collect()
}

/// Runs `start` on one core, so that the process it starts inherits that core with all its threads.
pub(crate) fn on_core<T>(core: usize, start: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None).unwrap();
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).unwrap();
    let started = start();
    sched_setaffinity(None, &before).unwrap();
    started
}

/// Raises the number of files that this process may open to what it is allowed to allow itself.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// CPU-seconds of these processes, user and system, all threads.
pub(crate) fn cpu_seconds(pids: &[u32]) -> f64 {
    let of = |pid: &u32| scheduled(*pid).or_else(|| ticked(*pid)).unwrap_or(0.0);
    pids.iter().map(of).sum()
}

/// By the scheduler's own account, thread by thread, in nanoseconds.
fn scheduled(pid: u32) -> Option<f64> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let account = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += account.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(nanos as f64 / 1e9)
}

/// In ticks, of 10 ms as a rule, where the kernel keeps no better account: `utime` and `stime`, the 14th and 15th
/// fields; the name before them may hold blanks.
fn ticked(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The memory that these processes hold, KiB.
pub(crate) fn memory_kib(pids: &[u32]) -> u64 {
    let of = |pid: &u32| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    pids.iter().filter_map(of).sum()
}

/// The children of a process, and theirs.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        let path = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(path).unwrap_or_default();
        family.extend(
            children
                .split_whitespace()
                .filter_map(|it| it.parse::<u32>().ok()),
        );
        at += 1;
    }
    family
}
