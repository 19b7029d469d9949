//! The process's own log: text for a person, a line of JSON for a program.

use std::fmt;
use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::unix_millis;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere
    #[default]
    Auto,
    /// Lines for a person
    Text,
    /// A JSON object a line
    Json,
}

/// Writes the log to standard error; `RUST_LOG` chooses what, `default` where it does not.
pub fn to_stderr(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let json = match format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if json {
        log.fmt_fields(JsonFields::new()).event_format(Line).init();
    } else {
        log.init();
    }
}

/// One flat object: `timestamp`, `level`, `target`, then what the spans around the event say (`request_id` and
/// `execution_id` among it), then the event's own fields, `message` among them.
#[derive(Clone, Copy, Debug)]
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Map::new();
        let at = stepcast_core::time::Timestamp::from_unix_millis(unix_millis());
        line.insert("timestamp".into(), at.to_string().into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        let spans = context.event_scope().into_iter();
        for span in spans.flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                line.extend(object(&fields.fields));
            }
        }
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        line.extend(object(&fields));
        writeln!(writer, "{}", Value::from(line))
    }
}

/// What `JsonFields` wrote; nothing of what it did not.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
