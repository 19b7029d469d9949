//! Which kinds and classes of steps there are.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;

use super::{Step, StepContext, StepError, StepFuture, StepSettings};
use super::{command, condition, delay, fail, file, http, human, llm, python, set, transform};
use crate::llm::Providers;
use crate::pipeline::circuit::Circuits;
use crate::pipeline::definition::{Place, Problem, Problems};

/// What a step is made from, at load.
#[derive(Clone, Debug)]
pub struct StepConfig<'a> {
    /// The step's id.
    pub id: &'a str,
    /// Its configuration, an object; placeholders unresolved.
    pub config: &'a Value,
    /// Where the configuration is.
    pub place: Place,
    /// The whole step, as the file has it.
    pub step: &'a Value,
    /// Where the step is.
    pub step_place: Place,
}

type Factory =
    Arc<dyn Fn(&StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> + Send + Sync + 'static>;

/// The steps that pipelines can name: built-in kinds by `type`, classes by `step_class`.
#[derive(Clone)]
pub struct StepRegistry {
    kinds: BTreeMap<&'static str, Factory>,
    classes: BTreeMap<String, Factory>,
    providers: Option<Arc<Providers>>,
    python: Option<Arc<python::Pool>>,
    circuits: Arc<Circuits>,
    /// What may be named at all; everything where there is none.
    limits: Option<Arc<StepSettings>>,
}

impl StepRegistry {
    /// The built-in kinds, and no classes.
    pub fn builtin() -> Self {
        let mut registry = Self {
            kinds: BTreeMap::new(),
            classes: BTreeMap::new(),
            providers: None,
            python: None,
            circuits: Arc::default(),
            limits: None,
        };
        registry.add_kind("approval", human::load_approval);
        registry.add_kind("command", command::load);
        registry.add_kind("condition", condition::load);
        registry.add_kind("delay", delay::load);
        registry.add_kind("fail", fail::load);
        registry.add_kind("file", file::load);
        registry.add_kind("http", http::load);
        registry.add_kind("human", human::load_input);
        registry.add_kind("human_input", human::load_input);
        registry.add_llm(Arc::new(Providers::default()));
        registry.add_kind("set", set::load);
        registry.add_kind("transform", |config| transform::load(config, None));
        // the original library's classes that do nothing but ask
        registry.register(format!("{HITL}.HumanInputStep"), human::load_input);
        registry.register(format!("{HITL}.PauseForInputStep"), human::load_input);
        registry.register(format!("{HITL}.ReviewAndApproveStep"), human::load_review);
        registry.register(format!("{HITL}.TimeBasedDecisionStep"), human::load_urgent);
        registry
    }

    /// The same, its `llm` steps answered by these providers; without, by those of the server's configuration and
    /// environment.
    #[must_use]
    pub fn with_providers(mut self, providers: Providers) -> Self {
        let providers = Arc::new(providers);
        self.add_llm(Arc::clone(&providers));
        self.providers = Some(providers);
        self
    }

    /// The same, and classes that are not registered are Python's, where a step names their `module`. Without, a class
    /// has to be registered.
    #[must_use]
    pub fn with_python(mut self, settings: &python::PythonSettings) -> Self {
        self.python = settings
            .enabled
            .then(|| python::Pool::new(settings.clone()));
        self
    }

    /// The same, and the expressions of `transform` steps are applied by the program that the settings name; without, in
    /// this process.
    #[must_use]
    pub fn with_evaluator(mut self, settings: &StepSettings) -> Self {
        let evaluator = transform::Evaluator::of(settings);
        self.add_kind("transform", move |config| {
            transform::load(config, evaluator.as_ref())
        });
        self
    }

    /// The same, for pipelines that users have posted: what the operator does not let them have is refused at load.
    #[must_use]
    pub(crate) fn limited(mut self, limits: Arc<StepSettings>) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Whether a pipeline may name this; tells where not.
    fn lets(&self, name: &str, place: &Place, problems: &mut Problems) -> bool {
        let lets = self.limits.as_ref().is_none_or(|it| it.may_post(name));
        if !lets {
            let unbounded = self.limits.as_ref().is_some_and(|it| it.is_unbounded(name));
            let setting = if unbounded {
                "steps.evaluator"
            } else {
                "steps.posted"
            };
            let message = format!(
                "`{name}` is not among what pipelines of users may have here; the operator's setting is {setting}"
            );
            problems.error(place, message);
        }
        lets
    }

    /// The providers of `llm` steps, where they were given.
    pub fn providers(&self) -> Option<&Arc<Providers>> {
        self.providers.as_ref()
    }

    /// The circuits of all pipelines whose steps it makes.
    pub(crate) fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// Registers a class: `Class`, or `module.Class` for one of several of that name.
    pub fn register<F>(&mut self, class: impl Into<String>, factory: F)
    where
        F: Fn(&StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> + Send + Sync + 'static,
    {
        self.classes.insert(class.into(), Arc::new(factory));
    }

    /// Registers a class that is a function of the step's context.
    pub fn register_fn<F, R>(&mut self, class: impl Into<String>, function: F)
    where
        F: Fn(StepContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, StepError>> + Send + 'static,
    {
        let function = Arc::new(function);
        self.register(class, move |_config| {
            Ok(Box::new(Function(Arc::clone(&function))))
        });
    }

    /// The built-in kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.kinds.keys().copied()
    }

    /// The registered classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.keys().map(String::as_str)
    }

    pub(crate) fn kind(
        &self,
        kind: &str,
        config: &StepConfig<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Step>> {
        let Some(factory) = self.kinds.get(kind) else {
            let message = format!("unknown kind of step `{kind}`, and no `step_class`");
            let place = config.step_place.key("type");
            problems.unknown(&place, message, kind, self.kinds());
            return None;
        };
        if !self.lets(kind, &config.step_place.key("type"), problems) {
            return None;
        }
        taken(factory(config), problems)
    }

    pub(crate) fn class(
        &self,
        module: Option<&str>,
        class: &str,
        config: &StepConfig<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Step>> {
        let whole = module.map(|module| format!("{module}.{class}"));
        // with its module: a class of Python's may have the name of a kind
        if !self.lets(
            whole.as_deref().unwrap_or(class),
            &config.step_place,
            problems,
        ) {
            return None;
        }
        let factory = whole
            .and_then(|whole| self.classes.get(&whole))
            .or_else(|| self.classes.get(class));
        if let (None, Some(module), Some(pool)) = (factory, module, &self.python) {
            return taken(python::load(module, class, config, pool), problems);
        }
        let Some(factory) = factory else {
            let key = if config.step.get("step_class").is_some() {
                "step_class"
            } else {
                "class"
            };
            let message = match (module, &self.python) {
                (None, Some(_)) => format!(
                    "no step class `{class}` is registered, and a Python class needs a `module` beside it"
                ),
                (Some(_), None) => format!(
                    "no step class `{class}` is registered, and Python classes are not enabled here"
                ),
                (None, None) | (Some(_), Some(_)) => {
                    format!("no step class `{class}` is registered")
                }
            };
            let place = config.step_place.key(key);
            problems.unknown(&place, message, class, self.classes());
            return None;
        };
        taken(factory(config), problems)
    }

    fn add_llm(&mut self, providers: Arc<Providers>) {
        self.add_kind("llm", move |config| llm::load(config, &providers));
    }

    fn add_kind<F>(&mut self, kind: &'static str, factory: F)
    where
        F: Fn(&StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> + Send + Sync + 'static,
    {
        self.kinds.insert(kind, Arc::new(factory));
    }
}

impl Default for StepRegistry {
    fn default() -> Self {
        Self::builtin()
    }
}

impl fmt::Debug for StepRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepRegistry")
            .field("kinds", &self.kinds.keys())
            .field("classes", &self.classes.keys())
            .finish()
    }
}

/// A built-in step, where nothing is wrong with its configuration.
pub(super) fn made(
    step: impl Step + 'static,
    problems: Problems,
) -> Result<Box<dyn Step>, Vec<Problem>> {
    problems.into_result(step).map(|step| Box::new(step) as _)
}

/// The step, or what is wrong with it.
fn taken(
    made: Result<Box<dyn Step>, Vec<Problem>>,
    problems: &mut Problems,
) -> Option<Box<dyn Step>> {
    match made {
        Ok(step) => Some(step),
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

struct Function<F>(Arc<F>);

impl<F, R> Step for Function<F>
where
    F: Fn(StepContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, StepError>> + Send + 'static,
{
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin((self.0)(context))
    }
}

/// Where the original library has its steps that ask people.
const HITL: &str = "ia_modules.pipeline.hitl";
