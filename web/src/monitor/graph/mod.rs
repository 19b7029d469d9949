//! The graph of a run: steps as boxes in layers, paths as lines that are lit when they are taken.

mod camera;
mod edge;
mod layout;
mod node;
mod plan;
mod window;

use leptos::html;
use leptos::prelude::*;

use self::camera::Camera;
use self::edge::{edge_line, end_stub, taken};
use self::node::{foot, node, node_id};
use self::plan::{Drawing, Plan, STEP};
use self::window::{Fingers, zoom_of};
use super::steps::go_to_step;
use crate::store::Store;

/// The graph, with what moves it.
#[component]
pub fn Graph(
    /// What is known of the run.
    store: Store,
) -> AnyView {
    let list = NodeRef::<html::Div>::new();
    let scene = Scene::new(store, list);
    scene.watch_window();
    scene.keep_in_sight();
    let empty = Memo::new(move |_| scene.plan.with(|plan| plan.steps.is_empty()));
    view! {
        <div class="graph" data-testid="graph" class:unreadable=move || !scene.camera.get().is_readable()>
            <div
                class="graph-window" node_ref=list tabindex="0" role="listbox" aria-label="Steps of the pipeline as a graph"
                aria-activedescendant=move || scene.chosen.get().map(node_id)
                on:pointerdown=move |event| scene.press(&event)
                on:pointermove=move |event| scene.drag(&event)
                on:pointerup=move |event| scene.release(&event)
                on:pointercancel=move |event| scene.release(&event)
                on:wheel=move |event| scene.wheel(&event)
                on:keydown=move |event| scene.key(&event)
            >
                <div class="graph-plane" role="presentation" style:transform=move || place(scene.camera.get())>
                    {move || drawn(scene)}
                </div>
            </div>
            <Show when=move || empty.get()>
                <p class="graph-empty">"The pipeline's steps show here as soon as the run starts."</p>
            </Show>
            {foot(scene)}
        </div>
    }
    .into_any()
}

/// Everything on the plane; drawn anew only when a step or a path comes to it.
fn drawn(scene: Scene) -> AnyView {
    let (plan, drawing) = (scene.plan.get(), scene.drawing.get());
    let (width, height) = drawing.size();
    let lit = taken(scene);
    let edges = (0..plan.edges.len()).map(|number| edge_line(scene, number, lit));
    let ends = (0..plan.ends.len()).map(|number| end_stub(scene, number));
    let nodes = (0..plan.steps.len()).map(|number| node(scene, number));
    view! {
        <svg
            class="graph-lines" role="presentation" aria-hidden="true"
            width=width.to_string() height=height.to_string()
        >
            {edges.collect_view()}
            {ends.collect_view()}
        </svg>
        {nodes.collect_view()}
    }
    .into_any()
}

/// What the parts of a graph share. A handle, gone with the component that made it.
#[derive(Clone, Copy)]
struct Scene {
    store: Store,
    list: NodeRef<html::Div>,
    plan: Memo<Plan>,
    drawing: Memo<Drawing>,
    window: RwSignal<(f64, f64)>,
    camera: RwSignal<Camera>,
    /// Whether the camera goes by itself where something happens.
    following: RwSignal<bool>,
    chosen: RwSignal<Option<usize>>,
    fingers: StoredValue<Fingers>,
}

impl Scene {
    fn new(store: Store, list: NodeRef<html::Div>) -> Self {
        let plan = Memo::new(move |_| store.outline(Plan::of));
        let window = RwSignal::new((0.0, 0.0));
        let upright = Memo::new(move |_| window.get().0 < NARROW);
        Self {
            store,
            list,
            plan,
            drawing: Memo::new(move |_| plan.with(|plan| plan.drawn(upright.get()))),
            window,
            camera: RwSignal::default(),
            following: RwSignal::new(true),
            chosen: RwSignal::new(None),
            fingers: StoredValue::default(),
        }
    }

    /// While it follows, the camera shows all, or what is under way where all is too much.
    fn keep_in_sight(self) {
        let store = self.store;
        let active = Memo::new(move |_| {
            store.run(|view| {
                let begun = view.steps.iter().enumerate();
                let begun = begun.filter(|(_, step)| step.iteration > 0);
                let newest = begun.max_by_key(|(_, step)| (step.status.is_active(), step.last_seq));
                newest.map(|(number, _)| number)
            })
        });
        Effect::new(move |_| {
            let (window, following) = (self.window.get(), self.following.get());
            if !following || window.0 <= 0.0 {
                return;
            }
            let start = self.plan.with(|plan| plan.start);
            let at = active.get().unwrap_or(start);
            let camera = self
                .drawing
                .with(|drawing| Camera::follow(drawing.size(), window, drawing.step(at)));
            if self.camera.get_untracked() != camera {
                self.camera.set(camera);
            }
        });
    }

