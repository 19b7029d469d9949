//! `transform`: reshapes data with a jq expression.
//!
//! The expression sees the step's inputs where it names any, else the merged data, and `$parameters`.
//! It cannot read the server's environment or files.

use std::sync::Arc;
use std::thread::Builder;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, load};
use jaq_json::{Num, Val};
use serde::Deserialize as _;
use serde_json::{Map, Number, Value, json};
use tokio_util::sync::CancellationToken;

use super::registry::made;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};
use crate::pipeline::scope::walk;

struct Transform {
    filter: Arc<Filter<JustLut<Val>>>,
    each: Option<String>,
}

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let (mut filter, mut each) = (None, None);
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        match fields.either(&["expression", "jq"], &mut problems) {
            Some((key, Value::String(code))) => match read(code) {
                Ok(compiled) => filter = Some(compiled),
                Err(message) => problems.error(&fields.place(key), message),
            },
            Some((key, _)) => problems.error(&fields.place(key), "a jq expression is a text"),
            None => problems.error(&config.place, "`transform` needs an `expression`"),
        }
        each = fields.text("each", &mut problems).map(str::to_owned);
        fields.close(&mut problems);
    }
    match filter {
        Some(filter) => {
            let filter = Arc::new(filter);
            made(Transform { filter, each }, problems)
        }
        None => Err(problems.into_parts().0),
    }
}

impl Step for Transform {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let subject = context.subject();
            match &self.each {
                None => {
                    let mut outputs = self.apply(&context, vec![subject]).await?;
                    Ok(match (outputs.pop(), outputs.is_empty()) {
                        (None, _) => Value::Null,
                        (Some(only), true) => only,
                        (Some(last), false) => {
                            outputs.push(last);
                            outputs.into()
                        }
                    })
                }
                Some(path) => self.apply_to_each(&context, &subject, path).await,
            }
        })
    }
}

impl Transform {
    /// Applies the expression to every element of the list at `path`, and says how far it is.
    async fn apply_to_each(
        &self,
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
            items.extend(self.apply(context, part.to_vec()).await?);
            let done = (at * PART + part.len()) as f64 / list.len() as f64;
            let message = format!("{} of {}", at * PART + part.len(), list.len());
            context.emit_progress(done, message.as_str()).await;
        }
        Ok(json!({"items": items}))
    }

    /// Off the threads that serve others: an expression may take long.
    async fn apply(
        &self,
        context: &StepContext,
        subjects: Vec<Value>,
    ) -> Result<Vec<Value>, StepError> {
        let filter = Arc::clone(&self.filter);
        let parameters = Value::Object(context.parameters().clone());
        let over = context.cancelled();
        let task = move || roomy(|| evaluate(&filter, &parameters, subjects, &over));
        let given = tokio::task::spawn_blocking(task).await;
        given.ok().flatten().unwrap_or_else(|| {
            let message = "jq failed in the expression";
            Err(StepError::new(Category::Logic, message))
        })
    }
}

fn read(code: &str) -> Result<Filter<JustLut<Val>>, String> {
    if code.len() > LONGEST {
        return Err(format!("a jq expression has at most {LONGEST} bytes"));
    }
    roomy(|| compile(code)).unwrap_or_else(|| Err("jq cannot read the expression".to_owned()))
}

/// jq reads an expression and goes through it by recursion, and a stack that overflows ends the server. So there is room
/// for whatever fits into an expression, nested or in a row. None where it panics.
fn roomy<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let working = Builder::new().stack_size(ROOM).spawn_scoped(scope, work);
        working.ok()?.join().ok()
    })
}

fn compile(code: &str) -> Result<Filter<JustLut<Val>>, String> {
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let funs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        // the server's environment may hold keys
        .filter(|(name, ..)| *name != "env");
    let arena = Arena::default();
    let file = File { code, path: () };
    let modules = Loader::new(defs)
        .load(&arena, file)
        .map_err(|errors| load_errors(&errors))?;
    Compiler::default()
        .with_funs(funs)
        .with_global_vars(["$parameters"])
        .compile(modules)
        .map_err(|errors| {
            let each = errors.into_iter().flat_map(|(_, errors)| errors);
            let told: Vec<String> = each
                .map(|(name, what)| format!("undefined {} `{name}`", what.as_str()))
                .collect();
            format!("no jq expression: {}", told.join("; "))
        })
}

