//! The scheduler without tasks and clocks: joins, loops, limits, data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use stepcast::pipeline::Pipeline;
use stepcast::pipeline::scheduler::{Outcome, Scheduler, Start};

use crate::pipeline_definition::classes;
use crate::pipeline_harness::object;

/// Steps in the order of their first mention; `a>b?n` is taken while `a` has run fewer than n times,
/// `a>b!` where no other path of `a` is.
pub(crate) fn graph(short: &str) -> Value {
    let mut steps: Vec<&str> = Vec::new();
    let mut paths = Vec::new();
    for path in short.split_whitespace() {
        let (from, to) = path.split_once('>').unwrap();
        let (to, condition) = match (to.split_once('?'), to.strip_suffix('!')) {
            (Some((to, n)), _) => {
                let n: u64 = n.parse().unwrap();
                let less =
                    json!({"type": "field_less_than", "field": format!("{from}.n"), "value": n});
                (to, less)
            }
            (None, Some(to)) => (to, json!("else")),
            (None, None) => (to, json!("always")),
        };
        for step in [from, to] {
            if !step.starts_with("end") && !steps.contains(&step) {
                steps.push(step);
            }
        }
        paths.push(json!({"from": from, "to": to, "condition": condition}));
    }
    let start = steps[0];
    let steps: Vec<Value> = steps
        .iter()
        .map(|id| json!({"id": id, "class": "A"}))
        .collect();
    json!({"name": "p", "steps": steps, "flow": {"start_at": start, "paths": paths}})
}

pub(crate) struct Simulation {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) scheduler: Scheduler,
    pub(crate) running: Vec<Start>,
    /// The steps in the order of their starts.
    pub(crate) started: Vec<String>,
    pub(crate) rounds: Vec<usize>,
}

impl Simulation {
    pub(crate) fn new(definition: &Value) -> Self {
        let pipeline = Arc::new(Pipeline::from_json(definition, &classes(&["A"])).unwrap());
        let input = Arc::new(json!({"shared": "input"}));
        let mut scheduler = Scheduler::new(pipeline.clone(), input, Map::new());
        scheduler.limit(1_000);
        let running = scheduler.start(0);
        let mut simulation = Self {
            pipeline,
            scheduler,
            running: Vec::new(),
            started: Vec::new(),
            rounds: Vec::new(),
        };
        simulation.take(running);
        simulation
    }

    fn take(&mut self, starts: Vec<Start>) {
        self.rounds.push(starts.len());
        for start in starts {
            let id = self.id(&start);
            let twice = self.running.iter().any(|other| other.step == start.step);
            assert!(!twice, "{id} is started while it is under way");
            self.started.push(id);
            self.running.push(start);
        }
    }

    fn id(&self, start: &Start) -> String {
        self.pipeline.steps()[start.step].id.clone()
    }

    /// Ends the execution at `at` of those under way.
    pub(crate) fn finish(&mut self, at: usize) -> Vec<String> {
        let start = self.running.remove(at);
        let id = self.id(&start);
        let seen = start.data.get("shared").cloned();
        let output = json!({"shared": &id, "n": start.iteration, format!("of_{id}"): seen});
        let advance =
            self.scheduler
                .finish(start.execution, Outcome::Completed(Arc::new(output)), 0);
        self.take(advance.starts);
        advance.next
    }

    fn finish_step(&mut self, id: &str) -> Vec<String> {
        let at = self.running.iter().position(|start| self.id(start) == id);
        self.finish(at.expect("it is not under way"))
    }

    fn under_way(&self) -> BTreeSet<String> {
        self.running.iter().map(|start| self.id(start)).collect()
    }

    /// Ends what is under way, one after the other, `pick` choosing which.
    pub(crate) fn drain(mut self, mut pick: impl FnMut(usize) -> usize) -> Self {
        while !self.running.is_empty() {
            let at = pick(self.running.len());
            self.finish(at);
            assert_eq!(self.scheduler.is_done(), self.running.is_empty());
        }
        self
    }

    pub(crate) fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for id in &self.started {
            *counts.entry(id.as_str()).or_default() += 1;
        }
        counts
    }

    pub(crate) fn result(&self) -> Map<String, Value> {
        self.scheduler.result().to_map()
    }
}

