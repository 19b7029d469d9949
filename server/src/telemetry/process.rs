//! The process itself, under the names that every Prometheus client uses.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::page::{Labels, Page};

/// What the system tells of this process. Elsewhere than on Linux it tells nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.tell(&mut Page::Scrape(encoder))
    }
}

impl Process {
    /// Tells all of it.
    pub(super) fn tell(self, page: &mut Page<'_>) -> fmt::Result {
        if let Some(bytes) = resident() {
            let bytes = bytes as f64;
            page.value(
                "process_resident_memory",
                "Memory that is in use",
                Some(Unit::Bytes),
                bytes,
            )?;
        }
        if let Some(cpu) = cpu_seconds() {
            let series = [(Labels::new(), cpu)];
            page.seconds("process_cpu", "CPU time, user and system", series)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // one of them is the folder's own
            let open = open.count().saturating_sub(1) as f64;
            page.value("process_open_fds", "Open file descriptors", None, open)?;
        }
        Ok(())
    }
}

/// Bytes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // the name, in parentheses, may hold anything; user time is the 14th field, system time the 15th
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS_A_SECOND)
}

/// `USER_HZ`, in which Linux tells times to programs on every architecture.
const TICKS_A_SECOND: f64 = 100.0;
