//! The write-ahead log: events that may be seen before the database has them.
//!
//! A transaction costs much more than what it keeps, and the more of them the less each keeps. So an event is first
//! written here, with one call, and survives the process from then on; the committing thread moves many at once. Two
//! files take turns: one is written to while what is in the other one is being committed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use stepcast_core::id::Seq;

use super::lock;
use super::record::Record;

/// Where events are kept until the database has them.
#[derive(Debug)]
pub struct Ahead(Mutex<State>);

#[derive(Debug)]
struct State {
    files: [Segment; 2],
    /// Which of them is written to.
    active: usize,
    /// Raised with every turn: what is left of a former use of a file is of another generation.
    generation: u64,
    /// The other file holds events that the database may not have.
    turned: bool,
    closed: bool,
    frame: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    /// Where the next frame goes.
    end: u64,
}

/// Events that were kept here together: all of them, or none.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Frame {
    /// The store's number of the execution.
    pub(super) key: i64,
    /// The place of the first one.
    pub(super) first: Seq,
    /// The JSON of each.
    pub(super) events: Vec<Vec<u8>>,
}

/// What came of an attempt to keep events here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kept {
    /// They survive the process.
    Yes,
    /// So they do, and there is so much here that it should be committed now.
    Full,
    /// They are not: only a commit keeps them.
    No,
}

impl Ahead {
    /// Empty files in `directory`; what they held must have been [read](Self::read) and committed.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let open = |path: PathBuf| {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).open(path)?;
            Ok::<_, io::Error>(Segment { file, end: 0 })
        };
        let [first, second] = paths(directory);
        Ok(Self(Mutex::new(State {
            files: [open(first)?, open(second)?],
            active: 0,
            generation: 1,
            turned: false,
            closed: false,
            frame: Vec::new(),
        })))
    }

    /// Keeps events that follow each other, all or none.
    pub(super) fn keep<'a>(
        &self,
        key: i64,
        first: Seq,
        records: impl Iterator<Item = &'a Record>,
    ) -> Kept {
        let mut state = lock(&self.0);
        if state.closed {
            return Kept::No;
        }
        let State {
            files,
            active,
            generation,
            frame,
            ..
        } = &mut *state;
        encode(frame, *generation, key, first, records);
        let Some(segment) = files.get_mut(*active) else {
            return Kept::No;
        };
        let kept = segment.write(frame);
        if frame.capacity() > FRAME_KEPT {
            *frame = Vec::new();
        }
        match kept {
            Ok(()) if segment.end > SEGMENT => Kept::Full,
            Ok(()) => Kept::Yes,
            Err(error) => {
                tracing::debug!(%error, "an event could not be kept ahead of the database");
                Kept::No
            }
        }
    }

    /// What comes from now on goes into the other file, where that one is empty. Everything kept before is of a stream
    /// that the committing thread has been told of.
    pub(super) fn turn(&self) {
        let mut state = lock(&self.0);
        if !state.turned {
            state.active = 1 - state.active;
            state.generation += 1;
            state.turned = true;
        }
    }

    /// The database has everything that was kept before the last turn.
    pub(super) fn release(&self) {
        let mut state = lock(&self.0);
        let other = 1 - state.active;
        if let Some(segment) = state.files.get_mut(other) {
            segment.clear();
        }
        state.turned = false;
    }

    /// Keeps nothing any more: the files are another process's.
    pub(super) fn close(&self) {
        lock(&self.0).closed = true;
    }

    /// What the files of `directory` hold, in the order in which it was kept. A frame that the end of a process cut off
    /// was told to nobody, and ends its file.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub(super) fn read(directory: &Path) -> io::Result<Vec<Frame>> {
        let mut found = Vec::new();
        for path in paths(directory) {
            let mut bytes = Vec::new();
            match File::open(path) {
                Ok(mut file) => file.read_to_end(&mut bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
            found.push(decode(&bytes));
        }
        found.sort_by_key(|(generation, _)| *generation);
        Ok(found.into_iter().flat_map(|(_, frames)| frames).collect())
    }

    /// Empties the files of `directory`: the database has all that they hold.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(super) fn clear(directory: &Path) -> io::Result<()> {
        for path in paths(directory) {
            match OpenOptions::new().write(true).open(path) {
                Ok(file) => file.set_len(0)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Segment {
    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(frame);
        match written {
            Ok(()) => self.end += frame.len() as u64,
            // the next one goes where this one began
            Err(_) => drop(self.file.seek(SeekFrom::Start(self.end))?),
        }
        written
    }

    /// Writes over what it holds from now on; where that is a lot, the room is given back.
    fn clear(&mut self) {
        let emptied = if self.end > SEGMENT {
            self.file.set_len(0)
        } else {
            Ok(())
        };
        if let Err(error) = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop)) {
            tracing::warn!(%error, "the write-ahead log grows: it cannot be begun anew");
            return;
        }
        self.end = 0;
    }
}

