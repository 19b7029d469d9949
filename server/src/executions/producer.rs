//! The rules of Durable Streams for producers that retry: what was seen is not taken twice, what is older is fenced
//! off, what is missing is told.

use std::collections::HashMap;

use crate::log::ProducerMark;

/// Who sends, and which of its requests this is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Producer {
    /// Its name, the same after a restart.
    pub id: String,
    /// Its incarnation, raised with each restart.
    pub epoch: u64,
    /// The number of the request, or of the first line of a stream, from 0 in each epoch.
    pub seq: u64,
}

/// How far each producer of one execution has come.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<String, (u64, u64)>);

/// What is to be done with numbered units of a producer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// New, but for the first `seen` of them.
    New {
        /// So many were taken before.
        seen: u64,
    },
    /// All were taken before.
    Seen,
    /// A newer incarnation of the producer has written.
    Fenced {
        /// That one.
        epoch: u64,
    },
    /// Some before them are missing.
    Hole {
        /// The number that would be next.
        expected: u64,
    },
    /// A new incarnation begins with 0.
    NotFromZero,
    /// There are too many producers already.
    TooMany,
}

impl Marks {
    pub(super) fn new(marks: Vec<ProducerMark>) -> Self {
        let pair = |mark: ProducerMark| (mark.producer, (mark.epoch, mark.seq));
        Self(marks.into_iter().map(pair).collect())
    }

    /// Judges `units` of them, numbered from `producer.seq` on.
    pub(super) fn judge(&self, producer: &Producer, units: u64) -> Verdict {
        let Some(&(epoch, last)) = self.0.get(&producer.id) else {
            return match producer.seq {
                _ if self.0.len() >= MAX_PRODUCERS => Verdict::TooMany,
                0 => Verdict::New { seen: 0 },
                _ => Verdict::Hole { expected: 0 },
            };
        };
        if producer.epoch < epoch {
            return Verdict::Fenced { epoch };
        }
        if producer.epoch > epoch {
            return match producer.seq {
                0 => Verdict::New { seen: 0 },
                _ => Verdict::NotFromZero,
            };
        }
        let next = last + 1;
        if producer.seq + units <= next {
            Verdict::Seen
        } else if producer.seq <= next {
            Verdict::New {
                seen: next - producer.seq,
            }
        } else {
            Verdict::Hole { expected: next }
        }
    }

    /// The mark that `units` of them leave.
    pub(super) fn after(producer: &Producer, units: u64) -> ProducerMark {
        ProducerMark {
            producer: producer.id.clone(),
            epoch: producer.epoch,
            seq: producer.seq + units.saturating_sub(1),
        }
    }

    pub(super) fn note(&mut self, mark: ProducerMark) {
        self.0.insert(mark.producer, (mark.epoch, mark.seq));
    }

    /// The epoch and the highest number taken.
    pub(super) fn of(&self, id: &str) -> Option<(u64, u64)> {
        self.0.get(id).copied()
    }
}

/// Producers of one execution; each is kept with it.
const MAX_PRODUCERS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_a_producer_that_retries() {
        let mark = ProducerMark {
            producer: "p".into(),
            epoch: 2,
            seq: 4,
        };
        let marks = Marks::new(vec![mark]);
        let judge = |id: &str, epoch, seq, units| {
            let id = id.to_owned();
            marks.judge(&Producer { id, epoch, seq }, units)
        };
        for (id, epoch, seq, units, verdict) in [
            ("p", 2, 5, 1, Verdict::New { seen: 0 }),
            ("p", 2, 5, 9, Verdict::New { seen: 0 }),
            ("p", 2, 4, 1, Verdict::Seen),
            ("p", 2, 0, 1, Verdict::Seen),
            ("p", 2, 0, 5, Verdict::Seen),
            ("p", 2, 0, 6, Verdict::New { seen: 5 }),
            ("p", 2, 6, 1, Verdict::Hole { expected: 5 }),
            ("p", 1, 5, 1, Verdict::Fenced { epoch: 2 }),
            ("p", 3, 0, 1, Verdict::New { seen: 0 }),
            ("p", 3, 5, 1, Verdict::NotFromZero),
            ("q", 7, 0, 1, Verdict::New { seen: 0 }),
            ("q", 0, 1, 1, Verdict::Hole { expected: 0 }),
        ] {
            assert_eq!(judge(id, epoch, seq, units), verdict, "{id} {epoch} {seq}");
        }
    }

    #[test]
    fn the_number_of_producers_has_a_limit() {
        let mut marks = Marks::default();
        for n in 0..MAX_PRODUCERS {
            let (producer, epoch, seq) = (n.to_string(), 0, 0);
            marks.note(ProducerMark {
                producer,
                epoch,
                seq,
            });
        }
        let one = |id: &str| Producer {
            id: id.into(),
            epoch: 0,
            seq: 0,
        };
        assert_eq!(marks.judge(&one("another"), 1), Verdict::TooMany);
        assert_eq!(marks.judge(&one("0"), 1), Verdict::Seen);
    }
}
