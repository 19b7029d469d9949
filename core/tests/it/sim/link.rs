//! A link that misbehaves, as data: what it does to each dial and to each frame on the way.

use std::time::Duration;

use crate::any::Dice;

/// How bad the network is; chances are in thousandths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// A dial is refused at once.
    pub(crate) refuse: u64,
    /// A dial is never answered.
    pub(crate) swallow: u64,
    /// A dial is answered with 429, 500 or 503.
    pub(crate) fail: u64,
    /// A connection breaks somewhere in its first frames.
    pub(crate) cut: u64,
    /// As a cut, but nobody is told.
    pub(crate) stall: u64,
    /// The longest delay of one piece, in milliseconds.
    pub(crate) latency: u64,
    /// A frame vanishes from the middle of a connection.
    pub(crate) vanish: u64,
    /// A frame comes twice.
    pub(crate) duplicate: u64,
    /// A frame comes damaged.
    pub(crate) corrupt: u64,
    /// Bytes come in small pieces.
    pub(crate) shred: bool,
    /// These transports are never answered.
    pub(crate) blocked: Vec<stepcast_core::client::Transport>,
}

impl Weather {
    /// Whether frames may be missing without the server knowing.
    pub(crate) fn loses_frames(&self) -> bool {
        self.vanish + self.corrupt > 0
    }

    /// Weather of any kind. Lossless kinds only cut connections, as TCP does.
    pub(crate) fn any(dice: &mut Dice, lossless: bool) -> Self {
        let mut up_to = |most: u64| {
            if dice.below(3) == 0 {
                0
            } else {
                dice.below(most)
            }
        };
        let mut weather = Self {
            refuse: up_to(500),
            swallow: up_to(100),
            fail: up_to(200),
            cut: up_to(800),
            stall: up_to(200),
            latency: up_to(2_000),
            ..Self::default()
        };
        if !lossless {
            weather.vanish = up_to(150);
            weather.duplicate = up_to(150);
            weather.corrupt = up_to(100);
        }
        weather.shred = dice.below(2) == 0;
        weather
    }

    pub(crate) fn delay(&self, dice: &mut Dice) -> Duration {
        Duration::from_millis(dice.below(self.latency + 1))
    }

    /// What becomes of one frame: nothing, itself, a damaged one, or two.
    pub(crate) fn pass(&self, dice: &mut Dice, frame: String) -> Vec<String> {
        if dice.below(1000) < self.vanish {
            return Vec::new();
        }
        if dice.below(1000) < self.duplicate {
            return vec![frame.clone(), frame];
        }
        if dice.below(1000) < self.corrupt {
            return vec![damage(dice, &frame)];
        }
        vec![frame]
    }

    /// Cuts bytes into the pieces in which they arrive.
    pub(crate) fn pieces(&self, dice: &mut Dice, mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        while self.shred && bytes.len() > 1 {
            let at = 1 + usize::try_from(dice.below(200)).unwrap();
            if at >= bytes.len() {
                break;
            }
            let rest = bytes.split_off(at);
            pieces.push(std::mem::replace(&mut bytes, rest));
        }
        pieces.push(bytes);
        pieces
    }
}

/// Damage that shows: JSON that ends too early.
fn damage(dice: &mut Dice, frame: &str) -> String {
    let at = dice.below(frame.len() as u64);
    let mut at = usize::try_from(at).unwrap();
    while !frame.is_char_boundary(at) {
        at -= 1;
    }
    frame[..at].to_owned()
}
