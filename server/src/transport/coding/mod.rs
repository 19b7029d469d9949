//! Compressed streams: what a client takes, and the encoders.
//!
//! Every write ends flushed, so that who has received it can read all of it. [`Encoder::reset`] lets what follows refer to
//! nothing that came before: from there on the same bytes serve everybody, and that is how a fan compresses once for all
//! of its readers. It rests on two things that decoders promise. In gzip, blocks of deflate that refer to nothing before
//! them may stand anywhere in the one member that a stream is (browsers read no second member); each connection keeps
//! [`Sum`], the checksum that its member ends with. In zstd, frames follow each other.

mod accept;
mod sum;

use std::io::Write as _;

use bytes::{BufMut as _, BytesMut};
use flate2::{Compress, Compression, FlushCompress};

pub(crate) use self::accept::accepted;
pub(super) use self::sum::Sum;
use super::websocket::frame;

/// How a body is coded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Coding {
    /// RFC 8878, RFC 9659.
    Zstd,
    /// RFC 1952.
    Gzip,
    /// RFC 7932. Its streams cannot be joined half-way, so each connection has its own.
    Brotli,
    /// RFC 7692: each message of a WebSocket for itself, or with what the messages before it held where `takes_over`.
    Messages {
        /// Whether a message may refer to those before it.
        takes_over: bool,
    },
}

impl Coding {
    /// The name in `Content-Encoding`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Messages { .. } => "permessage-deflate",
        }
    }

    /// Whether one encoding may serve many connections.
    pub(super) const fn is_shared(self) -> bool {
        match self {
            Self::Zstd | Self::Gzip | Self::Messages { .. } => true,
            Self::Brotli => false,
        }
    }

    /// What a body begins with.
    pub(super) const fn prologue(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff],
            Self::Zstd | Self::Brotli | Self::Messages { .. } => &[],
        }
    }

    /// What ends a frame: for zstd a last block, of nothing. It is written together with what begins the next one, as some
    /// decoders (that of httpx) take the end of a frame at the end of what has arrived for the end of all.
    pub(super) const fn seam(self) -> &'static [u8] {
        match self {
            Self::Zstd => &[1, 0, 0],
            Self::Gzip | Self::Brotli | Self::Messages { .. } => &[],
        }
    }

    /// What a body ends with, where every frame has ended.
    pub(super) fn epilogue(self, sum: Sum, out: &mut BytesMut) {
        match self {
            Self::Gzip => {
                out.put_slice(&[3, 0]);
                out.put_u32_le(sum.crc);
                #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32, by RFC 1952")]
                out.put_u32_le(sum.length as u32);
            }
            Self::Brotli => out.put_u8(3),
            Self::Zstd | Self::Messages { .. } => {}
        }
    }
}

/// Compresses what is written, and flushes each time.
pub(super) enum Encoder {
    /// Blocks of deflate, without what stands around them.
    Deflate(Compress),
    /// The messages among the frames of a WebSocket.
    Messages {
        compress: Compress,
        takes_over: bool,
    },
    /// Frames of zstd.
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    /// A stream of brotli.
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    /// An encoder that has seen nothing.
    ///
    /// # Errors
    /// Where zstd has no memory.
    pub(super) fn new(coding: Coding) -> std::io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Deflate(deflater()),
            Coding::Messages { takes_over } => Self::Messages {
                compress: deflater(),
                takes_over,
            },
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Self::Zstd(Box::new(encoder))
            }
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
        })
    }

    /// Compresses the whole of it.
    ///
    /// # Errors
    /// Where the library fails, which a caller cannot mend.
    pub(super) fn write(&mut self, plain: &[u8], out: &mut BytesMut) -> std::io::Result<()> {
        match self {
            Self::Deflate(compress) => deflate(compress, plain, out),
            Self::Messages {
                compress,
                takes_over,
            } => {
                let mut rest = plain;
                while let Some((head, payload, after)) = frame::split(rest) {
                    if frame::is_message(head) {
                        if !*takes_over {
                            compress.reset();
                        }
                        let mut message = BytesMut::new();
                        deflate(compress, payload, &mut message)?;
                        let length = message.len().saturating_sub(FLUSHED.len());
                        message.truncate(length);
                        frame::write_compressed(out, head, &message);
                    } else {
                        out.put_slice(head);
                        out.put_slice(payload);
                    }
                    rest = after;
                }
                Ok(())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(plain)?;
                encoder.flush()?;
                out.put_slice(encoder.get_ref());
                encoder.get_mut().clear();
                Ok(())
            }
            Self::Brotli(encoder) => {
                encoder.write_all(plain)?;
                encoder.flush()?;
                out.put_slice(encoder.get_ref());
                encoder.get_mut().clear();
                Ok(())
            }
        }
    }
}

fn deflater() -> Compress {
    Compress::new_with_window_bits(Compression::new(DEFLATE_LEVEL), false, DEFLATE_WINDOW)
}

/// Compresses the whole of it, up to the end of a block.
fn deflate(compress: &mut Compress, plain: &[u8], out: &mut BytesMut) -> std::io::Result<()> {
    let mut rest = plain;
    let mut buffer = [0; 4096];
    loop {
        let (read, written) = (compress.total_in(), compress.total_out());
        compress.compress(rest, &mut buffer, FlushCompress::Sync)?;
        let count = |total: u64, before: u64| usize::try_from(total - before).unwrap_or_default();
        let taken = count(compress.total_in(), read);
        let made = count(compress.total_out(), written);
        out.put_slice(buffer.get(..made).unwrap_or_default());
        rest = rest.get(taken..).unwrap_or_default();
        if made < buffer.len() && rest.is_empty() {
            return Ok(());
        }
    }
}

/// What a flush of deflate ends with, and a message leaves out.
pub(super) const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// Low: an event is flushed by itself, so there is little for a longer search to find.
const DEFLATE_LEVEL: u32 = 3;

/// 2^13 bytes: events that follow each other are alike, and one encoder then takes some 160 KiB.
pub(super) const DEFLATE_WINDOW: u8 = 13;

const ZSTD_LEVEL: i32 = 1;

/// 2^15 bytes, for the same reason.
const ZSTD_WINDOW: u32 = 15;

const BROTLI_QUALITY: u32 = 3;
const BROTLI_WINDOW: u32 = 16;
const BROTLI_BUFFER: usize = 4096;

#[cfg(test)]
mod tests;
