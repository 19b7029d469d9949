//! The process that applies an expression: it reads a task, bounds itself, and answers lists of values until there is
//! no more.

use std::io;

use serde_json::Value;

use super::expression::{Expression, Failure};
use super::frame::{Answer, Task, read, write};

/// Does what standard input says, and answers on standard output. What is too much ends the process.
///
/// # Errors
/// Where these are no pipes to a server.
pub(crate) fn work() -> io::Result<()> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let Some(task) = read::<Task>(&mut from)? else {
        return Ok(());
    };
    bound(&task)?;
    let expression = Expression::read(&task.expression);
    let parameters = Value::Object(task.parameters);
    while let Some(subjects) = read::<Vec<Value>>(&mut from)? {
        let answer: Answer = match &expression {
            Ok(expression) => expression.apply(&parameters, &subjects, || false),
            Err(message) => Err(Failure::Logic(message.clone())),
        };
        write(&mut to, &answer)?;
    }
    Ok(())
}

/// From here on more memory is not to be had, and computing for longer is a signal that ends the process.
#[cfg(unix)]
fn bound(task: &Task) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let most = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Cpu, most(task.cpu_seconds))?;
    let stack = super::expression::ROOM as u64;
    let memory = task.memory_bytes.saturating_add(stack + OVERHEAD);
    setrlimit(Resource::As, most(memory))?;
    Ok(())
}

/// There is no such bound here: the step's own time ends it.
#[cfg(not(unix))]
fn bound(_task: &Task) -> io::Result<()> {
    Ok(())
}

/// Addresses that the program itself takes, its text and its libraries among them.
#[cfg(unix)]
const OVERHEAD: u64 = 256 << 20;
