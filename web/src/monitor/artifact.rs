//! Files that a step made: images, sound and film where they stand, the beginning of texts where it is
//! opened, and each of them to download. Never markup of theirs.

use leptos::prelude::*;
use serde_json::Value;
use stepcast_core::view::{ArtifactView, StepView};

use super::actions::Actions;
use super::output::OutputOf;
use super::words;
use crate::store::{Preview, Step, Store};

/// The files of a step.
#[component]
pub fn Artifacts(
    /// The step.
    step: Step,
    /// Where the files are, and how their beginning is read.
    actions: Actions,
) -> AnyView {
    let made = step.memo(|step: &StepView| step.artifacts.clone());
    let dropped = step.memo(|step| step.artifacts_dropped);
    view! {
        <ul class="artifacts" aria-label="Files">
            <For each=move || made.get() key=|made| (made.name.clone(), made.seq) let(made)>
                <Artifact store=step.store() made actions/>
            </For>
        </ul>
        {move || (dropped.get() > 0).then(|| view! {
            <p class="artifacts-more">{words::counted(dropped.get(), "earlier file")} " is in the events only."</p>
        })}
    }
    .into_any()
}

/// One file.
#[component]
fn Artifact(store: Store, made: ArtifactView, actions: Actions) -> AnyView {
    let address = actions.file(&made.sha256);
    let kind = Kind::of(&made.media_type);
    let (failed, fail) = signal(false);
    let size = made.size.map(words::bytes);
    let about = [Some(made.media_type.clone()), size].into_iter().flatten();
    let about = about.collect::<Vec<_>>().join(", ");
    let shown = show(kind, &address, &made, fail);
    let sha256 = made.sha256.clone();
    let preview = (kind == Kind::Text)
        .then(|| view! { <Beginning store sha256 actions json=is_json(&made.media_type)/> });
    view! {
        <li class="artifact" data-testid="artifact" data-name=made.name data-kind=kind.name()>
            {move || match failed.get() {
                false => shown().into_any(),
                true => view! {
                    <p class="artifact-box artifact-failed" data-testid="artifact-failed" role="status">
                        "It could not be shown. The server may not keep it any more, or this browser does not know its form."
                    </p>
                }.into_any(),
            }}
            <p class="artifact-line">
                <span class="artifact-name">{made.name.clone()}</span>
                <span class="tag">{about}</span>
                <a class="artifact-load" href=address download=made.name.clone()>"Download"</a>
            </p>
            {preview}
        </li>
    }
    .into_any()
}

/// The file in the page, in a box of fixed size, where a browser can show it.
fn show(
    kind: Kind,
    address: &str,
    made: &ArtifactView,
    fail: WriteSignal<bool>,
) -> impl Fn() -> AnyView + Send + use<> {
    let (address, name) = (address.to_owned(), made.name.clone());
    move || {
        let (address, name) = (address.clone(), name.clone());
        let failed = move |_| fail.set(true);
        match kind {
            Kind::Image => view! {
                <div class="artifact-box">
                    <img src=address alt=name loading="lazy" decoding="async" on:error=failed/>
                </div>
            }
            .into_any(),
            Kind::Audio => view! {
                <audio controls preload="metadata" src=address aria-label=name on:error=failed></audio>
            }
            .into_any(),
            Kind::Video => view! {
                <video class="artifact-box" controls preload="metadata" src=address aria-label=name on:error=failed></video>
            }
            .into_any(),
            Kind::Text | Kind::Other => ().into_any(),
        }
    }
}

/// The beginning of a text, read when it is first opened.
#[component]
fn Beginning(store: Store, sha256: String, actions: Actions, json: bool) -> AnyView {
    let key = sha256.clone();
    let preview = Memo::new(move |_| store.preview(&key));
    let open = move |_| actions.preview(&sha256);
    view! {
        <details class="fold" data-testid="artifact-preview" on:toggle=open>
            <summary>"Look inside"</summary>
            {move || preview.get().map(|preview| inside(preview, json))}
        </details>
    }
    .into_any()
}

fn inside(preview: Preview, json: bool) -> AnyView {
    let beginning = match preview {
        Preview::Reading => {
            return view! { <p class="artifact-text" role="status">"Reading…"</p> }.into_any();
        }
        Preview::Failed(error) => {
            return view! {
                <p class="note" data-tone="failed" role="alert">{format!("It could not be read: {error}.")}</p>
            }
            .into_any();
        }
        Preview::Read(beginning) => beginning,
    };
    let value = (json && beginning.whole)
        .then(|| serde_json::from_str::<Value>(&beginning.text).ok())
        .flatten();
    if let Some(value) = value {
        return view! { <OutputOf title="Content" value open=true/> }.into_any();
    }
    let more = (!beginning.whole).then_some("This is only its beginning.");
    view! {
        <pre class="artifact-text" tabindex="0" role="group" aria-label="Content">{beginning.text}</pre>
        {more.map(|more| view! { <p class="artifact-more">{more}</p> })}
    }
    .into_any()
}

/// How a file is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Image,
    Audio,
    Video,
    Text,
    Other,
}

impl Kind {
    fn of(media_type: &str) -> Self {
        let plain = essence(media_type);
        match plain.split_once('/') {
            Some(("image", "png" | "jpeg" | "gif" | "webp" | "avif" | "svg+xml" | "bmp")) => {
                Self::Image
            }
            Some(("audio", _)) => Self::Audio,
            Some(("video", _)) => Self::Video,
            Some(("text", _)) => Self::Text,
            Some(("application", "json" | "yaml" | "toml" | "xml" | "x-ndjson" | "javascript")) => {
                Self::Text
            }
            _ if is_json(media_type) => Self::Text,
            _ => Self::Other,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Other => "other",
        }
    }
}

fn is_json(media_type: &str) -> bool {
    let plain = essence(media_type);
    plain == "application/json" || plain.ends_with("+json")
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    let plain = media_type.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_shown_by_its_type() {
        for (media_type, kind) in [
            ("image/png", Kind::Image),
            ("IMAGE/JPEG; x=1", Kind::Image),
            ("image/tiff", Kind::Other),
            ("audio/mpeg", Kind::Audio),
            ("video/mp4", Kind::Video),
            ("text/html", Kind::Text),
            ("application/ld+json", Kind::Text),
            ("application/pdf", Kind::Other),
            ("nonsense", Kind::Other),
        ] {
            assert_eq!(Kind::of(media_type), kind, "{media_type}");
        }
    }
}
