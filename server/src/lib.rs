//! The Stepcast server: runs pipelines and streams every event of them from one durable log.

pub mod clock;
pub mod context;
pub mod follow;
pub mod log;
pub mod subscriber;
