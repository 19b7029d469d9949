//! How frames are written: JSON text, SSE fields, pages, close codes.

pub mod close;
pub mod frame;
pub mod page;
pub mod sse;
