//! How much anybody may ask for, and how long they may take over it.

mod body;
mod counts;
mod depth;
mod rates;
mod settings;

pub(crate) use self::body::Arriving;
pub(crate) use self::counts::{Counts, Place};
pub(crate) use self::depth::is_deeper;
pub(crate) use self::rates::{Kind, Later, Rates, StreamPlace, Who};
pub use self::settings::LimitSettings;
