//! A bar chart as SVG, on a logarithmic scale, that can be read on light and on dark ground.

use crate::results::{Figures, Outcome};
use crate::table;

/// CPU-seconds per million deliveries, a panel for each outcome.
pub(crate) fn svg(outcomes: &[&Outcome]) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for outcome in outcomes {
        let mut rows: Vec<&Figures> = outcome.rows.iter().collect();
        rows.sort_by(|a, b| a.per_million.total_cmp(&b.per_million));
        let values: Vec<f64> = rows.iter().map(|row| row.per_million).collect();
        let scale = Scale::of(&values);
        body += &format!(
            "<text class=\"title\" x=\"0\" y=\"{y}\">{}</text>\n",
            outcome.title
        );
        y += ROW;
        let bottom = y + ROW * rows.len();
        for tick in scale.ticks() {
            let x = scale.x(tick);
            body += &format!(
                "<line x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{bottom}\"/>\n",
                y - 12
            );
            body += &format!(
                "<text class=\"tick\" x=\"{x}\" y=\"{}\">{tick}</text>\n",
                bottom + 14
            );
        }
        for row in rows {
            body += &bar(row, &scale, y);
            y += ROW;
        }
        y += 2 * ROW;
    }
    format!("{}{body}</svg>\n", head(y))
}

fn bar(row: &Figures, scale: &Scale, y: usize) -> String {
    let class = match row.server.as_str() {
        "stepcast" => "own",
        name if name.starts_with("raw") => "limit",
        _ => "peer",
    };
    let end = scale.x(row.per_million);
    let (name, transport) = (&row.server, row.transport.name());
    let (width, middle) = (end - LEFT, y + 4);
    let (top, after) = (y - 8, end + 6.0);
    let value = table::short(row.per_million);
    format!(
        "<text class=\"name\" x=\"{x}\" y=\"{middle}\">{name}, {transport}</text>\n<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"15\"/>\n<text x=\"{after:.1}\" y=\"{middle}\">{value}</text>\n",
        x = LEFT - 8.0
    )
}

/// From a power of ten below the least to a little above the greatest.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Self {
            low: (least * 0.8).log10().floor(),
            high: (greatest * 1.2).log10(),
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value.log10() - self.low) / (self.high - self.low);
        ((LEFT + share * WIDTH) * 10.0).round() / 10.0
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high.floor() as i32).map(|power| 10_f64.powi(power))
    }
}

fn head(height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 {height}\" width=\"820\" height=\"{height}\" role=\"img\" aria-label=\"CPU-seconds of the server for a million deliveries\">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #24292f }}
.title {{ font-weight: 600; font-size: 14px }} .name {{ text-anchor: end }} .tick {{ text-anchor: middle; opacity: .7 }}
line {{ stroke: #8c959f; stroke-opacity: .35 }}
.own {{ fill: #1f6feb }} .limit {{ fill: #2da44e }} .peer {{ fill: #8c959f }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .own {{ fill: #58a6ff }} .limit {{ fill: #3fb950 }} }}
</style>
<text x=\"0\" y=\"16\">CPU-seconds of the server for a million deliveries, logarithmic; less is better</text>
"
    )
}

/// Where the bars begin, and how long they may be.
const LEFT: f64 = 270.0;
const WIDTH: f64 = 500.0;

/// The height of a line, and of what stands above the first.
const ROW: usize = 22;
const TOP: usize = 44;
