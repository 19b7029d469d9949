//! Ctrl-C and SIGTERM, none of them missed between two waits.

use std::io;

/// Requests to end, by the keyboard or by another process.
#[derive(Debug)]
pub(super) struct Interrupts {
    #[cfg(unix)]
    pressed: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
    #[cfg(windows)]
    pressed: tokio::signal::windows::CtrlC,
}

impl Interrupts {
    /// Takes them over from now on: the process no longer ends by itself.
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            pressed: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
        })
    }

    /// Takes it over from now on: the process no longer ends by itself.
    #[cfg(windows)]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            pressed: tokio::signal::windows::ctrl_c()?,
        })
    }

    /// The next one. Cancel safe.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        // Neither ends while the runtime lives.
        tokio::select! {
            _ = self.pressed.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }

    /// The next one. Cancel safe.
    #[cfg(windows)]
    pub(super) async fn next(&mut self) {
        self.pressed.recv().await;
    }
}
