//! `stepcast answer`: answers what a run of a server asks.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use super::asker::who;
use super::dialog::{Dialog, describe, value_of};
use super::remote::Remote;
use super::words::clean;
use super::{CliError, Outcome};
use crate::follow::{Server, Target};
use crate::step::Form;

/// Arguments of `stepcast answer`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast answer                                     what waits for a person
  stepcast answer exec_123                            fill in its form, line by line
  stepcast answer exec_123 decision=publish
  stepcast answer exec_123 review.1 decision=change note=\"One more line\" --by alice

An option is named by its value, its label, or its number in the list. Of several answers
the first counts; the same one again is no error.

Exit code: 0 it is answered, 1 somebody else was first, or it was too late, 2 the answer
does not fit, or nothing waits for it.")]
pub(super) struct Answer {
    /// An execution's id, or an address of it; without one, everything that waits is listed
    execution: Option<String>,
    /// The question's id, where there are several; then FIELD=VALUE for each field
    #[arg(value_name = "WAIT|FIELD=VALUE")]
    words: Vec<String>,
    /// Who answers
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// A question, as the server lists it.
#[derive(Clone, Debug, Deserialize)]
struct Wait {
    execution_id: String,
    wait_id: String,
    status: String,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    form: Form,
    expires_at: Option<String>,
}

impl Answer {
    /// Lists, or answers.
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let Some(execution) = &self.execution else {
            let mut server = Server::new(&self.remote.server).map_err(CliError::usage)?;
            server
                .show(self.remote.token.as_deref())
                .map_err(CliError::usage)?;
            return list(&server).await;
        };
        let mut target = Target::parse(execution, &self.remote.server).map_err(CliError::usage)?;
        target
            .server
            .show(self.remote.token.as_deref())
            .map_err(CliError::usage)?;
        let (wait_id, fields) = match self.words.split_first() {
            Some((first, rest)) if !first.contains('=') => (Some(first.as_str()), rest),
            Some(_) | None => (None, self.words.as_slice()),
        };
        let wait = find(&target, wait_id).await?;
        let answer = if fields.is_empty() && io::stdin().is_terminal() {
            fill_in(&wait)?
        } else {
            read_fields(&wait.form, fields)?
        };
        let by = self.by.clone().or_else(who);
        send(&target, &wait, answer, by).await
    }
}

async fn list(server: &Server) -> Result<Outcome, CliError> {
    let waits = waits(server, "/api/waits").await?;
    if waits.is_empty() {
        writeln!(io::stderr().lock(), "nothing waits for a person")?;
    }
    let mut out = io::stdout().lock();
    for wait in waits {
        show(&mut out, &wait)?;
    }
    Ok(Outcome::Complete)
}

fn show(out: &mut impl io::Write, wait: &Wait) -> io::Result<()> {
    let (execution, id) = (clean(&wait.execution_id), clean(&wait.wait_id));
    let until = wait.expires_at.as_deref().map(clean);
    let until = until.map_or(String::new(), |time| format!(" (until {time})"));
    writeln!(out, "{execution} {id}: {}{until}", clean(&wait.prompt))?;
    for field in &wait.form.fields {
        writeln!(out, "  {}: {}", clean(&field.name), describe(field).trim())?;
    }
    Ok(())
}

async fn waits(server: &Server, path: &str) -> Result<Vec<Wait>, CliError> {
    let response = server.get(path).send().await;
    let response = response.map_err(|error| CliError::Unreachable(error.to_string()))?;
    let (status, mut body) = body_of(response).await?;
    if status != 200 {
        return Err(CliError::Usage(detail(&body)));
    }
    let list = body.get_mut("waits").map(Value::take).unwrap_or_default();
    serde_json::from_value(list)
        .map_err(|error| CliError::Usage(format!("the server's list cannot be read: {error}")))
}