/// Runs in several orders; every step has to run as often as `expected` says.
fn check_counts(short: &str, expected: &[(&str, usize)]) {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let ran = Simulation::new(&graph(short)).drain(|many| random.usize(..many));
        let expected: BTreeMap<&str, usize> = expected.iter().copied().collect();
        assert_eq!(
            ran.counts(),
            expected,
            "{short}, seed {seed}: {:?}",
            ran.started
        );
        assert!(ran.scheduler.failure().is_none());
    }
}

#[test]
fn every_branch_goes_on_with_its_own_successors() {
    check_counts(
        "a>b a>c b>x c>y",
        &[("a", 1), ("b", 1), ("c", 1), ("x", 1), ("y", 1)],
    );
}

#[test]
fn a_join_runs_once_after_all_that_were_started() {
    check_counts("a>b a>c b>d c>d", &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    check_counts(
        "a>b a>c b>d c>e e>d",
        &[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)],
    );
    check_counts("a>b a>c b>c", &[("a", 1), ("b", 1), ("c", 1)]);
    let mut long = Simulation::new(&graph("a>b a>c b>d c>e e>d"));
    long.finish_step("a");
    assert_eq!(long.finish_step("b"), ["d"]);
    assert_eq!(long.under_way(), ["c".to_owned()].into());
    long.finish_step("c");
    assert_eq!(long.under_way(), ["e".to_owned()].into());
    long.finish_step("e");
    assert_eq!(long.under_way(), ["d".to_owned()].into());
}

#[test]
fn a_join_does_not_wait_for_a_branch_that_was_not_taken_or_has_ended() {
    check_counts("a>b a>c?1 b>d c>d", &[("a", 1), ("b", 1), ("d", 1)]);
    check_counts(
        "a>b a>c b>d c>d?1 c>end!",
        &[("a", 1), ("b", 1), ("c", 1), ("d", 1)],
    );
}

#[test]
fn else_is_taken_only_where_nothing_else_is() {
    check_counts("a>b?2 a>c! b>end", &[("a", 1), ("b", 1)]);
    check_counts("a>b?1 a>c! b>end", &[("a", 1), ("c", 1)]);
}

#[test]
fn a_loop_inside_a_branch_is_over_before_the_join() {
    check_counts(
        "s>a s>b a>c c>a?3 c>j! b>j",
        &[("s", 1), ("a", 3), ("b", 1), ("c", 3), ("j", 1)],
    );
}

#[test]
fn a_loop_around_a_join_forks_and_joins_each_time() {
    let short = "s>a s>b a>j b>j j>s?3 j>end!";
    check_counts(short, &[("s", 3), ("a", 3), ("b", 3), ("j", 3)]);
    let ran = Simulation::new(&graph(short)).drain(|_| 0);
    // each time both branches start together: neither waits for the other's way round
    assert_eq!(ran.rounds, [1, 2, 0, 1, 1, 2, 0, 1, 1, 2, 0, 1, 0]);
}

#[test]
fn a_branch_that_goes_back_before_the_fork_is_joined_once() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let ran =
            Simulation::new(&graph("s>a s>b a>s?2 a>j! b>j")).drain(|many| random.usize(..many));
        assert_eq!(ran.counts()["j"], 1, "seed {seed}: {:?}", ran.started);
        assert_eq!(ran.counts()["a"], 2);
    }
}

#[test]
fn steps_that_reach_each_other_do_not_wait_for_ever() {
    check_counts("s>x s>y x>y y>x?1", &[("s", 1), ("x", 1), ("y", 1)]);
}

#[test]
fn at_a_join_the_one_branch_that_wrote_a_key_wins_and_else_the_path_declared_last() {
    let run = |late: usize| {
        let mut run = Simulation::new(&graph("a>b a>c b>d c>d d>end"));
        run.finish_step("a");
        let order = if late == 0 { ["b", "c"] } else { ["c", "b"] };
        for id in order {
            run.finish_step(id);
        }
        let join = run.running[0].data.clone();
        // both wrote `shared`: the path c>d is declared after b>d, whoever came first
        assert_eq!(join.get("shared"), Some(&json!("c")));
        // each wrote its own
        assert_eq!(join.get("of_b"), Some(&json!("a")));
        assert_eq!(join.get("of_c"), Some(&json!("a")));
        // and each step's output stays whole under its id
        assert_eq!(join.output_of("b").unwrap()["shared"], "b");
        assert_eq!(join.output_of("c").unwrap()["shared"], "c");
    };
    run(0);
    run(1);
    // `x` is written before the fork and again in the first branch: the second one's old value does not come back
    let mut one = Simulation::new(&graph("a>b a>c b>d c>d"));
    let feed = |run: &mut Simulation, id: &str, output: Value| {
        let at = run
            .running
            .iter()
            .position(|start| run.id(start) == id)
            .unwrap();
        let start = run.running.remove(at);
        let advance =
            run.scheduler
                .finish(start.execution, Outcome::Completed(Arc::new(output)), 0);
        run.take(advance.starts);
    };
    feed(&mut one, "a", json!({"x": "old"}));
    feed(&mut one, "b", json!({"x": "new"}));
    feed(&mut one, "c", json!({"y": 1}));
    assert_eq!(one.running[0].data.get("x"), Some(&json!("new")));
    assert_eq!(one.running[0].data.get("shared"), Some(&json!("input")));
}

