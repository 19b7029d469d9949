//! The servers that are roles of this executable.

mod broadcast;
mod publisher;
mod raw;
mod stepcast;

use std::net::SocketAddr;

use crate::job::{Ready, Role, Service};

/// Serves until the process is ended.
pub(crate) fn serve(service: &Service) {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    crate::machine::raise_open_files();
    match service.role {
        Role::Stepcast | Role::Unmeasured => runtime().block_on(stepcast::serve(service)),
        Role::Raw => raw::serve(service),
        Role::Broadcast => runtime().block_on(broadcast::serve(service)),
        Role::Publisher => publisher::serve(service),
    }
}

/// Tells the director that the server can be reached.
fn ready(http: SocketAddr, control: SocketAddr, cursor_prefix: String) {
    let ready = Ready {
        http,
        control,
        cursor_prefix,
    };
    println!("{}", serde_json::to_string(&ready).unwrap());
}
