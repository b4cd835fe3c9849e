//! The figures as people read them.

use std::fmt::Write as _;

use super::Arguments;
use super::generator::{Latency, Shape};

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Messages per second.
    pub(crate) rate: f64,
    /// From the final dot to the 250.
    pub(crate) latency: Latency,
    /// Processor seconds of the server for 1,000 messages.
    pub(crate) processor: f64,
}

/// The measurements of one kind of load.
pub(crate) struct Row {
    pub(crate) shape: Shape,
    pub(crate) sink: Vec<Measured>,
    pub(crate) gatepost: Vec<Measured>,
}

impl Row {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            shape,
            sink: Vec::new(),
            gatepost: Vec::new(),
        }
    }
}

/// The tables; `memory` is that of the sink and of Gatepost, in octets per connection.
pub(crate) fn render(rows: &[Row], memory: [f64; 2], arguments: &Arguments) -> String {
    let mut text = format!(
        "{} sessions, 8 KiB messages, implicit TLS; medians of {} rounds of {} s, sink and gatepost in turns\n\n",
        arguments.sessions, arguments.rounds, arguments.seconds
    );
    text.push_str(
        "                      |        messages/s        |  CPU s / 1,000 messages  | dot to 250, p50 / p99 ms\n\
         load    mechanism     |    sink  gatepost  ratio |    sink  gatepost  ratio |         sink     gatepost\n",
    );
    for row in rows {
        let median = |of: fn(&Measured) -> f64| (median(&row.sink, of), median(&row.gatepost, of));
        let rate = median(|it| it.rate);
        let processor = median(|it| it.processor);
        let p50 = median(|it| it.latency.p50);
        let p99 = median(|it| it.latency.p99);
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{:<7} {:<13} | {:7.0}  {:8.0}  {:5.2} | {:7.3}  {:8.3}  {:5.2} | {:5.1} / {:5.1} {:5.1} / {:5.1}",
            row.shape.scenario,
            row.shape.mechanism,
            rate.0,
            rate.1,
            rate.1 / rate.0,
            processor.0,
            processor.1,
            processor.1 / processor.0,
            p50.0,
            p99.0,
            p50.1,
            p99.1,
        );
    }
    let [sink, gatepost] = memory.map(|octets| octets / 1024.0);
    let _ = write!(
        text,
        "\nKiB per idle authenticated TLS connection, {} of them: sink {sink:.1}, gatepost {gatepost:.1}",
        arguments.idle
    );
    text
}

fn median(measured: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = measured.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2);
    let lower = values.get(values.len().saturating_sub(1) / 2);
    upper
        .zip(lower)
        .map_or(f64::NAN, |(upper, lower)| f64::midpoint(*upper, *lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_medians_and_their_ratio() {
        let measured = |rate| Measured {
            rate,
            latency: Latency { p50: 1.0, p99: 2.0 },
            processor: 0.5,
        };
        let row = Row {
            shape: Shape::new("a-hold", "plain", 1),
            sink: [400.0, 9_000.0, 500.0].map(measured).to_vec(),
            gatepost: [1.0, 300.0].map(measured).to_vec(),
        };
        let rate = |it: &Measured| it.rate;
        assert!((median(&row.sink, rate) - 500.0).abs() < f64::EPSILON);
        assert!((median(&row.gatepost, rate) - 150.5).abs() < f64::EPSILON);
        let arguments = Arguments {
            load: "load".into(),
            rounds: 3,
            seconds: 1,
            sessions: 64,
            idle: 10,
            scratch: "scratch".into(),
        };
        let text = render(&[row], [1024.0, 2048.0], &arguments);
        let expected = "a-hold  plain         |     500       150   0.30 |   0.500     0.500   1.00 |   1.0 /   2.0   1.0 /   2.0\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with("sink 1.0, gatepost 2.0"), "{text}");
    }
}
