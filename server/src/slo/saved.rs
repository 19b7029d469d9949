//! What was counted of objectives, in a file: a new process goes on with it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::history::{History, Sample};
use super::settings::SloSettings;

/// The file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Saved {
    slos: BTreeMap<String, One>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct One {
    /// As it was then: counts of another objective are none of this one's.
    settings: SloSettings,
    last: Sample,
    samples: VecDeque<Sample>,
}

impl Saved {
    /// What the file in this folder holds; nothing where there is none, or it cannot be read.
    pub(crate) fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "error budgets begin anew: what was counted cannot be read");
                return Self::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "error budgets begin anew: what was counted cannot be understood");
            Self::default()
        })
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(io::BufWriter::new(file.as_file()), self)?;
        file.persist(folder.join(FILE))?;
        Ok(())
    }

    pub(super) fn add(&mut self, settings: &SloSettings, history: &History) {
        let (samples, last) = history.saved();
        let one = One {
            settings: settings.clone(),
            last,
            samples: samples.clone(),
        };
        self.slos.insert(settings.name.clone(), one);
    }

    /// What was counted of this objective; none where it was another one.
    pub(super) fn history(&self, settings: &SloSettings, now: u64) -> Option<History> {
        let one = self.slos.get(&settings.name)?;
        let same = one.settings.objective == settings.objective
            && one.settings.threshold_ms == settings.threshold_ms
            && one.settings.window_seconds == settings.window_seconds;
        // from a clock that was wrong: it would stand still until then
        (same && one.last.at <= now)
            .then(|| History::with(settings.window_seconds, one.samples.clone(), one.last))
    }
}

const FILE: &str = "slo.json";
