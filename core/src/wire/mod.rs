//! How frames are written: JSON text, SSE fields, close codes.

pub mod close;
pub mod frame;
pub mod sse;