/// Length, checksum, generation, execution, first place; then each event behind its length.
fn encode<'a>(
    frame: &mut Vec<u8>,
    generation: u64,
    key: i64,
    first: Seq,
    records: impl Iterator<Item = &'a Record>,
) {
    frame.clear();
    frame.extend_from_slice(&[0; HEAD]);
    frame.extend_from_slice(&generation.to_le_bytes());
    frame.extend_from_slice(&key.to_le_bytes());
    frame.extend_from_slice(&first.to_le_bytes());
    for record in records {
        let json = record.json_slice();
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(json);
    }
    let body = frame.get(HEAD..).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32fast::hash(body).to_le_bytes();
    for (to, from) in frame.iter_mut().zip(length.into_iter().chain(sum)) {
        *to = from;
    }
}

/// The frames of a file's newest use, and which use that is.
fn decode(mut bytes: &[u8]) -> (u64, Vec<Frame>) {
    let (mut newest, mut frames) = (None, Vec::new());
    while let Some((generation, frame, rest)) = next_frame(bytes) {
        if *newest.get_or_insert(generation) != generation {
            break;
        }
        frames.push(frame);
        bytes = rest;
    }
    (newest.unwrap_or_default(), frames)
}

fn next_frame(bytes: &[u8]) -> Option<(u64, Frame, &[u8])> {
    let (length, bytes) = take::<4>(bytes)?;
    let (sum, bytes) = take::<4>(bytes)?;
    let (body, rest) = bytes.split_at_checked(u32::from_le_bytes(length) as usize)?;
    if crc32fast::hash(body) != u32::from_le_bytes(sum) {
        return None;
    }
    let (generation, body) = take::<8>(body)?;
    let (key, body) = take::<8>(body)?;
    let (first, mut body) = take::<8>(body)?;
    let mut events = Vec::new();
    while let Some((length, after)) = take::<4>(body) {
        let (json, after) = after.split_at_checked(u32::from_le_bytes(length) as usize)?;
        events.push(json.to_owned());
        body = after;
    }
    let frame = Frame {
        key: i64::from_le_bytes(key),
        first: Seq::from_le_bytes(first),
        events,
    };
    Some((u64::from_le_bytes(generation), frame, rest))
}

fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    Some((*head, rest))
}

fn paths(directory: &Path) -> [PathBuf; 2] {
    ["stepcast.ahead-1", "stepcast.ahead-2"].map(|name| directory.join(name))
}

/// Length and checksum.
const HEAD: usize = 8;

/// Bytes of one file past which what it holds is committed at once.
const SEGMENT: u64 = 16 << 20;

/// The largest buffer that is kept for the next frame.
const FRAME_KEPT: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::super::record::Parts;
    use super::*;
    use stepcast_core::id::Cursor;

    fn records(from: Seq, count: u64) -> Vec<Record> {
        let execution_id = "e".parse().unwrap();
        let record = |seq| {
            let parts = Parts {
                event_type: "step_progress",
                execution_id: &execution_id,
                step_id: None,
                data: "{}",
                metadata: None,
            };
            Record::assemble(&parts, Cursor { epoch: 1, seq }, 1)
        };
        (from..from + count).map(record).collect()
    }

    fn kept(directory: &Path) -> Vec<(i64, Seq, usize)> {
        let frames = Ahead::read(directory).unwrap();
        let told = |frame: &Frame| (frame.key, frame.first, frame.events.len());
        frames.iter().map(told).collect()
    }

    #[test]
    fn files_take_turns_and_what_was_released_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = Ahead::create(directory.path()).unwrap();
        let keep = |key, from, count| {
            let records = records(from, count);
            assert_eq!(ahead.keep(key, from, records.iter()), Kept::Yes);
        };
        keep(1, 1, 3);
        keep(2, 1, 1);
        ahead.turn();
        keep(1, 4, 1);
        // not released: it goes on in the same file
        ahead.turn();
        keep(1, 5, 2);
        let all = [(1, 1, 3), (2, 1, 1), (1, 4, 1), (1, 5, 2)];
        assert_eq!(kept(directory.path()), all, "in the order of their coming");
        ahead.release();
        ahead.turn();
        keep(2, 2, 1);
        assert_eq!(
            kept(directory.path()),
            [(1, 4, 1), (1, 5, 2), (2, 2, 1)],
            "what is left of the former use is not taken for new"
        );
        ahead.close();
        assert_eq!(ahead.keep(1, 7, records(7, 1).iter()), Kept::No);
        Ahead::clear(directory.path()).unwrap();
        assert_eq!(kept(directory.path()), []);
    }

    #[test]
    fn a_changed_byte_ends_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = Ahead::create(directory.path()).unwrap();
        for seq in 1..=3 {
            ahead.keep(1, seq, records(seq, 1).iter());
        }
        let [path, _] = paths(directory.path());
        let whole = std::fs::read(&path).unwrap();
        let frame = whole.len() / 3;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(kept(directory.path()).len(), at / frame, "byte {at}");
        }
    }
}