#[test]
fn branches_do_not_see_each_other() {
    let mut run = Simulation::new(&graph("a>b a>c b>x c>y"));
    run.finish_step("a");
    run.finish_step("b");
    run.finish_step("c");
    for start in &run.running {
        let other = if run.id(start) == "x" { "c" } else { "b" };
        assert_eq!(start.data.get(other), None);
    }
}

#[test]
fn limits_end_the_run_and_name_the_step() {
    let mut definition = graph("w>w");
    definition["loop_config"] = json!({"max_iterations": 5});
    let ran = Simulation::new(&definition).drain(|_| 0);
    assert_eq!(ran.counts()["w"], 5);
    let failure = ran.scheduler.failure().unwrap();
    assert_eq!(
        failure.message,
        "loop safety check failed: step `w` reached max_iterations (5)"
    );
    assert_eq!(failure.step_id.as_ref().unwrap().as_str(), "w");

    definition["loop_config"] = json!({"max_iterations": 5_000});
    let ran = Simulation::new(&definition).drain(|_| 0);
    assert_eq!(ran.started.len(), 1_000);
    let message = &ran.scheduler.failure().unwrap().message;
    assert!(
        message.contains("maximum of 1000 step executions"),
        "{message}"
    );

    definition["loop_config"] = json!({"max_loop_time_seconds": 2});
    let mut run = Simulation::new(&definition);
    for now in [1_000, 2_000, 2_001] {
        let start = run.running.remove(0);
        let output = Outcome::Completed(Arc::new(Value::Null));
        let advance = run.scheduler.finish(start.execution, output, now);
        run.take(advance.starts);
    }
    let message = &run.scheduler.failure().unwrap().message;
    assert!(message.contains("max_loop_time_seconds (2)"), "{message}");
}

#[test]
fn the_delay_of_a_loop_comes_before_it_begins_anew_and_nowhere_else() {
    let mut definition = graph("a>b b>c c>b?3 c>d!");
    definition["loop_config"] = json!({"iteration_delay_seconds": 1.5});
    let mut run = Simulation::new(&definition);
    let mut delays = Vec::new();
    while let Some(start) = run.running.first() {
        delays.push((run.id(start), start.delay.as_millis()));
        run.finish(0);
    }
    let delays: Vec<(&str, u128)> = delays
        .iter()
        .map(|(id, delay)| (id.as_str(), *delay))
        .collect();
    assert_eq!(
        delays,
        [
            ("a", 0),
            ("b", 0),
            ("c", 0),
            ("b", 1500),
            ("c", 0),
            ("b", 1500),
            ("c", 0),
            ("d", 0)
        ]
    );
}

#[test]
fn end_with_failure_lets_the_others_finish_and_fails_the_run() {
    let mut run = Simulation::new(&graph("a>b a>c b>end_with_failure c>d"));
    run.finish_step("a");
    assert_eq!(run.finish_step("b"), ["end_with_failure"]);
    let run = run.drain(|_| 0);
    assert_eq!(run.counts()["d"], 1);
    let failure = run.scheduler.failure().unwrap();
    assert_eq!(
        failure.message,
        "the pipeline came to `end_with_failure` after step `b`"
    );
}

#[test]
fn the_result_is_in_the_order_of_writing() {
    let ran = Simulation::new(&graph("b>a")).drain(|_| 0);
    let keys: Vec<String> = ran.result().keys().cloned().collect();
    assert_eq!(keys, ["shared", "b", "n", "of_b", "a", "of_a"]);
    assert_eq!(ran.result()["shared"], object(json!({"x": "a"}))["x"]);
}