fn load_errors(errors: &load::Errors<&str, ()>) -> String {
    let told: Vec<String> = errors
        .iter()
        .flat_map(|(_, error)| match error {
            load::Error::Io(errors) => errors
                .iter()
                .map(|(what, error)| format!("{what}: {error}"))
                .collect::<Vec<_>>(),
            load::Error::Lex(errors) => errors
                .iter()
                .map(|(expected, at)| unexpected(expected.as_str(), at))
                .collect(),
            load::Error::Parse(errors) => errors
                .iter()
                .map(|(expected, at)| unexpected(expected.as_str(), at))
                .collect(),
        })
        .collect();
    format!("no jq expression: {}", told.join("; "))
}

fn unexpected(expected: &str, at: &str) -> String {
    match at.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => format!("expected {expected} at `{line}`"),
        None => format!("expected {expected} at the end"),
    }
}

/// The longest expression, in bytes.
const LONGEST: usize = 16 << 10;

/// What an expression may take of the stack; no memory is used where it does not.
const ROOM: usize = 512 << 20;

fn evaluate(
    filter: &Filter<JustLut<Val>>,
    parameters: &Value,
    subjects: Vec<Value>,
    over: &CancellationToken,
) -> Result<Vec<Value>, StepError> {
    let logic = |message: String| StepError::new(Category::Logic, message);
    let read = |value: &Value| Val::deserialize(value).map_err(|error| logic(error.to_string()));
    let parameters = read(parameters)?;
    let mut outputs = Vec::new();
    for subject in subjects {
        let vars = Vars::new([parameters.clone()]);
        let context = Ctx::<JustLut<Val>>::new(&filter.lut, vars);
        for output in filter.id.run((context, read(&subject)?)) {
            if over.is_cancelled() {
                return Err(StepError::stopped("stopped"));
            }
            if outputs.len() == MOST {
                return Err(logic(format!(
                    "the expression gives more than {MOST} values"
                )));
            }
            // `halt` is an exception: the library's own way to unwrap it would end the server
            let output = output.map_err(|exception| match exception.get_err() {
                Ok(error) => logic(short(&error.to_string())),
                Err(_halt) => logic("the expression asked to halt".to_owned()),
            })?;
            outputs.push(to_json(&output, 0).map_err(logic)?);
        }
    }
    Ok(outputs)
}

/// JSON has no bytes and no keys but texts; what jq has of these is written as text.
fn to_json(value: &Val, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(format!(
            "the expression gives values nested deeper than {DEEPEST}"
        ));
    }
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => (*flag).into(),
        Val::Num(number) => number_to_json(number),
        Val::BStr(bytes) | Val::TStr(bytes) => String::from_utf8_lossy(bytes).into(),
        Val::Arr(list) => list
            .iter()
            .map(|value| to_json(value, depth + 1))
            .collect::<Result<_, _>>()?,
        Val::Obj(map) => {
            let mut object = Map::new();
            for (key, value) in map.iter() {
                let key = match key {
                    Val::BStr(bytes) | Val::TStr(bytes) => {
                        String::from_utf8_lossy(bytes).into_owned()
                    }
                    Val::Null | Val::Bool(_) | Val::Num(_) | Val::Arr(_) | Val::Obj(_) => {
                        key.to_string()
                    }
                };
                object.insert(key, to_json(value, depth + 1)?);
            }
            object.into()
        }
    })
}

/// What JSON cannot write, infinity and no number, becomes null, as jq itself does.
fn number_to_json(number: &Num) -> Value {
    let float = |float: f64| Number::from_f64(float).map_or(Value::Null, Value::Number);
    match number {
        Num::Int(int) => (*int).into(),
        // jq has one kind of number: 4.0 and 4 are the same to it, and are written the same
        Num::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => (*value as i64).into(),
        Num::Float(value) => float(*value),
        Num::BigInt(_) | Num::Dec(_) => {
            let text = number.to_string();
            serde_json::from_str(&text).unwrap_or_else(|_| text.parse().map_or(Value::Null, float))
        }
    }
}

fn short(message: &str) -> String {
    match message.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", message.get(..at).unwrap_or_default()),
        None => message.to_owned(),
    }
}

/// Elements between two reports of progress.
const PART: usize = 256;

/// Values that one expression may give.
const MOST: usize = 1_000_000;

/// serde_json refuses to read deeper ones.
const DEEPEST: usize = 120;
