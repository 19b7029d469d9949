//! Other servers, started beside ours in the same round, where they are installed.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::job::{Coding, Exchange, Publish, Resume, Role, Service, Shape, Target, Transport};
use crate::machine;
use crate::process::{self, Process};
use crate::round::{Running, cores};

/// Another server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    Nchan,
    Nats,
    Node,
    SocketIo,
    /// The stack that the product's plan was written for.
    FastApi,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] = [
        Self::Nchan,
        Self::Nats,
        Self::Node,
        Self::SocketIo,
        Self::FastApi,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nchan => "Nchan (nginx)",
            Self::Nats => "NATS server",
            Self::Node => "Node, http and ws",
            Self::SocketIo => "Socket.IO",
            Self::FastApi => "FastAPI, uvicorn, sse-starlette",
        }
    }

    pub(crate) fn transports(self) -> &'static [Transport] {
        match self {
            Self::Nchan | Self::Node | Self::FastApi => &[Transport::Sse, Transport::Ws],
            Self::Nats | Self::SocketIo => &[Transport::Ws],
        }
    }

    /// How to install it, where it is not.
    pub(crate) fn missing(self) -> Option<String> {
        let (is_there, how) = match self {
            Self::Nchan => (
                Path::new(NGINX).exists() && Path::new(NCHAN).exists(),
                "apt-get install nginx libnginx-mod-nchan".to_owned(),
            ),
            Self::Nats => (
                answers("nats-server", "--version"),
                "apt-get install nats-server".to_owned(),
            ),
            Self::Node | Self::SocketIo => (
                answers("node", "--version")
                    && ["ws", "socket.io"]
                        .iter()
                        .all(|it| modules().join(it).exists()),
                format!(
                    "npm install --prefix {} ws socket.io",
                    folder("node").display()
                ),
            ),
            Self::FastApi => {
                let venv = folder("python");
                let python = venv.join("bin/python");
                let imports = "import fastapi, uvicorn, sse_starlette, websockets";
                let check = Command::new(&python).args(["-c", imports]).output();
                (
                    check.is_ok_and(|it| it.status.success()),
                    format!(
                        "python3 -m venv {} && {} -m pip install fastapi uvicorn sse-starlette websockets",
                        venv.display(),
                        python.display()
                    ),
                )
            }
        };
        (!is_there).then_some(how)
    }

    pub(crate) fn start(self, transport: Transport, shape: &Shape, directory: &Path) -> Running {
        match self {
            Self::Nchan => nchan(transport, shape, directory),
            Self::Nats => nats(transport, shape, directory),
            Self::Node => node("plain.js", transport, shape),
            Self::SocketIo => socket_io(transport, shape),
            Self::FastApi => fastapi(transport, shape),
        }
    }
}

fn nchan(transport: Transport, shape: &Shape, directory: &Path) -> Running {
    let http = free_port();
    let config = include_str!("peers/nchan.conf")
        .replace("{module}", NCHAN)
        .replace("{folder}", &directory.display().to_string())
        .replace("{listen}", &http.to_string());
    let path = directory.join("nginx.conf");
    fs::write(&path, config).unwrap();
    let mut nginx = Command::new(NGINX);
    nginx.arg("-p").arg(directory).arg("-c").arg(&path);
    let server = Process::start(cores().0, quiet(&mut nginx));
    let (resume, path) = match transport {
        Transport::Sse => (Resume::LastEventId, "/subscribe/{run}"),
        Transport::Ws => (Resume::None, "/subscribe/{run}"),
    };
    let handshake = vec![Exchange::expect("\r\n\r\n")];
    let publish = Publish::Http(http);
    published(
        (server, 2),
        publish,
        http,
        transport,
        shape,
        path,
        handshake,
        resume,
    )
}

fn nats(transport: Transport, shape: &Shape, directory: &Path) -> Running {
    let (http, own) = (free_port(), free_port());
    let config = format!(
        "listen: \"{own}\"\nmax_connections: 100000\nwebsocket {{ listen: \"{http}\", no_tls: true }}\n"
    );
    let path = directory.join("nats.conf");
    fs::write(&path, config).unwrap();
    let mut nats = Command::new("nats-server");
    let server = Process::start(cores().0, quiet(nats.arg("-c").arg(&path)));
    let subscribe = "CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB {run} 1\r\nPING\r\n";
    let handshake = vec![
        Exchange::expect("\r\n\r\n"),
        Exchange::answer("INFO", subscribe),
        Exchange::expect("PONG"),
    ];
    let publish = Publish::Nats(own);
    published(
        (server, 1),
        publish,
        http,
        transport,
        shape,
        "/",
        handshake,
        Resume::None,
    )
}

