//! `transform`: reshapes data with a jq expression.
//!
//! The expression sees the step's inputs where it names any, else the merged data, and `$parameters`.
//! It cannot read the server's environment or files. It can recurse and grow without end, and so it is applied by a
//! [process](evaluator) of its own where there is a program for that.

mod evaluator;
mod expression;
mod frame;
mod worker;

use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use self::evaluator::Evaluator;
use self::evaluator::Running;
use self::expression::{Expression, Failure};
pub(crate) use self::worker::work;
use super::registry::made;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};
use crate::pipeline::scope::walk;

struct Transform {
    code: String,
    expression: Arc<Expression>,
    each: Option<String>,
    evaluator: Option<Arc<Evaluator>>,
}

/// Where an expression is applied.
enum Place {
    /// In this process.
    Here,
    /// In one of its own.
    Apart(Box<Running>),
}

/// A step of this kind, whose expression is applied by `evaluator`; in this process where there is none.
pub(super) fn load(
    config: &StepConfig<'_>,
    evaluator: Option<&Arc<Evaluator>>,
) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let (mut read, mut each) = (None, None);
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        match fields.either(&["expression", "jq"], &mut problems) {
            Some((key, Value::String(code))) => match Expression::read(code) {
                Ok(expression) => read = Some((code.clone(), expression)),
                Err(message) => problems.error(&fields.place(key), message),
            },
            Some((key, _)) => problems.error(&fields.place(key), "a jq expression is a text"),
            None => problems.error(&config.place, "`transform` needs an `expression`"),
        }
        each = fields.text("each", &mut problems).map(str::to_owned);
        fields.close(&mut problems);
    }
    match read {
        Some((code, expression)) => made(
            Transform {
                code,
                expression: Arc::new(expression),
                each,
                evaluator: evaluator.cloned(),
            },
            problems,
        ),
        None => Err(problems.into_parts().0),
    }
}

impl Step for Transform {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let subject = context.subject();
            let mut place = self.place(&context).await?;
            match &self.each {
                None => {
                    let mut outputs = self.apply(&mut place, &context, vec![subject]).await?;
                    Ok(match (outputs.pop(), outputs.is_empty()) {
                        (None, _) => Value::Null,
                        (Some(only), true) => only,
                        (Some(last), false) => {
                            outputs.push(last);
                            outputs.into()
                        }
                    })
                }
                Some(path) => {
                    self.apply_to_each(&mut place, &context, &subject, path)
                        .await
                }
            }
        })
    }
}

impl Transform {
    async fn place(&self, context: &StepContext) -> Result<Place, StepError> {
        let Some(evaluator) = &self.evaluator else {
            return Ok(Place::Here);
        };
        let directory = context.policy().root();
        let running = evaluator.start(&self.code, context.parameters(), directory);
        Ok(Place::Apart(Box::new(running.await?)))
    }

    /// Applies the expression to every element of the list at `path`, and says how far it is.
    async fn apply_to_each(
        &self,
        place: &mut Place,
        context: &StepContext,
        subject: &Value,
        path: &str,
    ) -> Result<Value, StepError> {
        let Some(list) = walk(subject, path).and_then(Value::as_array) else {
            let message = format!("`each` names no list: `{path}`");
            return Err(StepError::new(Category::Validation, message));
        };
        let mut items = Vec::new();
        for (at, part) in list.chunks(PART).enumerate() {
            items.extend(self.apply(place, context, part.to_vec()).await?);
            let done = (at * PART + part.len()) as f64 / list.len() as f64;
            let message = format!("{} of {}", at * PART + part.len(), list.len());
            context.emit_progress(done, message.as_str()).await;
        }
        Ok(json!({"items": items}))
    }

    async fn apply(
        &self,
        place: &mut Place,
        context: &StepContext,
        subjects: Vec<Value>,
    ) -> Result<Vec<Value>, StepError> {
        let given = match place {
            Place::Apart(running) => running.apply(&subjects).await?,
            Place::Here => self.apply_here(context, subjects).await,
        };
        given.map_err(|failure| match failure {
            Failure::Logic(message) => StepError::new(Category::Logic, message),
            Failure::Stopped => StepError::stopped("stopped"),
        })
    }

    /// Off the threads that serve others: an expression may take long.
    async fn apply_here(
        &self,
        context: &StepContext,
        subjects: Vec<Value>,
    ) -> Result<Vec<Value>, Failure> {
        let expression = Arc::clone(&self.expression);
        let parameters = Value::Object(context.parameters().clone());
        let over = context.cancelled();
        let task = move || expression.apply(&parameters, &subjects, || over.is_cancelled());
        let given = tokio::task::spawn_blocking(task).await;
        given.unwrap_or(Err(Failure::Stopped))
    }
}

/// Elements between two reports of progress.
const PART: usize = 256;
