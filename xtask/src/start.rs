//! `cargo xtask start`: the newcomer's one command.
//!
//! The port is tried before anything is built: nobody should wait minutes to learn that it is taken.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Result, cargo, command, on_path, run, target};
use crate::{tools, web};

/// What `start` was asked to do.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Options {
    port: u16,
    data_dir: String,
    open: bool,
    debug: bool,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            port: 8400,
            data_dir: ".stepcast".to_owned(),
            open: false,
            debug: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (flag, joined) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (argument.as_str(), None),
            };
            let mut value = || {
                joined
                    .or_else(|| rest.next().map(String::as_str))
                    .unwrap_or_default()
            };
            match flag {
                "--open" => options.open = true,
                "--debug" => options.debug = true,
                "--data-dir" => options.data_dir = value().to_owned(),
                "--port" => options.port = parse_port(value())?,
                other => {
                    return Err(
                        format!("`start` has no option `{other}`; see cargo xtask --help").into(),
                    );
                }
            }
        }
        Ok(options)
    }
}

fn parse_port(text: &str) -> Result<u16> {
    let port = text.parse().ok();
    port.ok_or_else(|| format!("--port wants a number from 0 to 65535, not `{text}`").into())
}

/// Builds everything and becomes the server.
pub(crate) fn start(options: &Options) -> Result<()> {
    let port = free_port(options.port)?;
    println!("[1/4] checking the toolchain");
    tools::wasm_target()?;
    println!("[2/4] building the dashboard (the first time takes some minutes)");
    web::build()?;
    println!("[3/4] building the server (the first time takes some minutes)");
    let mut build = cargo();
    build.args(["build", "-p", "stepcast-server", "--bin", "stepcast"]);
    let profile = if options.debug { "debug" } else { "release" };
    if !options.debug {
        build.arg("--release");
    }
    run(&mut build)?;
    println!("[4/4] starting the server and the example `library`");
    println!();
    println!("    http://127.0.0.1:{port}/    (stop with Ctrl-C)");
    println!();
    let mut server = command(target().join(profile).join("stepcast"));
    server
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .args([
            "--data-dir",
            &options.data_dir,
            "--pipelines",
            "examples",
            "--start",
            "library",
        ]);
    if options.open {
        open_when_ready(port);
    }
    become_server(&mut server)
}

/// Opens the page as soon as the server answers; called in a process of its own.
pub(crate) fn open_page(port: &str) -> Result<()> {
    let port: u16 = port.parse()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() > deadline {
            return Err("the server did not answer: no browser was opened".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let opener = if cfg!(target_os = "macos") {
        on_path(&["open"])
    } else if cfg!(windows) {
        on_path(&["explorer"])
    } else {
        on_path(&["xdg-open", "wslview"])
    };
    let Some(opener) = opener else {
        return Err(format!(
            "no program here opens a browser: go to http://127.0.0.1:{port}/ yourself"
        )
        .into());
    };
    run(Command::new(opener).arg(format!("http://127.0.0.1:{port}/")))
}

/// The port to listen on; 0 asks for any that is free.
fn free_port(port: u16) -> Result<u16> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => Ok(listener.local_addr()?.port()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(format!(
            "port {port} is taken by another program (perhaps an earlier start).\n\
             Choose another with: cargo xtask start --port {}",
            port.checked_add(1).unwrap_or(8400)
        )
        .into()),
        Err(error) => Err(format!("cannot listen on 127.0.0.1:{port}: {error}").into()),
    }
}

/// A helper process, since this one is about to become the server.
fn open_when_ready(port: u16) {
    let Ok(this) = std::env::current_exe() else {
        return;
    };
    let started = Command::new(this)
        .args(["open-page", &port.to_string()])
        .stdin(Stdio::null())
        .spawn();
    if let Err(error) = started {
        eprintln!("no browser was opened: {error}");
    }
}

/// Replaces this process, so that Ctrl-C and the exit code are the server's own.
#[cfg(unix)]
fn become_server(server: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(format!("the server did not start: {}", server.exec()).into())
}

#[cfg(not(unix))]
fn become_server(server: &mut Command) -> Result<()> {
    run(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options> {
        Options::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        let expected = Options {
            port: 9000,
            data_dir: "d".to_owned(),
            open: true,
            debug: false,
        };
        assert_eq!(
            parsed(&["--port", "9000", "--open", "--data-dir", "d"]).unwrap(),
            expected
        );
        assert_eq!(
            parsed(&["--open", "--data-dir=d", "--port=9000"]).unwrap(),
            expected
        );
        assert_eq!(parsed(&[]).unwrap().port, 8400);
    }

    #[test]
    fn a_bad_option_is_named() {
        assert!(
            parsed(&["--prot"])
                .unwrap_err()
                .to_string()
                .contains("--prot")
        );
        assert!(
            parsed(&["--port", "x"])
                .unwrap_err()
                .to_string()
                .contains('x')
        );
        assert!(parsed(&["--port"]).is_err());
    }

    #[test]
    fn a_taken_port_is_refused_with_a_way_out() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let told = free_port(port).unwrap_err().to_string();
        assert!(
            told.contains(&port.to_string()) && told.contains("--port"),
            "{told}"
        );
    }
}
