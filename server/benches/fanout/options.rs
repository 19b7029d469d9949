//! What the command line asks for.

use crate::scenarios::SCENARIOS;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Letters of scenarios.
    pub(crate) scenarios: Vec<String>,
    /// Servers to be compared with, beside those that are part of this executable.
    pub(crate) peers: bool,
    /// Only servers whose name or transport holds one of these.
    pub(crate) only: Vec<String>,
    pub(crate) rounds: usize,
    /// Seconds of each measurement.
    pub(crate) seconds: f64,
    /// In place of the scenario's own number.
    pub(crate) subscribers: Option<usize>,
    /// Keep the results in the documentation, under this name.
    pub(crate) write: Option<String>,
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            scenarios: Vec::new(),
            peers: false,
            only: Vec::new(),
            rounds: 3,
            seconds: 0.0,
            subscribers: None,
            write: None,
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || format!("{argument} wants a value\n\n{}", usage());
                arguments.next().ok_or_else(missing)
            };
            match argument.as_str() {
                // what cargo says to every benchmark
                "--bench" => {}
                "--peers" => options.peers = true,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--rounds" => options.rounds = number(&value()?)?,
                "--seconds" => options.seconds = number(&value()?)?,
                "--subscribers" => options.subscribers = Some(number(&value()?)?),
                "--write" => options.write = Some("now".to_owned()),
                "--write-before" => options.write = Some("before".to_owned()),
                name if SCENARIOS.iter().any(|it| it.name == name) => {
                    options.scenarios.push(name.to_owned());
                }
                _ => return Err(usage()),
            }
        }
        if options.seconds <= 0.0 {
            options.seconds = if options.rounds == 1 { 0.5 } else { 1.0 };
        }
        if options.rounds == 0 {
            return Err(usage());
        }
        if options.scenarios.is_empty() {
            options.scenarios = SCENARIOS.iter().map(|it| it.name.to_owned()).collect();
        }
        Ok(options)
    }

    /// Whether a server is wanted.
    pub(crate) fn wants(&self, server: &str, transport: &str) -> bool {
        let name = format!("{server} {transport}").to_lowercase();
        let held = |part: &String| name.contains(&part.to_lowercase());
        self.only.is_empty() || self.only.iter().any(held)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let wrong = |_| format!("{text} is no number that fits\n\n{}", usage());
    text.parse().map_err(wrong)
}

fn usage() -> String {
    let scenarios: String = SCENARIOS
        .iter()
        .map(|it| format!("  {:<5} {}\n", it.name, it.title))
        .collect();
    format!(
        "cargo bench -p stepcast-server --bench fanout -- [scenario…] [options]

{scenarios}
  --peers            compare with other servers too, those that are installed
  --only a,b         only servers whose name or transport holds one of these, for example raw,stepcast or sse
  --rounds N         rounds of each measurement, whose median counts; 3
  --seconds S        seconds of each measurement; 1, and 0.5 where there is one round
  --subscribers N    in place of the scenario's own number
  --write            keep the results in docs/benchmarks
  --write-before     keep them there as what it was before"
    )
}
