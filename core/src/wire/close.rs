//! The catalogue of WebSocket close codes: each says whether to come back.

/// Why a WebSocket was closed by the server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CloseCode {
    /// 1000: the stream is complete. Do not come back.
    Done,
    /// 1001: the server or the page goes away. Come back.
    GoingAway,
    /// 1002: a frame broke the protocol. Do not come back.
    Protocol,
    /// 1007: a text message was not UTF-8. Do not come back.
    NotText,
    /// 1008: the request broke a rule. Do not come back.
    Policy,
    /// 1009: a message was too big. Do not come back.
    TooBig,
    /// 1011: the server failed. Come back.
    Error,
    /// 1012: the server restarts. Come back.
    Restart,
    /// 1013: the server is full. Come back later.
    TryLater,
    /// 3000: the subscriber did not read for too long; the log keeps its place. Come back.
    Stalled,
    /// 3001: what the client has shown of itself has expired, or was revoked. Come back, and show what is valid.
    Expired,
    /// 3500: the cursor is no cursor of this stream. Do not come back with it.
    InvalidCursor,
    /// 3501: there is no such execution. Do not come back.
    NotFound,
    /// 3502: nobody knows who the client is. Do not come back without saying so.
    Unauthenticated,
}

impl CloseCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::Done,
        Self::GoingAway,
        Self::Protocol,
        Self::NotText,
        Self::Policy,
        Self::TooBig,
        Self::Error,
        Self::Restart,
        Self::TryLater,
        Self::Stalled,
        Self::Expired,
        Self::InvalidCursor,
        Self::NotFound,
        Self::Unauthenticated,
    ];

    /// The code for a subscription that was refused with this HTTP status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            400 => Self::InvalidCursor,
            401 => Self::Unauthenticated,
            404 => Self::NotFound,
            408 | 425 | 429 | 503 => Self::TryLater,
            413 => Self::TooBig,
            _ if status / 100 == 4 => Self::Policy,
            _ => Self::Error,
        }
    }

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Done => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::NotText => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Error => 1011,
            Self::Restart => 1012,
            Self::TryLater => 1013,
            Self::Stalled => 3000,
            Self::Expired => 3001,
            Self::InvalidCursor => 3500,
            Self::NotFound => 3501,
            Self::Unauthenticated => 3502,
        }
    }
}

/// Whether a client comes back after this code: by range for application codes
/// (3000-3499 yes, 3500-3999 no), one by one for the protocol's own.
///
/// A code nobody knows, 1005 and 1006 among them, means that the connection broke: come back.
pub const fn comes_back(code: u16) -> bool {
    !matches!(
        code,
        1000 | 1002 | 1003 | 1007 | 1008 | 1009 | 1010 | 3500..=3999
    )
}

/// The HTTP status that a code which forbids coming back stands for.
pub const fn status(code: u16) -> u16 {
    match code {
        1008 => 403,
        1009 => 413,
        3501 => 404,
        3502 => 401,
        _ => 400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_say_whether_to_come_back() {
        let back: Vec<u16> = CloseCode::ALL
            .into_iter()
            .map(CloseCode::code)
            .filter(|&code| comes_back(code))
            .collect();
        assert_eq!(back, [1001, 1011, 1012, 1013, 3000, 3001]);
        assert!(comes_back(1006) && comes_back(3499) && !comes_back(3500) && !comes_back(3999));
    }
}
