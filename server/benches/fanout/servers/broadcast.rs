//! axum and a broadcast channel for each stream: what one writes when one writes it in an hour.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{Stream, stream};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::control::{self, Producer};
use crate::event::Maker;
use crate::job::Service;

type Channels = Arc<Vec<broadcast::Sender<Utf8Bytes>>>;

pub(crate) async fn serve(service: &Service) {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is what the product is compared with"
    )]
    let channels: Channels = Arc::new(
        (0..service.shape.streams)
            .map(|_| broadcast::channel(CAPACITY).0)
            .collect(),
    );
    let router = Router::new()
        .route("/stream/pipeline/{run}", get(sse))
        .route("/ws/pipeline/{run}", get(ws))
        .with_state(channels.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (control, address) = control::listen().await;
    super::ready(listener.local_addr().unwrap(), address, String::new());
    let producer = Sender {
        emitted: vec![0; channels.len()],
        channels,
        maker: Maker::new(&service.shape),
    };
    tokio::spawn(async { control::obey(control, producer).await });
    let nodelay = axum::serve::ListenerExt::tap_io(listener, |socket| {
        socket.set_nodelay(true).unwrap();
    });
    axum::serve(nodelay, router).await.unwrap();
}

struct Sender {
    channels: Channels,
    emitted: Vec<u64>,
    maker: Maker,
}

impl Producer for Sender {
    async fn emit(&mut self, stream: usize, count: u64) {
        for _ in 0..count {
            self.emitted[stream] += 1;
            let json = self.maker.json(stream, self.emitted[stream]);
            let _nobody_listens = self.channels[stream].send(json.into());
        }
    }
}

fn subscribe(channels: &Channels, run: &str) -> broadcast::Receiver<Utf8Bytes> {
    let stream: usize = run.strip_prefix("run-").unwrap().parse().unwrap();
    channels[stream].subscribe()
}

async fn sse(State(channels): State<Channels>, Path(run): Path<String>) -> Response {
    let events = subscribe(&channels, &run);
    Sse::new(follow(events)).into_response()
}

fn follow(events: broadcast::Receiver<Utf8Bytes>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(events, |mut events| async {
        let json = next(&mut events).await?;
        let event = Event::default().event("step_progress").data(json.as_str());
        Some((Ok(event), events))
    })
}

async fn ws(
    State(channels): State<Channels>,
    Path(run): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let mut events = subscribe(&channels, &run);
    upgrade.on_upgrade(move |mut socket: WebSocket| async move {
        while let Some(json) = next(&mut events).await {
            if socket.send(Message::Text(json)).await.is_err() {
                return;
            }
        }
    })
}

/// The next event; what a slow one has missed is lost to it.
async fn next(events: &mut broadcast::Receiver<Utf8Bytes>) -> Option<Utf8Bytes> {
    loop {
        match events.recv().await {
            Ok(json) => return Some(json),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

/// Events that a subscriber may lag behind.
const CAPACITY: usize = 1024;
