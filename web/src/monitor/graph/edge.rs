//! Lines between steps: whether a path was taken, how often, and whether it has just led somewhere.

use leptos::prelude::*;

use super::Scene;

/// How a path stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Lit {
    taken: u64,
    /// The step that it led to is under way.
    live: bool,
}

impl Lit {
    const fn name(self) -> &'static str {
        match (self.taken, self.live) {
            (0, _) => "idle",
            (_, true) => "live",
            (_, false) => "taken",
        }
    }
}

/// How all edges of the plan stand.
pub(super) fn taken(scene: Scene) -> Memo<Vec<Lit>> {
    Memo::new(move |_| {
        scene.plan.with(|plan| {
            scene.store.run(|view| {
                let edges = plan.edges.iter().map(|edge| {
                    let paths = edge.paths.iter().filter_map(|path| view.paths.get(*path));
                    let active = |number: usize| {
                        let step = view.steps.get(number);
                        step.is_some_and(|step| step.status.is_active())
                    };
                    Lit {
                        taken: paths.map(|path| path.taken).sum(),
                        live: active(edge.to) && !active(edge.from),
                    }
                });
                edges.collect()
            })
        })
    })
}

/// A path from a step to a step.
pub(super) fn edge_line(scene: Scene, number: usize, lit: Memo<Vec<Lit>>) -> AnyView {
    let edge = scene
        .plan
        .with_untracked(|plan| plan.edges.get(number).cloned());
    let Some(edge) = edge else {
        return ().into_any();
    };
    let (line, tip, (x, y)) = scene.drawing.with_untracked(|drawing| {
        (
            drawing.line(number),
            drawing.tip(number),
            drawing.label(number),
        )
    });
    let own = Memo::new(move |_| lit.with(|lit| lit.get(number).copied().unwrap_or_default()));
    let chosen = scene.chosen;
    let near = Memo::new(move |_| {
        chosen
            .get()
            .is_some_and(|step| step == edge.from || step == edge.to)
    });
    let often = move || match own.get().taken {
        0 | 1 => String::new(),
        times => format!(" ×{times}"),
    };
    let (short, whole) = (shortened(&edge.condition), edge.condition);
    view! {
        <g class="graph-edge" data-state=move || own.get().name() data-near=move || near.get().to_string()>
            <path class="graph-line" d=line></path>
            <path class="graph-tip" d=tip></path>
            <text class="graph-label" x=x.to_string() y=y.to_string() text-anchor="middle">
                <title>{whole}</title>
                {short}
                <tspan class="graph-often">{often}</tspan>
            </text>
        </g>
    }
    .into_any()
}

/// The end of the run after a step.
pub(super) fn end_stub(scene: Scene, number: usize) -> AnyView {
    let end = scene
        .plan
        .with_untracked(|plan| plan.ends.get(number).cloned());
    let Some(end) = end else {
        return ().into_any();
    };
    let (line, (x, y)) = scene
        .drawing
        .with_untracked(|drawing| drawing.end(end.from));
    let paths = end.paths;
    let taken = Memo::new(move |_| {
        let taken = |path: &usize| {
            let paths = &paths;
            scene.store.peek(|view| {
                paths.contains(path) && view.paths.get(*path).is_some_and(|path| path.taken > 0)
            })
        };
        scene.store.run(|_| paths.iter().any(taken))
    });
    let words = match end.condition.as_str() {
        "" => "ends here".to_owned(),
        condition => format!("ends here if {condition}"),
    };
    view! {
        <g class="graph-edge" data-state=move || if taken.get() { "taken" } else { "idle" } data-near="false">
            <path class="graph-line" d=line></path>
            <rect class="graph-tip" x=(x - 4.0).to_string() y=y.to_string() width="8" height="8">
                <title>{words}</title>
            </rect>
        </g>
    }
    .into_any()
}

/// A condition as long as there is room for.
fn shortened(condition: &str) -> String {
    match condition.char_indices().nth(LABEL) {
        Some((at, _)) => format!("{}…", condition.get(..at).unwrap_or_default()),
        None => condition.to_owned(),
    }
}

/// The most characters of a condition that are drawn.
const LABEL: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_live_only_where_it_was_taken() {
        let name = |taken, live| Lit { taken, live }.name();
        assert_eq!(
            [name(0, true), name(1, false), name(2, true)],
            ["idle", "taken", "live"]
        );
        assert_eq!(shortened("score is at least seven"), "score is at least …");
    }
}
