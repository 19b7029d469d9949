//! The ways that events leave by: a small set, so that each has counters of its own.

/// How a connection is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// Server-sent events.
    Sse,
    /// WebSocket.
    WebSocket,
    /// Pages and long polls, each request a connection.
    Poll,
    /// AG-UI.
    AgUi,
    /// The AI SDK's UI message stream.
    AiSdk,
    /// GraphQL, each subscription a connection.
    GraphQl,
    /// Durable Streams, each request a connection.
    Durable,
    /// CloudEvents, as a stream or as pages.
    CloudEvents,
}

/// What it is spoken over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Wire {
    /// TCP in clear.
    #[default]
    Clear,
    /// TLS.
    Tls,
    /// HTTP/2, under TLS.
    Http2,
}

/// A way that events leave by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Lane {
    pub(crate) transport: Transport,
    /// One connection for many executions.
    pub(crate) shared: bool,
    pub(crate) wire: Wire,
}

/// How many there are.
pub(crate) const LANES: usize = Transport::ALL.len() * 2 * Wire::ALL.len();

impl Transport {
    const ALL: [Self; 8] = [
        Self::Sse,
        Self::WebSocket,
        Self::Poll,
        Self::AgUi,
        Self::AiSdk,
        Self::GraphQl,
        Self::Durable,
        Self::CloudEvents,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
            Self::Poll => "poll",
            Self::AgUi => "agui",
            Self::AiSdk => "aisdk",
            Self::GraphQl => "graphql",
            Self::Durable => "durable",
            Self::CloudEvents => "cloudevents",
        }
    }
}

impl Wire {
    const ALL: [Self; 3] = [Self::Clear, Self::Tls, Self::Http2];

    const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Tls => "tls",
            Self::Http2 => "h2",
        }
    }
}

impl Lane {
    /// Every lane, each at its own index.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Transport::ALL.into_iter().flat_map(|transport| {
            [false, true].into_iter().flat_map(move |shared| {
                Wire::ALL.into_iter().map(move |wire| Self {
                    transport,
                    shared,
                    wire,
                })
            })
        })
    }

    /// Its place among all.
    pub(crate) const fn index(self) -> usize {
        let transport = self.transport as usize * 2 + self.shared as usize;
        transport * Wire::ALL.len() + self.wire as usize
    }

    /// The labels that tell it from others.
    pub(crate) const fn labels(self) -> [(&'static str, &'static str); 3] {
        [
            ("transport", self.transport.name()),
            ("shared", if self.shared { "true" } else { "false" }),
            ("wire", self.wire.name()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_has_a_place_of_its_own() {
        let places: Vec<usize> = Lane::all().map(Lane::index).collect();
        assert_eq!(places, (0..LANES).collect::<Vec<_>>());
    }
}
