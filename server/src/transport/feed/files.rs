//! Files of runs, on the connection that their events come on: chunk by chunk, in turns.
//!
//! What is in memory is one chunk. The next one is read once the socket has taken everything, so an event waits for one
//! chunk at most, and a client that reads slowly is read its files slowly.

use std::collections::VecDeque;
use std::io::{self, SeekFrom};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use stepcast_core::id::ExecutionId;
use stepcast_core::wire::close::CloseCode;
use stepcast_core::wire::frame::ClientFrame;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::{Feed, Frame};
use crate::access::{Action, Deed, Denied, Lease, On, Pass, decide};
use crate::error::Problem;
use crate::log::{Artifact, NoHash};

/// One thing to write of a file.
#[derive(Debug)]
pub(crate) enum FileFrame {
    /// Something about it.
    Said(Value),
    /// Some of its bytes.
    Chunk {
        /// What the client calls this fetch.
        fetch: String,
        /// Where the first of them lies.
        offset: u64,
        /// So many that events need not wait long.
        data: Bytes,
    },
}

/// The files that a client has asked for and not been sent.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Answers that go out before anything is read.
    said: Vec<Value>,
    /// Whose turn it is, in front.
    under_way: VecDeque<Transfer>,
}

#[derive(Debug)]
struct Transfer {
    fetch: String,
    execution_id: ExecutionId,
    artifact: Artifact,
    file: File,
    begun: bool,
    /// The next byte.
    at: u64,
    end: u64,
    /// For how long it may be read.
    lease: Lease,
}

/// The HTTP status, and what is wrong.
type Refused = (u16, String);

impl Files {
    /// Whether there is something to write.
    pub(super) fn is_busy(&self) -> bool {
        !self.said.is_empty() || !self.under_way.is_empty()
    }

    fn refuse(&mut self, fetch: &str, (status, message): Refused) {
        self.said.push(error(fetch, status, &message));
    }

    /// Sends no more of it.
    pub(super) fn cancel(&mut self, fetch: &str) {
        let named = |it: &Transfer| it.fetch == fetch;
        let place = self.under_way.iter().position(named);
        match place.and_then(|place| self.under_way.remove(place)) {
            Some(transfer) => {
                let mut end = transfer.ends();
                if let Some(end) = end.as_object_mut() {
                    end.insert("cancelled".to_owned(), true.into());
                }
                self.said.push(end);
            }
            None => self.refuse(fetch, (404, "No such file is under way.".to_owned())),
        }
    }

    /// What is written next: every answer that there is, for a client may ask faster than files go out, and what the file
    /// in front has to give.
    async fn next(&mut self) -> Vec<FileFrame> {
        let mut frames: Vec<FileFrame> = self.said.drain(..).map(FileFrame::Said).collect();
        let Some(mut transfer) = self.under_way.pop_front() else {
            return frames;
        };
        let turn = transfer.next().await;
        if matches!(turn, Turn::More(_)) {
            self.under_way.push_back(transfer);
        }
        let (Turn::More(frame) | Turn::Last(frame)) = turn;
        frames.push(frame);
        frames
    }
}

/// What a file says when its turn comes.
enum Turn {
    More(FileFrame),
    Last(FileFrame),
}

impl Transfer {
    async fn next(&mut self) -> Turn {
        if self.lease.is_over() {
            let why = "What let you read it has expired, or was revoked.";
            return Turn::Last(FileFrame::Said(error(&self.fetch, 403, why)));
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Turn::More(FileFrame::Said(self.begins()));
        }
        if self.at >= self.end {
            return Turn::Last(FileFrame::Said(self.ends()));
        }
        match self.read().await {
            Ok(data) => {
                let offset = self.at;
                self.at += data.len() as u64;
                Turn::More(FileFrame::Chunk {
                    fetch: self.fetch.clone(),
                    offset,
                    data,
                })
            }
            Err(error) => {
                tracing::error!(execution_id = %self.execution_id, %error, "a file could not be read");
                let why = "The file could not be read.";
                Turn::Last(FileFrame::Said(self::error(&self.fetch, 500, why)))
            }
        }
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let most = (self.end - self.at).min(CHUNK);
        let mut data = BytesMut::with_capacity(usize::try_from(most).unwrap_or_default());
        (&mut self.file).take(most).read_buf(&mut data).await?;
        match data.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(data.freeze()),
        }
    }

    fn begins(&self) -> Value {
        let mut head = json!({
            "control": "artifact",
            "fetch": self.fetch,
            "execution_id": self.execution_id,
        });
        if let (Some(head), Value::Object(described)) =
            (head.as_object_mut(), self.artifact.described())
        {
            head.extend(described);
            head.insert("offset".to_owned(), self.at.into());
            head.insert("length".to_owned(), (self.end - self.at).into());
        }
        head
    }

    fn ends(&self) -> Value {
        let Artifact { size, sha256, .. } = &self.artifact;
        json!({ "control": "artifact_end", "fetch": self.fetch, "offset": self.at, "size": size, "sha256": sha256 })
    }
}

fn error(fetch: &str, status: u16, message: &str) -> Value {
    json!({ "control": "artifact_error", "fetch": fetch, "status": status, "message": message })
}

