//! AsyncAPI 3 of the streams: which frames travel where. Their shapes are in `events.schema.json`.

mod files;

use serde_json::{Map, Value, json};
use stepcast_core::schema;
use stepcast_core::wire::close::{CloseCode, comes_back};

use self::files::{fetch_messages, file_messages, of_fetches, of_file};

/// The document.
pub(super) fn document() -> Value {
    let frames = Frames::new();
    let channels = channels(&frames);
    let mut operations = Map::new();
    for (name, channel, messages, receives) in operations_of(&frames) {
        let (action, summary) = if receives {
            ("receive", "What a client says.")
        } else {
            ("send", "What the server says.")
        };
        let messages = messages
            .iter()
            .map(|it| refer(&format!("#/channels/{channel}/messages/{it}")));
        operations.insert(
            name,
            json!({
                "action": action,
                "channel": refer(&format!("#/channels/{channel}")),
                "summary": summary,
                "description": format!("{summary} Each message is one frame."),
                "messages": messages.collect::<Value>(),
            }),
        );
    }
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Stepcast streams",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "contact": { "name": "Stepcast" },
            "license": { "name": "MIT OR Apache-2.0" },
            "tags": [{ "name": "events", "description": "Events of runs as they happen." }],
        },
        "defaultContentType": "application/json",
        "servers": {
            "webSocket": {
                "host": "127.0.0.1:8400",
                "protocol": "ws",
                "description": "Where `stepcast serve` listens when nothing is said; `wss` with a certificate.",
                "security": security(),
            },
            "http": {
                "host": "127.0.0.1:8400",
                "protocol": "http",
                "description": "The same; `https` with a certificate.",
                "security": security(),
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": frames.messages(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token; over a WebSocket also as the subprotocol `stepcast.bearer.TOKEN`, beside `stepcast.v1`." },
                "session": { "type": "httpApiKey", "in": "cookie", "name": crate::access::proof::SESSION_COOKIE, "description": "What `POST /api/session` sets." },
                "ticket": { "type": "httpApiKey", "in": "query", "name": "ticket", "description": "What `POST /api/tickets` gives." },
            },
        },
    })
}

fn security() -> Value {
    ["bearer", "session", "ticket"]
        .into_iter()
        .map(|way| refer(&format!("#/components/securitySchemes/{way}")))
        .collect()
}

fn refer(place: &str) -> Value {
    json!({ "$ref": place })
}

/// Every frame that travels, by the name of its schema.
struct Frames {
    definitions: Map<String, Value>,
    events: Vec<String>,
    control: Vec<String>,
    client: Vec<String>,
}

impl Frames {
    fn new() -> Self {
        let mut document = schema::document();
        let definitions = document.get_mut("$defs").map(Value::take);
        let definitions = match definitions {
            Some(Value::Object(definitions)) => definitions,
            _ => Map::new(),
        };
        let ways = |name: &str| -> Vec<String> {
            let ways = definitions.get(name).and_then(|it| it.get("oneOf"));
            let ways = ways.and_then(Value::as_array).into_iter().flatten();
            let names = ways.filter_map(|way| way.get("$ref")?.as_str()?.rsplit('/').next());
            names.map(str::to_owned).collect()
        };
        Self {
            events: ways("Event"),
            control: ways("ControlFrame"),
            client: ways("ClientFrame"),
            definitions,
        }
    }

    /// What the server says on a connection, without these control frames.
    fn said(&self, without: &[&str]) -> Vec<String> {
        let left_out = |name: &&String| {
            !without
                .iter()
                .any(|word| schema::variant_name(word, "Control") == **name)
        };
        let control = self.control.iter().filter(left_out);
        self.events.iter().chain(control).cloned().collect()
    }

    /// On the WebSocket of one run.
    fn said_of_one(&self) -> Vec<String> {
        self.said(&MANY_ONLY)
            .into_iter()
            .chain(of_fetches())
            .collect()
    }

    /// On the WebSocket of many.
    fn said_of_many(&self) -> Vec<String> {
        self.said(&[]).into_iter().chain(of_fetches()).collect()
    }

    fn messages(&self) -> Value {
        let mut messages = Map::new();
        for name in self.events.iter().chain(&self.control).chain(&self.client) {
            let said = self
                .definitions
                .get(name)
                .and_then(|it| it.get("description"));
            messages.insert(
                name.clone(),
                json!({
                    "name": name,
                    "title": name,
                    "summary": said,
                    "contentType": "application/json",
                    "payload": refer(&format!("events.schema.json#/$defs/{name}")),
                }),
            );
        }
        messages.extend(file_messages());
        messages.extend(fetch_messages());
        messages.into()
    }
}

/// What a client says on the WebSocket of one run.
fn said_to_one() -> Vec<String> {
    let words = ["fetch", "unfetch", "ping"].into_iter();
    words
        .map(|word| schema::variant_name(word, "Action"))
        .collect()
}