/// The question to answer: the one that is named, or the only one.
async fn find(target: &Target, wait_id: Option<&str>) -> Result<Wait, CliError> {
    let path = format!("/api/executions/{}/waits", target.execution_id);
    let all = waits(&target.server, &path).await?;
    if let Some(id) = wait_id {
        let mut named = all.into_iter().filter(|wait| wait.wait_id == id);
        let unknown = || CliError::Usage(format!("the run asks no question `{}`", clean(id)));
        return named.next().ok_or_else(unknown);
    }
    let mut open: Vec<Wait> = all
        .into_iter()
        .filter(|wait| wait.status == "waiting")
        .collect();
    match (open.pop(), open.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(CliError::Usage("the run asks nothing at present".into())),
        (Some(last), _) => {
            open.push(last);
            let ids: Vec<String> = open.iter().map(|wait| clean(&wait.wait_id)).collect();
            let message = format!(
                "the run asks several questions; name one of {}",
                ids.join(", ")
            );
            Err(CliError::Usage(message))
        }
    }
}

fn read_fields(form: &Form, fields: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut answer = Map::new();
    for text in fields {
        let Some((name, value)) = text.split_once('=') else {
            let message = format!("{}: write FIELD=VALUE", clean(text));
            return Err(CliError::Usage(message));
        };
        let field = form.fields.iter().find(|field| field.name == name);
        let value = match field {
            Some(_) if value.is_empty() => Value::Null,
            Some(field) => value_of(field, value).map_err(CliError::Usage)?,
            // the server says what was probably meant
            None => value.into(),
        };
        answer.insert(name.to_owned(), value);
    }
    Ok(answer)
}

fn fill_in(wait: &Wait) -> Result<Map<String, Value>, CliError> {
    let mut err = io::stderr().lock();
    writeln!(err, "? {}", clean(&wait.prompt))?;
    for line in Dialog::opening(&wait.form) {
        writeln!(err, "{line}")?;
    }
    let mut dialog = Dialog::new(wait.form.clone());
    let mut lines = io::stdin().lock().lines();
    while let Some(asks) = dialog.asks() {
        writeln!(err, "{asks}")?;
        let Some(line) = lines.next() else {
            return Err(CliError::Usage("not answered".into()));
        };
        if let Err(wrong) = dialog.take(&line?) {
            writeln!(err, "  {wrong}")?;
        }
    }
    Ok(dialog.answer())
}

async fn send(
    target: &Target,
    wait: &Wait,
    answer: Map<String, Value>,
    by: Option<String>,
) -> Result<Outcome, CliError> {
    let id: &ExecutionId = &target.execution_id;
    let wait_id = escaped(&wait.wait_id);
    let path = format!("/api/executions/{id}/waits/{wait_id}/answer");
    let body = json!({"answer": answer, "by": by});
    let response = target.server.post(&path).json(&body).send().await;
    let response = response.map_err(|error| CliError::Unreachable(error.to_string()))?;
    let (status, body) = body_of(response).await?;
    let mut err = io::stderr().lock();
    match status {
        200 => {
            let taken = body.get("answer").unwrap_or(&Value::Null);
            writeln!(err, "answered: {}", clean(&taken.to_string()))?;
            Ok(Outcome::Complete)
        }
        409 | 410 => {
            writeln!(err, "{}", detail(&body))?;
            Ok(Outcome::Failed)
        }
        _ => Err(CliError::Usage(detail(&body))),
    }
}

async fn body_of(response: reqwest::Response) -> Result<(u16, Value), CliError> {
    let status = response.status().as_u16();
    let text = response.text().await;
    let text = text.map_err(|error| CliError::Unreachable(error.to_string()))?;
    Ok((status, serde_json::from_str(&text).unwrap_or_default()))
}

/// What a problem document says.
fn detail(body: &Value) -> String {
    let text = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.map(clean).unwrap_or_default()
    };
    let mut lines = vec![text(body, "detail")];
    if let Some(first) = body.get("answered") {
        lines.push(format!("  {}", clean(&first.to_string())));
    }
    let errors = body.get("errors").and_then(Value::as_array);
    for error in errors.into_iter().flatten() {
        let suggestion = match text(error, "suggestion") {
            word if word.is_empty() => word,
            word => format!("; did you mean `{word}`?"),
        };
        let (path, message) = (text(error, "path"), text(error, "message"));
        lines.push(format!("  {path}: {message}{suggestion}"));
    }
    lines.join("\n")
}

/// A part of a path.
fn escaped(part: &str) -> String {
    form_urlencoded::byte_serialize(part.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
