//! Which server a command speaks to, and as whom.

use clap::Args;

/// Which server, and who asks it.
#[derive(Args, Clone, Debug)]
pub(super) struct Remote {
    /// The server, where only an id is given
    #[arg(
        long,
        value_name = "URL",
        env = "STEPCAST_SERVER",
        default_value = "http://127.0.0.1:8400"
    )]
    pub(super) server: String,
    /// Who you are, on a server with accounts; an answer is by that user
    #[arg(
        long,
        value_name = "TOKEN",
        env = "STEPCAST_TOKEN",
        hide_env_values = true
    )]
    pub(super) token: Option<String>,
}
