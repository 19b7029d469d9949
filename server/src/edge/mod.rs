//! What a request meets before it meets the product, and what a response tells a browser.

mod compression;
mod content_policy;
mod headers;
mod origins;
mod request_id;
mod settings;
mod source;
mod way;

pub use self::compression::CompressionSettings;
pub(crate) use self::content_policy::of_page;
pub(crate) use self::headers::event_stream;
pub(crate) use self::origins::cross_origin;
pub use self::settings::EdgeSettings;
pub use self::source::Forwarding;
pub(crate) use self::source::{Network, Source, trusted};
pub(crate) use self::way::Way;
