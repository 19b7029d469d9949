//! The dashboard, built into `dist/` without any tool to install.
//!
//! File names carry a hash of what is in them, so a browser may keep them for ever.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use crate::page;
use crate::process::{Result, cargo, command, root, run, target};
use crate::tools;

/// What the dashboard's wasm is built for.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// Builds `dist/`; quick where nothing has changed.
pub(crate) fn build() -> Result<()> {
    tools::wasm_target()?;
    run(small(&mut cargo())
        .args(["build", "-p", "stepcast-web", "--bin", "dashboard"])
        .args(["--target", WASM, "--profile", "wasm-release"]))?;
    let wasm = target().join(WASM).join("wasm-release/dashboard.wasm");
    let html = fs::read_to_string(root().join("index.html"))?;
    let mut dist = Dist::new(fs::read(&wasm)?);
    let page = page::replace_links(&html, |link| dist.replace(link))?;
    dist.add("index.html".into(), page.into_bytes());
    dist.write()
}

/// Has Leptos hide the types of views: it makes one code of what would be many, and a page a tenth smaller. Every
/// program for the browser is built so, or each would build Leptos anew.
pub(crate) fn small(cargo: &mut Command) -> &mut Command {
    cargo.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        "--cfg erase_components",
    )
}

/// The bindings of a wasm file, for a page that imports them as a module.
///
/// The page says where the wasm is: a default in the JavaScript would have bundlers look for a file of that name.
pub(crate) fn bindings(wasm: Vec<u8>, name: &str, folder: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_bytes(name, wasm);
    bindgen.out_name(name);
    bindgen.web(true)?;
    bindgen.typescript(false);
    bindgen.omit_default_module_path(true);
    bindgen.remove_name_section(true);
    bindgen.remove_producers_section(true);
    bindgen.generate(folder)?;
    Ok(())
}

/// A short name for these bytes.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What `dist/` is to hold.
struct Dist {
    wasm: Vec<u8>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Dist {
    fn new(wasm: Vec<u8>) -> Self {
        Self {
            wasm,
            files: Vec::new(),
        }
    }

    fn add(&mut self, path: PathBuf, bytes: Vec<u8>) {
        self.files.push((path, bytes));
    }

    /// What stands in the shipped page for a link of Trunk's.
    fn replace(&mut self, link: &page::Link) -> Result<String> {
        let rel = link.get("rel").unwrap_or_default();
        let href = link.get("href").unwrap_or_default();
        match rel {
            "rust" => Ok(self.program()),
            "css" | "icon" => {
                let address = self.asset(href)?;
                let link = link.pointing_at(&address);
                Ok(link.replace("rel=\"css\"", "rel=\"stylesheet\""))
            }
            "copy-file" => {
                let file = root().join(href);
                let name = file.file_name().ok_or("a copy-file link names no file")?;
                self.add(name.into(), read(&file)?);
                Ok(String::new())
            }
            "copy-dir" => {
                let folder = root().join(href);
                let name = folder
                    .file_name()
                    .ok_or("a copy-dir link names no folder")?;
                self.folder(&folder, Path::new(name))?;
                Ok(String::new())
            }
            other => Err(format!(
                "index.html has a link with rel=\"{other}\", which xtask/src/web.rs does not know"
            )
            .into()),
        }
    }

    /// The tags that start the program.
    fn program(&mut self) -> String {
        let name = self.program_name();
        let boot = format!(
            "import init from \"./{name}.js\";\n\
             await init({{ module_or_path: new URL(\"./{name}_bg.wasm\", import.meta.url) }});\n"
        );
        let boot_name = format!("boot-{}.js", hash(boot.as_bytes()));
        self.add(boot_name.clone().into(), boot.into_bytes());
        format!(
            "<link rel=\"modulepreload\" href=\"/{name}.js\">\n    \
             <link rel=\"preload\" href=\"/{name}_bg.wasm\" as=\"fetch\" type=\"application/wasm\" crossorigin>\n    \
             <script type=\"module\" src=\"/{boot_name}\"></script>"
        )
    }

    fn program_name(&self) -> String {
        format!("dashboard-{}", hash(&self.wasm))
    }

    /// Adds a file under a name with its hash, and gives its address.
    fn asset(&mut self, href: &str) -> Result<String> {
        let file = root().join(href);
        let bytes = read(&file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}-{}.{extension}", hash(&bytes));
        self.add(name.clone().into(), bytes);
        Ok(format!("/{name}"))
    }

    fn folder(&mut self, from: &Path, to: &Path) -> Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let name = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.folder(&entry.path(), &name)?;
            } else {
                self.add(name, read(&entry.path())?);
            }
        }
        Ok(())
    }

    /// Writes `dist/`, unless it holds just this already.
    fn write(mut self) -> Result<()> {
        let dist = root().join("dist");
        let name = self.program_name();
        let stamp_file = target().join("xtask/dist.stamp");
        let stamp = self.stamp();
        if fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp)
            && dist.join("index.html").is_file()
        {
            return Ok(());
        }
        let next = target().join("xtask/dist");
        forget(&next)?;
        fs::create_dir_all(&next)?;
        bindings(std::mem::take(&mut self.wasm), &name, &next)?;
        for (path, bytes) in self.files {
            let file = next.join(path);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, bytes)?;
        }
        forget(&dist)?;
        if fs::rename(&next, &dist).is_err() {
            run(command("cp").arg("-r").arg(&next).arg(&dist))?;
        }
        fs::write(stamp_file, stamp)?;
        Ok(())
    }

    /// Equal for two equal sets of files.
    fn stamp(&self) -> String {
        let mut lines = vec![self.program_name()];
        lines.extend(
            self.files
                .iter()
                .map(|(path, bytes)| format!("{} {}", path.display(), hash(bytes))),
        );
        lines.join("\n")
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

fn forget(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Err(_) | Ok(()) => Ok(()),
    }
}
