//! What a subscriber makes of compressed bytes: the same text that it would have been sent in clear.

use flate2::{Decompress, FlushDecompress};
use zstd::stream::raw::{Decoder as Zstd, Operation as _};

use crate::job::Coding;

/// One connection's decoder, after the head of its response.
pub(super) struct Decoder {
    shell: Shell,
    coding: Decoding,
    /// Bytes that are part of something that is not all there.
    rest: Vec<u8>,
}

/// What stands around the compressed bytes.
enum Shell {
    /// The chunks of HTTP/1.1; so many bytes of one are still to come.
    Chunks(usize),
    /// The frames of a WebSocket.
    Frames,
}

enum Decoding {
    /// Deflate behind a head of so many bytes.
    Gzip(usize, Decompress),
    Messages {
        inflate: Decompress,
        takes_over: bool,
    },
    Zstd(Zstd<'static>),
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Option<Self> {
        let inflate = || Decompress::new(false);
        let (shell, coding) = match coding {
            Coding::Plain => return None,
            Coding::Gzip => (Shell::Chunks(0), Decoding::Gzip(GZIP_HEAD, inflate())),
            Coding::Zstd => (Shell::Chunks(0), Decoding::Zstd(Zstd::new().unwrap())),
            Coding::Brotli => {
                let writer = brotli::DecompressorWriter::new(Vec::new(), BUFFER);
                (Shell::Chunks(0), Decoding::Brotli(Box::new(writer)))
            }
            Coding::Messages { .. } | Coding::Cbor | Coding::CborMessages => {
                let takes_over = coding != Coding::Messages { takes_over: false };
                let inflate = inflate();
                let coding = Decoding::Messages {
                    inflate,
                    takes_over,
                };
                (Shell::Frames, coding)
            }
        };
        let rest = Vec::new();
        Some(Self {
            shell,
            coding,
            rest,
        })
    }

    /// Adds the text of these bytes.
    pub(super) fn decode(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut bytes = all.as_slice();
        loop {
            let before = bytes.len();
            bytes = match self.shell {
                Shell::Chunks(left) => self.chunk(left, bytes, text),
                Shell::Frames => self.frame(bytes, text),
            };
            if bytes.len() == before {
                break;
            }
        }
        self.rest = bytes.to_vec();
    }

    /// Takes what is there of a chunk; gives what follows it.
    fn chunk<'b>(&mut self, left: usize, bytes: &'b [u8], text: &mut Vec<u8>) -> &'b [u8] {
        if left > 0 {
            // the line's end after a chunk is two bytes of no content
            let (now, after) = bytes.split_at(bytes.len().min(left));
            let content = left.saturating_sub(LINE_END).min(now.len());
            self.coding.decode(&now[..content], text);
            self.shell = Shell::Chunks(left - now.len());
            return after;
        }
        let Some(at) = memchr::memmem::find(bytes, b"\r\n") else {
            return bytes;
        };
        let digits = std::str::from_utf8(&bytes[..at]).unwrap();
        let length = usize::from_str_radix(digits, 16).unwrap();
        self.shell = Shell::Chunks(length + LINE_END);
        &bytes[at + LINE_END..]
    }

    /// Takes a frame that is there whole; gives what follows it.
    fn frame<'b>(&mut self, bytes: &'b [u8], text: &mut Vec<u8>) -> &'b [u8] {
        let (Some(&kind), Some(&short)) = (bytes.first(), bytes.get(1)) else {
            return bytes;
        };
        let (head, length) = match (short, bytes.get(2..4), bytes.get(2..10)) {
            (..126, ..) => (2, usize::from(short)),
            (126, Some(long), _) => (4, usize::from(u16::from_be_bytes([long[0], long[1]]))),
            (127, _, Some(long)) => {
                let length = u64::from_be_bytes(long.try_into().unwrap());
                (10, usize::try_from(length).unwrap())
            }
            _ => return bytes,
        };
        let Some(payload) = bytes.get(head..head + length) else {
            return bytes;
        };
        match kind {
            COMPRESSED_TEXT => self.coding.decode(payload, text),
            TEXT => text.extend_from_slice(payload),
            COMPRESSED_BINARY => {
                let mut cbor = Vec::new();
                self.coding.decode(payload, &mut cbor);
                from_cbor(&cbor, text);
            }
            BINARY => from_cbor(payload, text),
            _ => {}
        }
        &bytes[head + length..]
    }
}

impl Decoding {
    fn decode(&mut self, mut bytes: &[u8], text: &mut Vec<u8>) {
        match self {
            Self::Gzip(head, inflate) => {
                let skipped = bytes.len().min(*head);
                *head -= skipped;
                inflated(inflate, &bytes[skipped..], text);
            }
            Self::Messages {
                inflate,
                takes_over,
            } => {
                if !*takes_over {
                    inflate.reset(false);
                }
                inflated(inflate, bytes, text);
                inflated(inflate, &[0, 0, 0xff, 0xff], text);
            }
            Self::Zstd(decoder) => {
                let mut buffer = [0; BUFFER];
                loop {
                    let status = decoder.run_on_buffers(bytes, &mut buffer).unwrap();
                    text.extend_from_slice(&buffer[..status.bytes_written]);
                    bytes = &bytes[status.bytes_read..];
                    if bytes.is_empty() && status.bytes_written < buffer.len() {
                        return;
                    }
                }
            }
            Self::Brotli(decoder) => {
                use std::io::Write as _;
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                text.append(decoder.get_mut());
            }
        }
    }
}

/// Adds what a message in CBOR says, as JSON.
fn from_cbor(message: &[u8], text: &mut Vec<u8>) {
    let said: serde_json::Value = cbor4ii::serde::from_slice(message).unwrap();
    serde_json::to_writer(text, &said).unwrap();
}

fn inflated(inflate: &mut Decompress, mut bytes: &[u8], text: &mut Vec<u8>) {
    let mut buffer = [0; BUFFER];
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        inflate
            .decompress(bytes, &mut buffer, FlushDecompress::Sync)
            .unwrap();
        let read = (inflate.total_in() - read) as usize;
        let written = (inflate.total_out() - written) as usize;
        text.extend_from_slice(&buffer[..written]);
        bytes = &bytes[read..];
        if bytes.is_empty() && written < buffer.len() {
            return;
        }
    }
}

/// What a member of gzip begins with, where it tells no name.
const GZIP_HEAD: usize = 10;

const LINE_END: usize = 2;

/// A whole text message.
const TEXT: u8 = 0x81;

/// The same, compressed.
const COMPRESSED_TEXT: u8 = 0xc1;

/// A whole binary message.
const BINARY: u8 = 0x82;

/// The same, compressed.
const COMPRESSED_BINARY: u8 = 0xc2;

const BUFFER: usize = 4096;
