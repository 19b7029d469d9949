//! Which numbers are shown, as the address says it: `#/metrics?window=7d&by=day&pipeline=Review`.

use stepcast_core::time::Timestamp;

use super::super::filter::unescaped;
use crate::api::escaped;

/// What the page is asked to show.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Question {
    pub(super) span: Span,
    by: Option<By>,
    /// Of this pipeline; of all where it is empty.
    pub(super) pipeline: String,
    /// Of this step; of whole runs where it is empty.
    pub(super) step: String,
    /// Whether the trends are a table of numbers.
    pub(super) table: bool,
}

/// How far back it reaches.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Span {
    #[default]
    Day,
    Week,
    Month,
    Quarter,
    All,
}

/// What one point of a trend stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    Hour,
    Day,
}

impl Span {
    pub(super) const ALL: [Self; 5] =
        [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::All];

    const fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::All => "all",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
            Self::All => "All",
        }
    }

    const fn days(self) -> Option<u64> {
        match self {
            Self::Day => Some(1),
            Self::Week => Some(7),
            Self::Month => Some(30),
            Self::Quarter => Some(90),
            Self::All => None,
        }
    }

    /// What its points may stand for, the usual one first. The server tells 1,000 of them at most.
    pub(super) const fn choices(self) -> &'static [By] {
        match self {
            Self::Day => &[By::Hour],
            Self::Week | Self::Month => &[By::Day, By::Hour],
            Self::Quarter | Self::All => &[By::Day],
        }
    }
}

impl By {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Hour => "By hour",
            Self::Day => "By day",
        }
    }

    /// In milliseconds.
    pub(super) const fn length(self) -> u64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }
}

impl Question {
    /// Reads it from the address after the hash; what is not known is left out.
    pub(super) fn parse(hash: &str) -> Self {
        let (_, query) = hash.split_once('?').unwrap_or((hash, ""));
        let mut question = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "window" => {
                    let known = Span::ALL.into_iter().find(|span| span.name() == value);
                    question.span = known.unwrap_or_default();
                }
                "by" => {
                    let mut known = [By::Hour, By::Day].into_iter();
                    question.by = known.find(|by| by.name() == value);
                }
                "pipeline" => question.pipeline = unescaped(value),
                "step" => question.step = unescaped(value),
                "view" => question.table = value == "table",
                _ => {}
            }
        }
        question
    }

    /// The address of the page that shows it.
    pub(super) fn address(&self) -> String {
        let usual = self.span.choices().first();
        let by = self.by();
        let pairs = [
            ("window", self.span.name(), self.span != Span::default()),
            ("by", by.name(), usual != Some(&by)),
            ("pipeline", &self.pipeline, !self.pipeline.is_empty()),
            ("step", &self.step, !self.step.is_empty()),
            ("view", "table", self.table),
        ];
        let told = pairs.into_iter().filter(|(.., told)| *told);
        let told: Vec<_> = told
            .map(|(key, value, _)| format!("{key}={}", escaped(value)))
            .collect();
        let mark = if told.is_empty() { "" } else { "?" };
        format!("#/metrics{mark}{}", told.join("&"))
    }

    /// What one point stands for: what was chosen, where that fits the span.
    pub(super) fn by(&self) -> By {
        let choices = self.span.choices();
        let chosen = self.by.filter(|by| choices.contains(by));
        chosen.or(choices.first().copied()).unwrap_or(By::Day)
    }

    /// The same, further back or less far. Over another span, what a point stands for is the usual again.
    pub(super) fn over(&self, span: Span) -> Self {
        Self {
            span,
            by: self.by.filter(|_| span == self.span),
            ..self.clone()
        }
    }

    pub(super) fn with_by(&self, by: By) -> Self {
        Self {
            by: Some(by),
            ..self.clone()
        }
    }

    /// The same of one step.
    pub(super) fn of_step(&self, pipeline: &str, step: &str) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            step: step.to_owned(),
            ..self.clone()
        }
    }

    /// The same of this pipeline, or of all where it is empty.
    pub(super) fn of_pipeline(&self, pipeline: &str) -> Self {
        self.of_step(pipeline, "")
    }

    /// The same, with the trends as a table or as charts.
    pub(super) fn as_table(&self, table: bool) -> Self {
        Self {
            table,
            ..self.clone()
        }
    }

    /// When it begins at `now`, both in milliseconds since 1970: with a whole hour or day, so that only the newest point
    /// is of one that is not over. None where it has no beginning.
    pub(super) fn from(&self, now: u64) -> Option<u64> {
        let length = self.by().length();
        let points = self.span.days()? * By::Day.length() / length;
        Some((now / length + 1).saturating_sub(points) * length)
    }

    /// Whether the same answer from the server serves both.
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        let asked = |it: &Self| Self {
            table: false,
            by: Some(it.by()),
            ..it.clone()
        };
        asked(self) == asked(other)
    }

    /// The address of the server's answer.
    pub(super) fn url(&self, now: u64) -> String {
        let mut url = format!(
            "/api/metrics?by={}&top={TOP}{}",
            self.by().name(),
            self.begin(now)
        );
        for (key, value) in [("pipeline", &self.pipeline), ("step", &self.step)] {
            if !value.is_empty() {
                url.push_str(&format!("&{key}={}", escaped(value)));
            }
        }
        url
    }

    /// The address of the same by pipelines, all of them.
    pub(super) fn pipelines_url(&self, now: u64) -> String {
        format!("/api/metrics?by=pipeline{}", self.begin(now))
    }

    fn begin(&self, now: u64) -> String {
        let from = self.from(now).map(Timestamp::from_unix_millis);
        from.map_or_else(String::new, |from| {
            format!("&from={}", escaped(from.as_str()))
        })
    }
}

