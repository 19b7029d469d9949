//! The provider that needs no key and no network: it replays recorded answers at the pace of a model.
//!
//! Which one is chosen by the words of the prompt, and how it is paced by a seed, the prompt's own where none is
//! given: the same prompt gives the same answer at the same pace.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::delta::{Delta, Usage};
use super::fault::Fault;
use super::request::{Request, Role};
use crate::step::Category;

/// A recorded answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recording {
    name: String,
    /// Words of the prompts that it answers; none for one that answers any.
    words: Vec<String>,
    #[serde(default)]
    reasoning: String,
    text: String,
    #[serde(default)]
    tool_calls: Vec<RecordedCall>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedCall {
    name: String,
    arguments: Value,
}

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Replay {
    left: VecDeque<Delta<String>>,
    pace: f64,
    chance: fastrand::Rng,
    begun: bool,
}

impl Replay {
    /// The recording that answers a request.
    pub(crate) fn begin(request: &Request) -> Result<Self, Fault> {
        let wrong = |message: String| Fault::new(Category::Configuration, message);
        let prompt: Vec<&str> = request
            .messages
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        let prompt = prompt.join("\n");
        let (mut seed, mut pace, mut named) = (hash(&prompt), PACE, None);
        for (key, value) in &request.options {
            match (key.as_str(), value.as_u64(), value.as_f64(), value.as_str()) {
                ("seed", Some(number), _, _) => seed = number,
                ("tokens_per_second", _, Some(number), _) if number > 0.0 => pace = number,
                ("recording", _, _, Some(name)) => named = Some(name),
                _ => {
                    let message = format!(
                        "does not take the option `{key}`: {value}; it takes `seed`, `tokens_per_second` and `recording`"
                    );
                    return Err(wrong(message));
                }
            }
        }
        let recordings = recordings()?;
        let recording = match named {
            Some(name) => recordings.iter().find(|recording| recording.name == name),
            None => chosen(recordings, request),
        };
        let Some(recording) = recording else {
            let names: Vec<&str> = recordings
                .iter()
                .map(|recording| recording.name.as_str())
                .collect();
            return Err(wrong(format!(
                "has no such recording; there are {}",
                names.join(", ")
            )));
        };
        Ok(Self {
            left: deltas(recording, request, &prompt),
            pace,
            chance: fastrand::Rng::with_seed(seed),
            begun: false,
        })
    }

    /// What the recording says next, in its time.
    pub(crate) async fn next(&mut self) -> Option<Delta<String>> {
        let next = self.left.pop_front()?;
        let tokens = match &next {
            Delta::Text(_) | Delta::Reasoning(_) | Delta::Refusal(_) | Delta::Arguments { .. } => {
                if std::mem::replace(&mut self.begun, true) {
                    1.0
                } else {
                    BEFORE
                }
            }
            Delta::CallBegins { .. }
            | Delta::CallEnds { .. }
            | Delta::Model(_)
            | Delta::Usage(_)
            | Delta::Finish(_) => 0.0,
        };
        // a model is not a metronome
        let uneven = 0.4 + 1.2 * self.chance.f64();
        let pause = Duration::try_from_secs_f64(tokens * uneven / self.pace);
        tokio::time::sleep(pause.unwrap_or_default()).await;
        Some(next)
    }
}

/// The recording with the most of its words in the last message of the user, the first of them; else the first
/// that answers anything.
fn chosen<'a>(recordings: &'a [Recording], request: &Request) -> Option<&'a Recording> {
    let asked = request
        .messages
        .iter()
        .rfind(|message| message.role == Role::User);
    let asked = asked
        .map(|message| message.text.to_lowercase())
        .unwrap_or_default();
    let score = |recording: &Recording| {
        let words = recording.words.iter();
        words.filter(|word| asked.contains(word.as_str())).count()
    };
    let best = recordings
        .iter()
        .rev()
        .max_by_key(|recording| score(recording))?;
    if score(best) > 0 {
        return Some(best);
    }
    recordings
        .iter()
        .find(|recording| recording.words.is_empty())
}

