//! `llm`: asks a language model, and says what it answers token by token.

mod config;
mod message;
mod tool;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use self::config::CallConfig;
use super::registry::made;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::llm::answer::{Answer, Source};
use crate::llm::call::Call;
use crate::llm::delta::Delta;
use crate::llm::fault::Fault;
use crate::llm::request::{Message, Role};
use crate::llm::scripted::Replay;
use crate::llm::{Provider, Providers};
use crate::pipeline::definition::{Place, Problem, Problems};

struct Llm {
    providers: Arc<Providers>,
}

pub(super) fn load(
    config: &StepConfig<'_>,
    providers: &Arc<Providers>,
) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let call = config::read(config.config, &config.place, false, &mut problems);
    config::check_provider(&call, providers, &config.place, &mut problems);
    let providers = Arc::clone(providers);
    made(Llm { providers }, problems)
}

impl Step for Llm {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move { self.ask(&context).await })
    }
}

impl Llm {
    async fn ask(&self, context: &StepContext) -> Result<Value, StepError> {
        let wrong = |message: String| StepError::new(Category::Configuration, message);
        let mut problems = Problems::default();
        let place = Place::root().key("config");
        let mut call = config::read(context.config(), &place, true, &mut problems);
        problems
            .into_result(())
            .map_err(|problems| wrong(config::told(&problems)))?;
        let provider = config::find(&call, &self.providers).map_err(wrong)?;
        if call.request.model.is_empty() {
            let model = provider
                .model()
                .ok_or_else(|| wrong(config::no_model(provider)))?;
            model.clone_into(&mut call.request.model);
        }
        add_input(&mut call, context)?;
        let source = Source {
            provider: provider.name().to_owned(),
            model: call.request.model.clone(),
            scripted: provider.is_scripted(),
            output_field: call.output_field.clone(),
        };
        context.emit_shape(told(&source)).await;
        let answer = Arc::new(Mutex::new(Answer::default()));
        let (shown, of) = (Arc::clone(&answer), source.clone());
        context.keep_partial(move || {
            let answer = lock(&shown);
            (!answer.is_empty()).then(|| answer.output(&of))
        });
        let heard = listen(provider, &call, context, &answer).await;
        heard.map_err(|fault| fault.into_error(provider))?;
        let answer = lock(&answer).clone();
        if let Some(usage) = answer.usage() {
            context.emit_shape(usage).await;
        }
        Ok(answer.output(&source))
    }
}

/// Says what a provider answers, as it comes.
async fn listen(
    provider: &Provider,
    call: &CallConfig,
    context: &StepContext,
    answer: &Mutex<Answer>,
) -> Result<(), Fault> {
    if provider.is_scripted() {
        let mut replay = Replay::begin(&call.request)?;
        while let Some(delta) = replay.next().await {
            say(delta, context, answer).await;
        }
        return Ok(());
    }
    let trace = context.trace();
    let mut coming = Call::begin(provider, &call.request, trace.as_ref()).await?;
    while let Some(delta) = coming.next().await? {
        say(delta, context, answer).await;
        if lock(answer).len() > LONGEST {
            let message = format!("sent more than {LONGEST} bytes: say `max_tokens`");
            return Err(Fault::new(Category::Resource, message));
        }
    }
    Ok(())
}

async fn say(delta: Delta<String>, context: &StepContext, answer: &Mutex<Answer>) {
    let call = |index: usize| lock(answer).call_id(index).map(str::to_owned);
    lock(answer).take(&delta);
    match delta {
        Delta::Text(text) | Delta::Refusal(text) => context.emit_token(&text).await,
        Delta::Reasoning(text) => context.emit_reasoning(&text).await,
        Delta::CallBegins { index, name, .. } => {
            if let Some(id) = call(index) {
                context.emit_tool_call(&id, &name).await;
            }
        }
        Delta::Arguments { index, text } => {
            if let Some(id) = call(index) {
                context.emit_arguments(&id, &text).await;
            }
        }
        Delta::CallEnds { index } => {
            if let Some(id) = call(index) {
                context.emit_tool_call_done(&id).await;
            }
        }
        Delta::Model(_) | Delta::Usage(_) | Delta::Finish(_) => {}
    }
}

/// Adds the prompt that stands in the step's data.
fn add_input(call: &mut CallConfig, context: &StepContext) -> Result<(), StepError> {
    let Some(field) = &call.input_field else {
        return Ok(());
    };
    let scope = context.scope();
    let given = context.inputs().get(field).or_else(|| scope.lookup(field));
    let Some(given) = given.filter(|given| !given.is_null()) else {
        let message = format!("`input_field` names `{field}`, and there is no such value");
        return Err(StepError::new(Category::Validation, message));
    };
    let text = given
        .as_str()
        .map_or_else(|| given.to_string(), str::to_owned);
    call.request.messages.push(Message::new(Role::User, text));
    Ok(())
}

fn told(source: &Source) -> Value {
    let mut data = Map::new();
    data.insert("kind".into(), "llm".into());
    data.insert("provider".into(), source.provider.as_str().into());
    data.insert("model".into(), source.model.as_str().into());
    if source.scripted {
        data.insert("scripted".into(), true.into());
    }
    data.into()
}

fn lock(answer: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of an answer: a model that repeats itself without end is stopped.
const LONGEST: usize = 8 << 20;
