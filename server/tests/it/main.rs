//! Integration tests, one binary.

mod pipeline_condition;
mod pipeline_definition;
mod pipeline_template;
