//! Processes that are to be there no more.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Whether a process is there and is no zombie.
pub(crate) fn lives(pid: impl Display) -> bool {
    let pid = pid.to_string();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    status.is_ok_and(|status| {
        !status
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: impl Display) -> bool {
    let deadline = Instant::now() + Duration::from_secs(2);
    while lives(&pid) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    !lives(&pid)
}
