//! TLS on the connections that the server accepts, by rustls.

mod certificate;
#[cfg(test)]
pub(crate) mod pair;
mod session;
mod settings;

pub(crate) use self::certificate::{Certificate, H2};
pub(super) use self::session::TlsSocket;
pub use self::settings::TlsSettings;
