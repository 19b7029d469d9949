//! The scheduler over random graphs: what holds whatever the graph is, and whoever is first.

use std::collections::BTreeSet;

use crate::pipeline_scheduler::{Simulation, graph};

/// A graph without cycles: every step but the first has at least one path from an earlier one.
pub(crate) fn random_dag(random: &mut fastrand::Rng) -> String {
    let steps = random.usize(2..14);
    let mut paths = BTreeSet::new();
    for to in 1..steps {
        for _ in 0..random.usize(1..4) {
            paths.insert((random.usize(..to), to));
        }
    }
    let mut paths: Vec<_> = paths.into_iter().collect();
    random.shuffle(&mut paths[1..]);
    // the first path names the start first
    let start = paths.iter().position(|(from, _)| *from == 0).unwrap();
    paths.swap(0, start);
    let shown: Vec<String> = paths
        .iter()
        .map(|(from, to)| format!("s{from}>s{to}"))
        .collect();
    shown.join(" ")
}

#[test]
fn in_random_graphs_every_step_runs_once_and_the_data_do_not_depend_on_who_is_first() {
    for seed in 0..600 {
        let mut random = fastrand::Rng::with_seed(seed);
        let short = random_dag(&mut random);
        let definition = graph(&short);
        let first = Simulation::new(&definition).drain(|_| 0);
        assert!(
            first.counts().values().all(|count| *count == 1),
            "seed {seed}: {short}"
        );
        assert_eq!(first.started.len(), first.pipeline.steps().len());
        for _ in 0..4 {
            let other = Simulation::new(&definition).drain(|many| random.usize(..many));
            assert_eq!(other.result(), first.result(), "seed {seed}: {short}");
            assert_eq!(other.started.len(), first.started.len());
        }
    }
}

#[test]
fn in_random_graphs_with_loops_everything_started_is_finished_and_nothing_waits_for_ever() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let steps = random.usize(2..10);
        let short: Vec<String> = (0..random.usize(2..20))
            .map(|at| {
                let from = if at == 0 { 0 } else { random.usize(..steps) };
                let to = random.usize(..steps);
                match random.usize(..4) {
                    0 if to > from => format!("s{from}>s{to}"),
                    1 => format!("s{from}>s{to}!"),
                    _ => format!("s{from}>s{to}?{}", random.usize(1..4)),
                }
            })
            .collect();
        let short = short.join(" ");
        let ran = Simulation::new(&graph(&short)).drain(|many| random.usize(..many));
        let ended = ran.scheduler.is_done();
        // a loop by `else` alone meets its limit, which is an end too
        assert!(ended, "seed {seed}: {short}: {:?}", ran.started);
    }
}
