//! Glyphs: each state has a shape of its own, so that colour is never the only sign.

use leptos::prelude::*;
use stepcast_core::control::EndReason;
use stepcast_core::view::{RunStatus, RunView, StepStatus};

/// The shape of a state; its colour comes from the `data-status` around it. The word stands beside it.
#[component]
pub fn Glyph(
    /// The state, by its name on the wire.
    #[prop(into)]
    status: Signal<&'static str>,
) -> impl IntoView {
    view! {
        <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" data-status=status>
            <path fill-rule="evenodd" d=move || shape(status.get())></path>
        </svg>
    }
}

/// A step's status, as the wire and the styles name it.
pub const fn step_status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending => "pending",
        StepStatus::Running => "running",
        StepStatus::Retrying => "retrying",
        StepStatus::Waiting => "waiting",
        StepStatus::Completed => "completed",
        StepStatus::FailedContinued => "failed_continued",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
        StepStatus::Unknown | _ => "unknown",
    }
}

/// A run's status, as the server's list names it.
pub fn run_status(view: &RunView) -> &'static str {
    match (view.end, view.status) {
        (Some(EndReason::Complete), _) | (None, RunStatus::Completed) => "completed",
        (Some(EndReason::Cancelled), _) => "cancelled",
        (Some(EndReason::Interrupted), _) => "interrupted",
        (Some(EndReason::Timeout), _) => "timeout",
        (Some(EndReason::ProducerLost), _) => "producer_lost",
        (Some(_), _) | (None, RunStatus::Failed) => "failed",
        (None, RunStatus::Pending) => "pending",
        (None, RunStatus::Running) => "running",
        (None, RunStatus::Waiting) => "waiting",
        (None, _) => "unknown",
    }
}

/// The names of the states, from whatever text the server sent.
pub fn known_status(text: &str) -> &'static str {
    STATUSES
        .into_iter()
        .find(|known| *known == text)
        .unwrap_or("unknown")
}

fn shape(status: &str) -> &'static str {
    match status {
        // a ring
        "pending" => {
            "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 1.6a4.4 4.4 0 1 0 0 8.8 4.4 4.4 0 0 0 0-8.8Z"
        }
        // three quarters of a ring around a dot
        "running" => {
            "M8 1a7 7 0 1 1-7 7h1.9A5.1 5.1 0 1 0 8 2.9V1Zm0 4.4a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2Z"
        }
        // an arrow that turns back
        "retrying" => "M8 1v2a5.5 5.5 0 1 1-5.5 5.5h1.9A3.6 3.6 0 1 0 8 4.9V7L4.2 4 8 1Z",
        // two bars
        "waiting" => "M3.5 2h3v12h-3V2Zm6 0h3v12h-3V2Z",
        // a disc with a tick cut out
        "completed" => {
            "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm3.3 4.1L7 9.5 4.8 7.4 3.7 8.6l3.4 3.2 5.4-5.6-1.2-1.1Z"
        }
        // an octagon with a cross cut out
        "failed" => {
            "M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1L5.1 1Zm.5 3.5L4.5 5.6 6.9 8l-2.4 2.4 1.1 1.1L8 9.1l2.4 2.4 1.1-1.1L9.1 8l2.4-2.4-1.1-1.1L8 6.9 5.6 4.5Z"
        }
        // a triangle with a mark cut out
        "failed_continued" => {
            "M8 1.2 15.6 14.6H.4L8 1.2Zm-.9 4.7v4.2h1.8V5.9H7.1Zm0 5.3V13h1.8v-1.8H7.1Z"
        }
        // a square
        "cancelled" => "M2.5 2.5h11v11h-11v-11Z",
        // a disc broken in two
        "interrupted" | "producer_lost" => {
            "M6.9 1.1v13.8A7 7 0 0 1 6.9 1.1Zm2.2 0a7 7 0 0 1 0 13.8V1.1Z"
        }
        // an hourglass
        "timeout" => "M3 1h10v2.2L9.4 8 13 12.8V15H3v-2.2L6.6 8 3 3.2V1Z",
        // a dash
        "skipped" => "M2.5 7h11v2h-11V7Z",
        // three dots
        _ => "M1.5 6.6h2.8v2.8H1.5V6.6Zm5.1 0h2.8v2.8H6.6V6.6Zm5.1 0h2.8v2.8h-2.8V6.6Z",
    }
}

const STATUSES: [&str; 13] = [
    "pending",
    "running",
    "retrying",
    "waiting",
    "completed",
    "failed_continued",
    "failed",
    "cancelled",
    "interrupted",
    "producer_lost",
    "timeout",
    "skipped",
    "unknown",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn states_differ_in_shape() {
        let shapes: BTreeSet<&str> = STATUSES.into_iter().map(shape).collect();
        // both interrupted and producer_lost are a run broken in the middle
        assert_eq!(shapes.len(), STATUSES.len() - 1);
        assert_eq!(known_status("later"), "unknown");
    }
}