/// Steps in each table.
const TOP: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_an_address_and_an_address_a_question() {
        let question = Question {
            span: Span::Month,
            by: Some(By::Hour),
            pipeline: "Tägliche 100 % & mehr".into(),
            step: "a=b".into(),
            table: true,
        };
        assert_eq!(Question::parse(&question.address()), question);
        assert_eq!(Question::default().address(), "#/metrics");
        assert_eq!(
            Question::parse("#/metrics?window=7d&by=day").address(),
            "#/metrics?window=7d"
        );
        assert_eq!(
            Question::parse("#/metrics?window=odd&by=x&z=1").address(),
            "#/metrics"
        );
        // hours of a quarter are more than the server tells
        assert_eq!(
            Question::parse("#/metrics?window=90d&by=hour").by(),
            By::Day
        );
        assert_eq!(question.over(Span::All).by(), By::Day);
    }

    #[test]
    fn a_span_begins_with_a_whole_hour_or_day_and_holds_the_present_one() {
        let hour = 3_600_000;
        // 26 h 30 min after 1970 began
        let now = 26 * hour + hour / 2;
        let day = Question::default();
        assert_eq!(day.from(now), Some(3 * hour));
        assert_eq!(
            day.url(now),
            "/api/metrics?by=hour&top=10&from=1970-01-01T03%3A00%3A00.000Z"
        );
        let week = day.over(Span::Week);
        assert_eq!(week.from(now), Some(0), "no time before 1970");
        assert_eq!(week.from(10 * 24 * hour), Some(4 * 24 * hour));
        assert_eq!(day.over(Span::All).from(now), None);
    }

    #[test]
    fn how_it_is_shown_is_no_question_to_the_server() {
        let day = Question::default();
        let table = Question {
            table: true,
            ..day.clone()
        };
        assert!(day.asks_as(&table) && day.asks_as(&day.with_by(By::Hour)));
        assert!(!day.asks_as(&day.over(Span::Week)));
    }
}
