//! A jq expression: compiled, and applied to values.

use std::thread::Builder;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, load};
use jaq_json::{Num, Val};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// An expression that can be applied.
pub(super) struct Expression(Filter<JustLut<Val>>);

/// Why there is no output.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Failure {
    /// What the expression says of it, or what is wrong with it.
    Logic(String),
    /// Nobody waits for it any more.
    Stopped,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(code: &str) -> Result<Self, String> {
        if code.len() > LONGEST {
            return Err(format!("a jq expression has at most {LONGEST} bytes"));
        }
        let compiled = roomy(|| compile(code));
        compiled
            .unwrap_or_else(|| Err("jq cannot read the expression".to_owned()))
            .map(Self)
    }

    /// All that it gives for each of `subjects`.
    ///
    /// # Errors
    /// The first that goes wrong; `over` is asked whether to go on.
    pub(super) fn apply(
        &self,
        parameters: &Value,
        subjects: &[Value],
        over: impl Fn() -> bool + Send,
    ) -> Result<Vec<Value>, Failure> {
        roomy(|| evaluate(&self.0, parameters, subjects, over))
            .unwrap_or_else(|| Err(Failure::Logic("jq failed in the expression".to_owned())))
    }
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
pub(super) const ROOM: usize = 512 << 20;

fn evaluate(
    filter: &Filter<JustLut<Val>>,
    parameters: &Value,
    subjects: &[Value],
    over: impl Fn() -> bool,
) -> Result<Vec<Value>, Failure> {
    let logic = Failure::Logic;
    let read = |value: &Value| Val::deserialize(value).map_err(|error| logic(error.to_string()));
    let parameters = read(parameters)?;
    let mut outputs = Vec::new();
    for subject in subjects {
        let vars = Vars::new([parameters.clone()]);
        let context = Ctx::<JustLut<Val>>::new(&filter.lut, vars);
        for output in filter.id.run((context, read(subject)?)) {
            if over() {
                return Err(Failure::Stopped);
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

/// Values that one expression may give.
const MOST: usize = 1_000_000;

/// serde_json refuses to read deeper ones.
const DEEPEST: usize = 120;
