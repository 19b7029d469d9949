//! What goes between the server and the process that applies an expression: JSON behind its length, four bytes, the
//! most significant first.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expression::Failure;

/// The first that the process is sent.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Task {
    pub(super) expression: String,
    pub(super) parameters: Map<String, Value>,
    /// What it may take of memory beside what it needs to be there.
    pub(super) memory_bytes: u64,
    /// How long it may compute.
    pub(super) cpu_seconds: u64,
}

/// What it answers to a list of values.
pub(super) type Answer = Result<Vec<Value>, Failure>;

/// A frame that holds this.
pub(super) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4)
        .map_err(|_longer| io::Error::new(io::ErrorKind::InvalidInput, "more than 4 GiB"))?;
    let (head, _body) = frame.split_at_mut(4);
    head.copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// The next message of a peer that is believed; none at the end.
pub(super) fn read<T: for<'de> Deserialize<'de>>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut body = Vec::new();
    let length = u64::from(u32::from_be_bytes(length));
    from.take(length).read_to_end(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Sends a message.
pub(super) fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&frame(message)?)?;
    to.flush()
}