fn channels(frames: &Frames) -> Value {
    let mut channels = Map::new();
    let id = json!({
        "execution_id": { "description": "The execution: 1 to 128 bytes of `A-Z a-z 0-9 . _ : -`." },
    });
    let file = json!({
        "execution_id": { "description": "The execution." },
        "sha256": { "description": "The SHA-256 of the file's content, in lower-case hexadecimal." },
    });
    let none = || json!({});
    let client = [frames.client.clone(), frames.said_of_many()].concat();
    let one = [said_to_one(), frames.said_of_one()].concat();
    for (name, address, title, parameters, messages) in [
        (
            ONE_WS,
            "/ws/pipeline/{execution_id}",
            "One run over a WebSocket",
            id.clone(),
            one,
        ),
        (
            MANY_WS,
            "/ws/executions",
            "Many runs over one WebSocket",
            none(),
            client,
        ),
        (
            FILE_WS,
            "/ws/executions/{execution_id}/artifacts/{sha256}",
            "A file over a WebSocket",
            file,
            of_file(),
        ),
        (
            ONE_SSE,
            "/stream/pipeline/{execution_id}",
            "One run by server-sent events",
            id,
            frames.said(&ONE_SSE_NEVER),
        ),
        (
            MANY_SSE,
            "/stream/executions",
            "Many runs by server-sent events",
            none(),
            frames.said(&["pong"]),
        ),
    ] {
        let socket = address.starts_with("/ws/");
        let server = if socket { "webSocket" } else { "http" };
        let entries = messages.iter().map(|it| {
            let message = refer(&format!("#/components/messages/{it}"));
            (it.clone(), message)
        });
        let mut channel = json!({
            "address": address,
            "title": title,
            "description": if socket { SOCKET } else { SSE },
            "servers": [refer(&format!("#/servers/{server}"))],
            "messages": entries.collect::<Map<String, Value>>(),
            "parameters": parameters,
        });
        if let Some(channel) = channel.as_object_mut()
            && socket
        {
            channel.insert(
                "bindings".into(),
                json!({ "ws": { "method": "GET", "headers": offered(name), "bindingVersion": "0.1.0" } }),
            );
            channel.insert("x-close-codes".into(), close_codes());
        }
        channels.insert(name.to_owned(), channel);
    }
    channels.into()
}

/// Name, channel, messages, and whether the server receives them.
fn operations_of(frames: &Frames) -> Vec<(String, &'static str, Vec<String>, bool)> {
    vec![
        ("sendRun".into(), ONE_WS, frames.said_of_one(), false),
        ("receiveOfRun".into(), ONE_WS, said_to_one(), true),
        ("sendRuns".into(), MANY_WS, frames.said_of_many(), false),
        ("receiveOfRuns".into(), MANY_WS, frames.client.clone(), true),
        ("sendFile".into(), FILE_WS, of_file(), false),
        (
            "sendRunEvents".into(),
            ONE_SSE,
            frames.said(&ONE_SSE_NEVER),
            false,
        ),
        (
            "sendRunsEvents".into(),
            MANY_SSE,
            frames.said(&["pong"]),
            false,
        ),
    ]
}

/// What a client says of itself when it opens a WebSocket.
fn offered(channel: &str) -> Value {
    let protocols = match channel {
        FILE_WS => "`stepcast.v1`, beside a token as `stepcast.bearer.TOKEN`.",
        _ => {
            "What the messages are written in: `stepcast.v1` for JSON, `stepcast.cbor` for CBOR; the first of them counts. A token as `stepcast.bearer.TOKEN`."
        }
    };
    json!({
        "type": "object",
        "properties": { "Sec-WebSocket-Protocol": { "type": "string", "description": protocols } },
    })
}

fn close_codes() -> Value {
    CloseCode::ALL
        .into_iter()
        .map(|close| {
            let code = close.code();
            json!({ "code": code, "name": format!("{close:?}"), "comes_back": comes_back(code) })
        })
        .collect()
}

const ONE_WS: &str = "runWebSocket";
const MANY_WS: &str = "runsWebSocket";
const FILE_WS: &str = "fileWebSocket";
const ONE_SSE: &str = "runEventStream";
const MANY_SSE: &str = "runsEventStream";

/// Frames of a connection for many runs only.
const MANY_ONLY: [&str; 2] = ["watching", "matched"];

/// Frames that the event stream of one run never has: nobody pings it.
const ONE_SSE_NEVER: [&str; 3] = ["watching", "matched", "pong"];

const ABOUT: &str = "Every event of a run, over WebSocket or as server-sent events, from the beginning or from a cursor. The end of a stream is said in band, and so is everything that will not come. Long poll and everything else is in `openapi.json`.";

const SOCKET: &str = "One JSON text message an event or control frame; with `batch=true`, events that are sent together are one message, each on a line of its own. With the subprotocol `stepcast.cbor` a message is binary and holds the same in CBOR (RFC 8949), a batch as a sequence (RFC 8742). From where, what, how much of it and how fast stands in the address: `after`, `type`, `step`, `fidelity`, `when_slow` and `pace`. The close code says whether to come back.";

const SSE: &str = "`data:` is the frame. An event has its type in `event:` and its cursor in `id:`; a control frame has `event: control` and no id, so that it never moves the cursor.";
