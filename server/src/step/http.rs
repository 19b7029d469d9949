use crate::pipeline::definition::Problem;
use crate::step::{Step, StepConfig};
pub(super) fn load(_config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    Err(Vec::new())
}