impl Feed {
    /// Does what the client asks of files; all else the session has answered itself.
    pub(super) async fn asked(&mut self, frame: ClientFrame) {
        if let ClientFrame::Unfetch { fetch } = &frame {
            self.files.cancel(fetch);
        }
        let ClientFrame::Fetch {
            fetch,
            execution_id,
            sha256,
            offset,
            length,
        } = frame
        else {
            return;
        };
        let part = (offset, length);
        match self.find_file(&fetch, execution_id, &sha256, part).await {
            Ok(transfer) => self.files.under_way.push_back(transfer),
            Err(refused) => self.files.refuse(&fetch, refused),
        }
    }

    /// Looks at what has happened meanwhile: while files are under way there is always more to write, and nothing waits.
    pub(crate) fn look(&mut self) {
        if self.files.is_busy() {
            let _happened = self.wait().now_or_never();
        }
    }

    /// The session's last word, once all files are sent, or nobody is to wait for them any longer.
    pub(super) fn parted(&mut self) -> Option<Frame> {
        let busy = self.files.is_busy();
        if !self.parting || (busy && !self.leaving) {
            return None;
        }
        self.parting = false;
        Some(Frame::Close(if !busy {
            CloseCode::Done
        } else if self.lease.is_over() {
            CloseCode::Expired
        } else {
            CloseCode::GoingAway
        }))
    }

    /// What is to be written of files, after the events that there are: one chunk at most.
    pub(crate) async fn files(&mut self) -> Vec<FileFrame> {
        self.files.next().await
    }

    async fn find_file(
        &self,
        fetch: &str,
        execution_id: ExecutionId,
        sha256: &str,
        (offset, length): (u64, Option<u64>),
    ) -> Result<Transfer, Refused> {
        let under_way = &self.files.under_way;
        if !(1..=NAME).contains(&fetch.len()) {
            return Err((400, format!("`fetch` is a name of 1 to {NAME} bytes.")));
        }
        if under_way.iter().any(|it| it.fetch == fetch) {
            return Err((409, "A file of this name is under way.".to_owned()));
        }
        if under_way.len() >= MOST {
            return Err((
                429,
                format!("At most {MOST} files are under way at a time."),
            ));
        }
        if !self.many && !self.open.contains_key(&execution_id) {
            let why = "This connection follows the one execution in its URL.";
            return Err((400, why.to_owned()));
        }
        let sha256 = sha256
            .parse()
            .map_err(|error: NoHash| (400, format!("`sha256`: {error}.")))?;
        let pass = self.may_load(&execution_id).await?;
        let told = |problem: Problem| (problem.status(), problem.detail().to_owned());
        let found = self.executions.artifact(&execution_id, sha256, &pass);
        let (artifact, file) = found.await.map_err(told)?;
        if offset > artifact.size {
            let size = artifact.size;
            return Err((416, format!("`offset` is past the file's {size} bytes.")));
        }
        let mut file = File::from_std(file);
        file.seek(SeekFrom::Start(offset)).await.map_err(|error| {
            tracing::error!(%execution_id, %error, "a file could not be read");
            (500, "The file could not be read.".to_owned())
        })?;
        let end = length.map_or(artifact.size, |length| offset.saturating_add(length));
        Ok(Transfer {
            fetch: fetch.to_owned(),
            execution_id,
            file,
            begun: false,
            at: offset,
            end: end.min(artifact.size),
            lease: self.executions.access().lease(&pass),
            artifact,
        })
    }

    /// Whether they may load files of this execution; the audit log is told as of a download.
    async fn may_load(&self, execution_id: &ExecutionId) -> Result<Pass, Refused> {
        let access = self.executions.access();
        let row = self.executions.find(execution_id).map_err(|error| {
            tracing::error!(%execution_id, %error, "an execution could not be looked up");
            (500, "The log could not be read.".to_owned())
        })?;
        let action = Action::WatchAll;
        let pass = decide(&self.identity, action, On::Execution(row.as_ref()));
        let pass = pass.and_then(|pass| match access.is_good(&pass) {
            true => Ok(pass),
            false => Err(Denied::Unknown),
        });
        let pass = pass.map_err(Denied::told);
        if let (Some(closed), Some(word)) = (access.closed(), action.word()) {
            let execution = execution_id.to_string();
            if closed.told.is_news(&self.identity, word, Some(&execution)) {
                let status = pass.as_ref().map_or_else(|(status, _)| *status, |_| 200);
                let deed = Deed {
                    execution: Some(execution),
                    ..Deed::of(&self.identity, self.source, word, status)
                };
                closed.note(deed).await;
            }
        }
        pass
    }
}

/// Bytes of one chunk at most.
const CHUNK: u64 = 64 << 10;

/// Files that one connection is sent at a time.
const MOST: usize = 8;

/// Bytes of a fetch's name.
const NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_do_not_gather_behind_each_other() {
        let mut files = Files::default();
        for _ in 0..1_000 {
            files.cancel("nothing of this name");
        }
        assert_eq!(files.next().await.len(), 1_000);
        assert!(!files.is_busy());
    }
}
