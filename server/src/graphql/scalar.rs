//! Scalars that GraphQL has not.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// A whole number from 0 to 2^53: GraphQL's `Int` ends at 2^31.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Long(pub(super) u64);

/// A whole number from 0 to 2^53, which `Int` is too small for.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        if let Value::Number(number) = &value
            && let Some(number) = number.as_u64()
        {
            return Ok(Self(number));
        }
        Err(InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}
