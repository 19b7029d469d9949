//! A network between clients and a server that can be cut: every connection at once, at whatever byte it is.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

/// Passes connections on, until it is dropped.
pub(crate) struct Relay {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    open: Vec<AbortHandle>,
    requests: Vec<String>,
    /// What a request's first line holds that is taken and never answered.
    held: Vec<&'static str>,
}

impl Relay {
    /// A relay to this address.
    pub(crate) async fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (state, to) = (Arc::<Mutex<State>>::default(), to.to_owned());
        let entered = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let passing = tokio::spawn(pass(near, to.clone(), entered.clone()));
                entered.lock().unwrap().open.push(passing.abort_handle());
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// Cuts every connection; says how many there were.
    pub(crate) fn cut(&self) -> usize {
        let open = std::mem::take(&mut self.state.lock().unwrap().open);
        let live = open.iter().filter(|passing| !passing.is_finished());
        live.map(AbortHandle::abort).count()
    }

    /// Takes requests that hold one of these, and never answers: a network that breaks streams.
    pub(crate) fn hold(&self, held: &[&'static str]) {
        self.state.lock().unwrap().held = held.to_vec();
    }

    /// The first line of every request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

/// Notes the request, and passes on what both sides say. A peer that leaves in the middle is no failure here.
async fn pass(mut near: TcpStream, to: String, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.windows(2).any(|two| two == b"\r\n") {
        if near.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let line = String::from_utf8_lossy(&head)
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let is_held = {
        let mut state = state.lock().unwrap();
        let is_held = state.held.iter().any(|held| line.contains(held));
        state.requests.push(line);
        is_held
    };
    if is_held {
        // until the client gives it up
        while near.read_buf(&mut head).await.unwrap_or(0) > 0 {}
        return;
    }
    let Ok(mut far) = TcpStream::connect(to).await else {
        return;
    };
    if far.write_all(&head).await.is_ok() {
        let _left_early = copy_bidirectional(&mut near, &mut far).await;
    }
}
