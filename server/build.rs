//! Lets cargo see when the dashboard has changed: `dist/` is embedded, and its files have new names then.

use std::io;

fn main() -> io::Result<()> {
    // cargo takes a folder that is not there for one that has changed, and would build again every time
    std::fs::create_dir_all("../dist")?;
    println!("cargo::rerun-if-changed=../dist");
    Ok(())
}
