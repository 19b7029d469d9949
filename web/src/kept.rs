//! What the browser keeps from one visit to the next: a choice, a name. Never anything that matters.

/// What was kept under this key; none where the browser keeps nothing.
pub fn read(key: &str) -> Option<String> {
    let storage = web_sys::window()?.local_storage().ok()??;
    storage.get_item(key).ok()?
}

/// Keeps a text.
pub fn write(key: &str, text: &str) {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok()?);
    if let Some(storage) = storage {
        // a full or forbidden storage costs only the memory
        let _kept = storage.set_item(key, text);
    }
}
