//! What a connection writes with: its dialect, and where its compression stands.

use std::io;

use bytes::{BufMut as _, BytesMut};
use stepcast_core::wire::close::CloseCode;

use super::coding::{Coding, Encoder, Sum};
use super::dialect::Dialect;
use super::feed::Frame;

/// Writes the frames of one connection, from its first to its last.
pub(super) struct Pen {
    pub(super) dialect: Dialect,
    /// The coding's first bytes are written, and a frame of it is open.
    begun: bool,
    /// Of everything that was written before it was compressed.
    sum: Sum,
    /// Its own; none while a fan writes, and none is wanted that remembers what came before that.
    encoder: Option<Encoder>,
}

impl Pen {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            begun: false,
            sum: Sum::default(),
            encoder: None,
        }
    }

    /// Whether a fan may write for this connection.
    pub(super) fn can_rest(&self) -> bool {
        self.dialect.coding().is_none_or(Coding::is_shared)
    }

    /// Writes frames; how the connection is to be closed after them, where it is.
    ///
    /// # Errors
    /// Where compression fails.
    pub(super) fn encode(
        &mut self,
        frames: &[Frame],
        out: &mut BytesMut,
    ) -> io::Result<Option<CloseCode>> {
        let dialect = self.dialect;
        let mut closes = None;
        match dialect.coding() {
            None => dialect.framed(out, |out| closes = dialect.frames(frames, out)),
            Some(coding) => {
                let mut plain = BytesMut::new();
                closes = dialect.frames(frames, &mut plain);
                let mut coded = BytesMut::new();
                self.compress(coding, &plain, &mut coded)?;
                if closes.is_some() {
                    coded.put_slice(coding.seam());
                    coding.epilogue(self.sum, &mut coded);
                }
                dialect.framed(out, |out| out.put_slice(&coded));
            }
        }
        if let Some(code) = closes {
            dialect.close(code, out);
        }
        Ok(closes)
    }

    fn compress(&mut self, coding: Coding, plain: &[u8], out: &mut BytesMut) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            out.put_slice(coding.prologue());
        } else if self.encoder.is_none() {
            out.put_slice(coding.seam());
        }
        if coding == Coding::Gzip {
            self.sum = self.sum.then(Sum::of(plain));
        }
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(coding)?),
        };
        encoder.write(plain, out)
    }

    /// A fan writes from here on: what comes after it refers to nothing before it.
    pub(super) fn rest(&mut self) {
        self.encoder = None;
    }

    /// A fan has written so much.
    pub(super) fn resume(&mut self, written: Sum) {
        self.sum = self.sum.then(written);
    }
}
