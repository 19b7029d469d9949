//! One field of a form that a person fills in.

use leptos::prelude::*;
use stepcast_core::view::{FieldKind, FieldView};

use super::draft::{Draft, typed};

/// A field with its label, what it is for, and what is wrong with it.
#[component]
pub fn Field(
    /// The field.
    field: FieldView,
    /// An id that no other field of the page has.
    id: String,
    /// What stands in it.
    draft: RwSignal<Draft>,
    /// What is wrong with it, where something is.
    flaw: Signal<Option<String>>,
) -> AnyView {
    let grouped = matches!(field.kind, FieldKind::Radio | FieldKind::Multiselect);
    let label = field.shown_label().to_owned();
    let needed = field
        .required
        .then(|| view! { " " <span class="needed">"required"</span> });
    let about = field.description.clone();
    let told = about.as_ref().map(|_| format!("{id}-about"));
    let described = {
        let (told, flawed) = (told.clone(), format!("{id}-flaw"));
        Signal::derive(move || {
            let flawed = flaw.with(Option::is_some).then_some(flawed.as_str());
            let ids: Vec<&str> = told.as_deref().into_iter().chain(flawed).collect();
            (!ids.is_empty()).then(|| ids.join(" "))
        })
    };
    let notes = {
        let flawed = format!("{id}-flaw");
        view! {
            {about.map(|about| view! { <p class="field-about" id=told>{about}</p> })}
            <p class="field-flaw" id=flawed data-testid="field-flaw">{move || flaw.get()}</p>
        }
    };
    let input = Input {
        field: StoredValue::new(field.clone()),
        id: id.clone(),
        draft,
        invalid: Signal::derive(move || flaw.with(Option::is_some).then_some("true")),
        described,
    };
    let name = field.name.clone();
    if field.kind == FieldKind::Boolean {
        return view! {
            <div class="field" data-field=name>
                <label class="choice">{input.view()} <span>{label}</span></label>
                {notes}
            </div>
        }
        .into_any();
    }
    if grouped {
        return view! {
            <fieldset
                class="field plain" data-field=name
                aria-describedby=move || described.get() aria-invalid=move || input.invalid.get()
            >
                <legend>{label} {needed}</legend>
                <div class="choices">{input.clone().view()}</div>
                {notes}
            </fieldset>
        }
        .into_any();
    }
    view! {
        <div class="field" data-field=name>
            <label for=id>{label} {needed}</label>
            {input.view()}
            {notes}
        </div>
    }
    .into_any()
}

/// What a control needs.
#[derive(Clone)]
struct Input {
    field: StoredValue<FieldView>,
    id: String,
    draft: RwSignal<Draft>,
    invalid: Signal<Option<&'static str>>,
    described: Signal<Option<String>>,
}

impl Input {
    fn view(self) -> AnyView {
        let kind = self.field.with_value(|field| field.kind);
        match kind {
            FieldKind::Textarea => self.textarea(),
            FieldKind::Boolean => self.tick(),
            FieldKind::Radio => self.options(false),
            FieldKind::Multiselect => self.options(true),
            FieldKind::Select => self.select(),
            FieldKind::Number => self.line("number"),
            FieldKind::Email => self.line("email"),
            FieldKind::Url => self.line("url"),
            FieldKind::Date => self.line("date"),
            FieldKind::Datetime => self.line("datetime-local"),
            FieldKind::Password => self.line("password"),
            FieldKind::Text | _ => self.line("text"),
        }
    }

    /// What was typed.
    fn typed(&self) -> String {
        self.draft.with_untracked(|draft| match draft {
            Draft::Text(text) => text.clone(),
            Draft::Flag(_) | Draft::One(_) | Draft::Any(_) => String::new(),
        })
    }

