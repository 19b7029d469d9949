//! A fan alone, and a connection or two.

use bytes::BytesMut;
use serde_json::json;
use stepcast_core::event::EventType;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::context::Draft;
use crate::log::{Budget, Log, MemoryStore, NewExecution};
use crate::transport::dialect::{Dialect, Encoding};

fn fans() -> Fans {
    let delivery = Arc::new(Delivery::new(true));
    Fans::new(
        Duration::from_secs(60),
        None,
        CancellationToken::new(),
        delivery,
    )
}

/// What a viewer would wait for without end: the last event, told before the fan's task had its first turn.
#[tokio::test]
async fn what_comes_before_the_first_turn_of_a_fan_is_written() {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let new = NewExecution::named("e".parse().unwrap(), "test", 1);
    let stream = log.create(&new, Budget::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut viewer = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    socket.writable().await.unwrap();
    let seat = Arc::new(Seat::new(
        socket.into(),
        Dialect::WebSocket {
            encoding: Encoding::Json,
            batched: false,
            coding: None,
        },
    ));
    let fans = fans();
    let fan = fans.sit_down(&stream, (0, Fidelity::Full), &seat).await;
    // nothing here lets another task run
    let draft = Draft {
        event_type: EventType::PipelineComplete,
        step_id: None,
        data: json!({ "output": {} }),
        metadata: None,
    };
    stream.append(&draft).await.unwrap();
    let mut bytes = [0; 1024];
    let read = tokio::time::timeout(Duration::from_secs(10), viewer.read(&mut bytes));
    assert!(read.await.expect("nothing is written").unwrap() > 0);
    let leave = seat.given_up().await;
    assert_eq!((leave.cursor, fan.stream.tail().last_seq), (1, 1));
}

/// Under TLS a write may be taken whole and not be on its way: without another event, nobody would send it.
#[tokio::test]
async fn a_connection_that_is_full_is_given_up_with_its_last_event() {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let new = NewExecution::named("e".parse().unwrap(), "test", 1);
    let stream = log.create(&new, Budget::default()).unwrap();
    let (socket, mut viewer) = crate::socket::tls::pair::pair().await;
    socket.writable().await.unwrap();
    let seat = Arc::new(Seat::new(
        socket,
        Dialect::WebSocket {
            encoding: Encoding::Json,
            batched: false,
            coding: None,
        },
    ));
    let fans = fans();
    let _fan = fans.sit_down(&stream, (0, Fidelity::Full), &seat).await;
    let draft = Draft {
        event_type: EventType::StepProgress,
        step_id: None,
        data: json!({ "text": "x".repeat(1000) }),
        metadata: None,
    };
    let mut bytes = 0;
    while seat.socket().is_flushed() {
        stream.append(&draft).await.unwrap();
        let record = stream.read_ring(stream.tail().last_seq - 1, 1, 1).unwrap();
        let mut frame = BytesMut::new();
        seat.dialect.events(&record, &mut frame);
        bytes += frame.len();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    let within = Duration::from_secs(10);
    let left = tokio::time::timeout(within, seat.given_up()).await;
    let leave = left.expect("it is not given up");
    assert_eq!(leave.cursor, stream.tail().last_seq);
    let rest = seat.write_all(leave.unsent, within);
    let mut read = vec![0; bytes];
    let reading = tokio::time::timeout(within, viewer.read_exact(&mut read));
    let (written, read) = tokio::join!(rest, reading);
    written.unwrap();
    read.expect("the last piece stays behind").unwrap();
}

/// Whoever reads it in CBOR, alone or with others, is given the same bytes.
#[tokio::test]
async fn an_event_is_written_in_cbor_once() {
    let log = Log::new(Arc::new(MemoryStore::new()));
    let new = NewExecution::named("e".parse().unwrap(), "test", 1);
    let stream = log.create(&new, Budget::default()).unwrap();
    stream.keep_cbor();
    let draft = Draft {
        event_type: EventType::StepProgress,
        step_id: None,
        data: json!({ "n": 1 }),
        metadata: None,
    };
    stream.append(&draft).await.unwrap();
    let read = || stream.read_ring(0, 1, 1).unwrap().remove(0).cbor();
    let (one, other) = (read(), read());
    assert!(!one.is_empty());
    assert_eq!(one.as_ptr(), other.as_ptr());
}
