//! The Stepcast server: runs pipelines and streams every event of them from one durable log.

pub mod context;
pub mod pipeline;
pub mod step;