    /// Shows all of it.
    fn fit(self) {
        self.following.set(false);
        let window = self.window.get_untracked();
        let size = self.drawing.with_untracked(Drawing::size);
        self.camera.set(Camera::fit(size, window));
    }

    fn zoom(self, factor: f64, at: Option<(f64, f64)>) {
        self.following.set(false);
        let window = self.window.get_untracked();
        let at = at.unwrap_or((window.0 / 2.0, window.1 / 2.0));
        self.camera
            .update(|camera| *camera = camera.zoomed(factor, at));
        self.shift((0.0, 0.0));
    }

    fn shift(self, by: (f64, f64)) {
        self.following.set(false);
        let window = self.window.get_untracked();
        let size = self.drawing.with_untracked(Drawing::size);
        self.camera
            .update(|camera| *camera = camera.moved(by, size, window));
    }

    fn choose(self, number: usize) {
        self.following.set(false);
        self.chosen.set(Some(number));
        let window = self.window.get_untracked();
        let at = self.drawing.with_untracked(|drawing| drawing.step(number));
        self.camera
            .update(|camera| *camera = camera.showing(at, STEP, window));
    }

    fn open(self, number: usize) {
        let id = self
            .plan
            .with_untracked(|plan| plan.steps.get(number).cloned());
        if let Some(id) = id {
            go_to_step(self.store, &id);
        }
    }

    fn key(self, event: &leptos::ev::KeyboardEvent) {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let key = event.key();
        let toward = match key.as_str() {
            "ArrowLeft" => Some((-1.0, 0.0)),
            "ArrowRight" => Some((1.0, 0.0)),
            "ArrowUp" => Some((0.0, -1.0)),
            "ArrowDown" => Some((0.0, 1.0)),
            _ => None,
        };
        match (toward, key.as_str()) {
            (Some((dx, dy)), _) if event.shift_key() => self.shift((-dx * PAN, -dy * PAN)),
            (Some(toward), _) => self.step_toward(toward),
            (None, "Home") => self.choose(self.plan.with_untracked(|plan| plan.start)),
            (None, "+" | "=") => self.zoom(ZOOM, None),
            (None, "-") => self.zoom(1.0 / ZOOM, None),
            (None, "0") => self.fit(),
            (None, "f") => self.following.set(true),
            (None, "Escape") if self.chosen.get_untracked().is_some() => self.chosen.set(None),
            (None, "Enter") => match self.chosen.get_untracked() {
                Some(number) => self.open(number),
                None => return,
            },
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    }

    fn step_toward(self, toward: (f64, f64)) {
        let next = match self.chosen.get_untracked() {
            Some(from) => self
                .drawing
                .with_untracked(|drawing| drawing.neighbour(from, toward)),
            None => Some(self.plan.with_untracked(|plan| plan.start)),
        };
        if let Some(next) = next
            && self.plan.with_untracked(|plan| next < plan.steps.len())
        {
            self.choose(next);
        }
    }

    fn wheel(self, event: &leptos::ev::WheelEvent) {
        // a wheel alone scrolls the page: a graph on the way must not catch it
        if event.ctrl_key() || event.meta_key() {
            event.prevent_default();
            self.zoom(zoom_of(event), self.place_of(event));
        }
    }

    /// Where in the window a pointer is.
    fn place_of(self, event: &web_sys::MouseEvent) -> Option<(f64, f64)> {
        let bounds = self.list.get_untracked()?.get_bounding_client_rect();
        let (x, y) = (f64::from(event.client_x()), f64::from(event.client_y()));
        Some((x - bounds.left(), y - bounds.top()))
    }
}

fn place(camera: Camera) -> String {
    let Camera { x, y, scale } = camera;
    format!("translate({x:.1}px, {y:.1}px) scale({scale:.4})")
}

/// A window that is narrower has the graph upright.
const NARROW: f64 = 620.0;
/// How far a key moves the graph, in pixels.
const PAN: f64 = 60.0;
/// How much a key or a button zooms.
const ZOOM: f64 = 1.25;
