//! The checksum of gzip, of parts that are put together.

use crc32fast::Hasher;

/// CRC-32 and length of some bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::transport) struct Sum {
    pub(super) crc: u32,
    pub(super) length: u64,
}

impl Sum {
    /// Of these bytes.
    pub(in crate::transport) fn of(bytes: &[u8]) -> Self {
        Self {
            crc: crc32fast::hash(bytes),
            length: bytes.len() as u64,
        }
    }

    /// Of these and then those.
    pub(in crate::transport) fn then(self, next: Self) -> Self {
        let mut both = Hasher::new_with_initial_len(self.crc, self.length);
        both.combine(&Hasher::new_with_initial_len(next.crc, next.length));
        Self {
            crc: both.finalize(),
            length: self.length + next.length,
        }
    }

    /// Of what came after `earlier`, which these begin with. The sum is linear: what the beginning adds to it is taken out.
    pub(in crate::transport) fn since(self, earlier: Self) -> Self {
        let length = self.length.saturating_sub(earlier.length);
        let shifted = earlier.then(Self { crc: 0, length });
        Self {
            crc: self.crc ^ shifted.crc,
            length,
        }
    }
}