fn deltas(recording: &Recording, request: &Request, prompt: &str) -> VecDeque<Delta<String>> {
    let mut left = VecDeque::new();
    let thoughts = tokens(&recording.reasoning);
    let reasoning = thoughts.len();
    left.extend(thoughts.into_iter().map(Delta::Reasoning));
    let mut text = tokens(&recording.text);
    let most = request
        .max_tokens
        .map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let most = most.map_or(usize::MAX, |most| most.saturating_sub(reasoning));
    let cut = text.len() > most;
    text.truncate(most);
    let mut output = reasoning + text.len();
    left.extend(text.into_iter().map(Delta::Text));
    // what was recorded is asked for only where it is offered
    let offered = |call: &&RecordedCall| request.tools.iter().any(|tool| tool.name == call.name);
    let calls: Vec<&RecordedCall> = recording.tool_calls.iter().filter(offered).collect();
    let mut reason = if cut { "length" } else { "stop" };
    for (index, call) in calls.into_iter().enumerate().filter(|_| !cut) {
        reason = "tool_calls";
        let (id, name) = (None, call.name.clone());
        left.push_back(Delta::CallBegins { index, id, name });
        let pieces = tokens(&call.arguments.to_string());
        output += pieces.len();
        left.extend(
            pieces
                .into_iter()
                .map(|text| Delta::Arguments { index, text }),
        );
        left.push_back(Delta::CallEnds { index });
    }
    let count = |n: usize| u64::try_from(n).ok();
    left.push_back(Delta::Usage(Usage {
        input: count(tokens(prompt).len()),
        output: count(output),
        reasoning: count(reasoning).filter(|count| *count > 0),
        cached: None,
    }));
    left.push_back(Delta::Finish(reason.to_owned()));
    left
}

/// A text in pieces like those of a model: words with the space before them, long ones in parts.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut was_space = true;
    for char in text.chars() {
        let space = char.is_whitespace();
        let fits = |last: &&mut String| last.chars().count() < LONGEST && (was_space || !space);
        match tokens.last_mut().filter(fits) {
            Some(last) => last.push(char),
            None => tokens.push(char.to_string()),
        }
        was_space = space;
    }
    tokens
}

fn recordings() -> Result<&'static [Recording], Fault> {
    static RECORDINGS: OnceLock<Result<Vec<Recording>, String>> = OnceLock::new();
    let read = || serde_json::from_str(FILE).map_err(|error| error.to_string());
    match RECORDINGS.get_or_init(read) {
        Ok(recordings) => Ok(recordings),
        Err(error) => Err(Fault::new(
            Category::Unknown,
            format!("has no recordings: {error}"),
        )),
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

const FILE: &str = include_str!("recordings.json");

/// Tokens a second where nothing is said: what a large model gives, and what a fast reader can follow.
const PACE: f64 = 30.0;

/// The first token takes as long as so many.
const BEFORE: f64 = 12.0;

/// Characters of a token.
const LONGEST: usize = 9;

#[cfg(test)]
mod tests {
    use super::super::request::Message;
    use super::*;

    fn asked(prompt: &str) -> Request {
        Request {
            messages: vec![Message::new(Role::User, prompt)],
            ..Request::default()
        }
    }

    async fn replayed(request: &Request) -> (String, Vec<Duration>, String) {
        let (mut text, mut times, mut reason) = (String::new(), Vec::new(), String::new());
        let begun = tokio::time::Instant::now();
        let mut replay = Replay::begin(request).unwrap();
        while let Some(delta) = replay.next().await {
            if let Delta::Text(piece) = &delta {
                text.push_str(piece);
                times.push(begun.elapsed());
            }
            if let Delta::Finish(finish) = delta {
                reason = finish;
            }
        }
        (text, times, reason)
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_prompt_gives_the_same_answer_at_the_same_pace() {
        let first = replayed(&asked("Argue for a tidal power station.")).await;
        assert_eq!(
            first,
            replayed(&asked("Argue for a tidal power station.")).await
        );
        assert_eq!(first.2, "stop");
        let per_token = first.1.last().unwrap().as_secs_f64() / first.1.len() as f64;
        assert!((0.02..0.06).contains(&per_token), "{per_token}");
        let other = replayed(&asked("Argue against a tidal power station.")).await;
        assert_ne!(first.0, other.0);
        assert!(replayed(&asked("xyzzy")).await.0.contains("recording"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_tokens_cuts_it_and_says_so() {
        let mut request = asked("xyzzy");
        request.max_tokens = Some(3);
        let (text, times, reason) = replayed(&request).await;
        assert_eq!((times.len(), reason.as_str()), (3, "length"));
        assert!(text.len() < 40);
        request.options.insert("temperature".into(), 1.into());
        assert!(Replay::begin(&request).is_err());
    }

    #[test]
    fn every_text_is_its_tokens() {
        for recording in recordings().unwrap() {
            assert_eq!(tokens(&recording.text).concat(), recording.text);
            assert!(!recording.text.is_empty() || !recording.tool_calls.is_empty());
        }
    }
}