/// A server, of so many processes, of whom events are asked through a publisher beside the load generator.
#[expect(clippy::too_many_arguments, reason = "each is a part of the target")]
fn published(
    (server, processes): (Process, usize),
    publish_to: Publish,
    http: SocketAddr,
    transport: Transport,
    shape: &Shape,
    path: &str,
    handshake: Vec<Exchange>,
    resume: Resume,
) -> Running {
    let service = Service {
        role: Role::Publisher,
        transport,
        shape: shape.clone(),
        directory: PathBuf::new(),
        publish_to: Some(publish_to),
    };
    let (publisher, ready) = process::serve(cores().1, &service);
    reached(http);
    let pids = family(&server, processes);
    let target = Target {
        http,
        control: ready.control,
        transport,
        coding: Coding::Plain,
        path: path.to_owned(),
        handshake,
        resume,
        answers: false,
        pids,
    };
    Running {
        target,
        processes: vec![server, publisher],
    }
}

fn node(program: &str, transport: Transport, shape: &Shape) -> Running {
    let mut node = Command::new("node");
    node.arg(sources().join(program))
        .args(arguments(shape))
        .env("NODE_PATH", modules());
    let handshake = vec![Exchange::expect("\r\n\r\n")];
    program_of_ours(&mut node, transport, "/{run}", handshake)
}

fn socket_io(transport: Transport, shape: &Shape) -> Running {
    let mut running = node("socket-io.js", transport, shape);
    running.target.path = "/socket.io/?EIO=4&transport=websocket".to_owned();
    running.target.handshake = vec![
        Exchange::expect("\r\n\r\n"),
        Exchange::answer("0{", "40"),
        Exchange::answer("40{", r#"42["join","{run}"]"#),
        Exchange::expect("joined"),
    ];
    running
}

fn fastapi(transport: Transport, shape: &Shape) -> Running {
    let mut python = Command::new(folder("python").join("bin/python"));
    python
        .arg(sources().join("fastapi_server.py"))
        .args(arguments(shape));
    let path = match transport {
        Transport::Sse => "/stream/{run}",
        Transport::Ws => "/ws/{run}",
    };
    let handshake = vec![Exchange::expect("\r\n\r\n"), Exchange::expect("hello")];
    program_of_ours(&mut python, transport, path, handshake)
}

/// A program in `peers/`, which obeys the control connection itself.
fn program_of_ours(
    command: &mut Command,
    transport: Transport,
    path: &str,
    handshake: Vec<Exchange>,
) -> Running {
    let (server, ready) = process::start(cores().0, command.stderr(Stdio::null()));
    let target = Target {
        http: ready.http,
        control: ready.control,
        transport,
        coding: Coding::Plain,
        path: path.to_owned(),
        handshake,
        resume: Resume::None,
        answers: false,
        pids: vec![server.id()],
    };
    Running {
        target,
        processes: vec![server],
    }
}

fn arguments(shape: &Shape) -> [String; 2] {
    let kind = if shape.tokens { "token" } else { "custom" };
    [shape.event_bytes.to_string(), kind.to_owned()]
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

fn answers(program: &str, argument: &str) -> bool {
    let output = Command::new(program).arg(argument).output();
    output.is_ok_and(|it| it.status.success())
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Waits until somebody listens.
fn reached(server: SocketAddr) {
    for _ in 0..500 {
        if std::net::TcpStream::connect(server).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{server} cannot be reached");
}

/// The processes of a server, once they are so many.
fn family(server: &Process, processes: usize) -> Vec<u32> {
    for _ in 0..500 {
        let family = machine::family(server.id());
        if family.len() >= processes {
            return family;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("a server has not started its worker");
}

/// Where the programs lie.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/fanout/peers")
}

/// Where what they need is installed: beside the executable's own target folder.
fn folder(name: &str) -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let target = executable.ancestors().nth(3).unwrap();
    target.join("fanout-peers").join(name)
}

fn modules() -> PathBuf {
    folder("node").join("node_modules")
}

const NGINX: &str = "/usr/sbin/nginx";
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
