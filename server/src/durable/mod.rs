//! Executions in the words of Durable Streams: what a stream holds, where a reader stands, what may be said of one.
//! Pure; `transport/durable/` carries it.

mod content;
mod kept;
mod offset;
mod words;

pub(crate) use self::content::{Content, NoMessage};
pub(crate) use self::kept::Kept;
pub(crate) use self::offset::{Offset, settled};
pub(crate) use self::words::{Asked, Live, cursor, is_closing};

#[cfg(test)]
mod tests;