    fn line(self, kind: &'static str) -> AnyView {
        let field = self.field.get_value();
        let (draft, invalid, described) = (self.draft, self.invalid, self.described);
        let number = kind == "number";
        // of a text the bounds are lengths
        let (least, most) = if number {
            (None, None)
        } else {
            (field.min.as_ref().map(typed), field.max.as_ref().map(typed))
        };
        let (min, max) = if number {
            (field.min.as_ref().map(typed), field.max.as_ref().map(typed))
        } else {
            (None, None)
        };
        let complete = if kind == "password" {
            "new-password"
        } else {
            "off"
        };
        view! {
            <input
                id=self.id.clone() type=kind value=self.typed() required=field.required placeholder=field.placeholder
                min=min max=max step=number.then_some("any") minlength=least maxlength=most autocomplete=complete
                aria-invalid=move || invalid.get() aria-describedby=move || described.get()
                on:input=move |event| draft.set(Draft::Text(event_target_value(&event)))
            />
        }
        .into_any()
    }

    fn textarea(self) -> AnyView {
        let field = self.field.get_value();
        let (draft, invalid, described) = (self.draft, self.invalid, self.described);
        let rows = field.rows.unwrap_or(4).clamp(2, 20).to_string();
        view! {
            <textarea
                id=self.id.clone() prop:value=self.typed() rows=rows required=field.required placeholder=field.placeholder
                minlength=field.min.as_ref().map(typed) maxlength=field.max.as_ref().map(typed)
                aria-invalid=move || invalid.get() aria-describedby=move || described.get()
                on:input=move |event| draft.set(Draft::Text(event_target_value(&event)))
            ></textarea>
        }
        .into_any()
    }

    fn tick(self) -> AnyView {
        let (draft, invalid, described) = (self.draft, self.invalid, self.described);
        let ticked = draft.with_untracked(|draft| *draft == Draft::Flag(true));
        view! {
            <input
                id=self.id type="checkbox" checked=ticked
                aria-invalid=move || invalid.get() aria-describedby=move || described.get()
                on:change=move |event| draft.set(Draft::Flag(event_target_checked(&event)))
            />
        }
        .into_any()
    }

    fn select(self) -> AnyView {
        let field = self.field.get_value();
        let (draft, invalid, described) = (self.draft, self.invalid, self.described);
        let options = field.options.into_iter().enumerate().map(|(at, option)| {
            let chosen = draft.with_untracked(|draft| *draft == Draft::One(Some(at)));
            view! { <option value=at.to_string() selected=chosen>{option.label}</option> }
        });
        view! {
            <select
                id=self.id required=field.required
                aria-invalid=move || invalid.get() aria-describedby=move || described.get()
                on:change=move |event| draft.set(Draft::One(event_target_value(&event).parse().ok()))
            >
                <option value="">{field.placeholder.unwrap_or_else(|| "Choose…".to_owned())}</option>
                {options.collect_view()}
            </select>
        }
        .into_any()
    }

    /// All options in sight: one of them to choose, or several.
    fn options(self, several: bool) -> AnyView {
        let field = self.field.get_value();
        let (draft, group, required) = (self.draft, self.id, field.required && !several);
        let kind = if several { "checkbox" } else { "radio" };
        let options = field.options.into_iter().enumerate().map(|(at, option)| {
            let chosen = draft.with_untracked(|draft| is_chosen(draft, at));
            let choose = move |event| {
                let ticked = event_target_checked(&event);
                draft.update(|draft| choose(draft, at, ticked));
            };
            view! {
                <label class="choice">
                    <input
                        type=kind name=group.clone() value=at.to_string() checked=chosen required=required
                        on:change=choose
                    />
                    <span>{option.label}</span>
                </label>
            }
        });
        options.collect_view().into_any()
    }
}

fn is_chosen(draft: &Draft, at: usize) -> bool {
    match draft {
        Draft::One(chosen) => *chosen == Some(at),
        Draft::Any(chosen) => chosen.contains(&at),
        Draft::Text(_) | Draft::Flag(_) => false,
    }
}

fn choose(draft: &mut Draft, at: usize, ticked: bool) {
    match draft {
        Draft::Any(chosen) if ticked => {
            chosen.insert(at);
        }
        Draft::Any(chosen) => {
            chosen.remove(&at);
        }
        Draft::One(_) | Draft::Text(_) | Draft::Flag(_) => *draft = Draft::One(Some(at)),
    }
}
