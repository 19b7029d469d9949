//! The documents that say what travels, written from the code. That they are up to date is a test of the server's.

use std::fs;

use crate::process::{Result, capture, cargo, root};

/// Writes `docs/spec/`.
pub(crate) fn write() -> Result<()> {
    let folder = root().join("docs/spec");
    fs::create_dir_all(&folder)?;
    for (document, file) in DOCUMENTS {
        let text = capture(cargo().args([
            "run",
            "--quiet",
            "-p",
            "stepcast-server",
            "--",
            "spec",
            document,
        ]))?;
        fs::write(folder.join(file), text)?;
    }
    Ok(())
}

/// What `stepcast spec` calls each document, and its file.
const DOCUMENTS: [(&str, &str); 4] = [
    ("events", "events.schema.json"),
    ("openapi", "openapi.json"),
    ("asyncapi", "asyncapi.json"),
    ("graphql", "schema.graphql"),
];
