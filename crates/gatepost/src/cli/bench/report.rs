//! What was measured.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gatepost_client::{Error, Reply};
use serde::Serialize;

use crate::cli::output::printable;

/// Every sample.
#[derive(Default)]
pub(super) struct Samples {
    /// TCP, greeting, TLS, EHLO.
    pub(super) connect: Vec<Duration>,
    /// AUTH to 235.
    pub(super) auth: Vec<Duration>,
    /// MAIL to 250.
    pub(super) message: Vec<Duration>,
    /// The end of the content to 250.
    pub(super) end_of_data: Vec<Duration>,
    errors: BTreeMap<String, u64>,
}

impl Samples {
    pub(super) fn merge(&mut self, other: Self) {
        self.connect.extend(other.connect);
        self.auth.extend(other.auth);
        self.message.extend(other.message);
        self.end_of_data.extend(other.end_of_data);
        for (label, count) in other.errors {
            *self.errors.entry(label).or_default() += count;
        }
    }

    pub(super) fn fail(&mut self, error: &Error) {
        match error.reply() {
            Some(reply) => self.refused(reply),
            None => self.count(printable(&error.to_string())),
        }
    }

    pub(super) fn refused(&mut self, reply: &Reply) {
        // Code and enhanced code; the text may hold an id, which would make every refusal another one.
        let text = reply.to_string();
        let codes: Vec<_> = text
            .split(' ')
            .take(2)
            .filter(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            .collect();
        self.count(printable(&codes.join(" ")));
    }

    fn count(&mut self, label: String) {
        *self.errors.entry(label).or_default() += 1;
    }
}

/// The result.
#[derive(Serialize)]
pub(super) struct Report {
    messages: u64,
    accepted: usize,
    seconds: f64,
    accepted_per_second: f64,
    sessions: usize,
    /// Milliseconds.
    latency: Latencies,
    /// How often each failure happened: by reply code, or in words where there was no reply.
    errors: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Latencies {
    connect: Option<Quantiles>,
    auth: Option<Quantiles>,
    message: Option<Quantiles>,
    end_of_data: Option<Quantiles>,
}

/// Of every sample, by nearest rank, in milliseconds.
#[derive(Debug, PartialEq, Serialize)]
struct Quantiles {
    samples: usize,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(messages: u64, elapsed: Duration, samples: Samples) -> Self {
        let accepted = samples.message.len();
        let seconds = elapsed.as_secs_f64();
        Self {
            messages,
            accepted,
            seconds,
            accepted_per_second: f64::from(u32::try_from(accepted).unwrap_or(u32::MAX)) / seconds,
            sessions: samples.connect.len(),
            latency: Latencies {
                connect: Quantiles::of(samples.connect),
                auth: Quantiles::of(samples.auth),
                message: Quantiles::of(samples.message),
                end_of_data: Quantiles::of(samples.end_of_data),
            },
            errors: samples.errors,
        }
    }

    /// Messages that were not accepted.
    pub(super) fn failed(&self) -> u64 {
        self.messages
            .saturating_sub(u64::try_from(self.accepted).unwrap_or(u64::MAX))
    }
}

impl Quantiles {
    fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        // The smallest sample that so many hundredths of all samples do not exceed.
        let rank = |hundredths: usize| {
            let place = (samples.len() * hundredths).div_ceil(100).max(1) - 1;
            samples.get(place).map(|it| it.as_secs_f64() * 1000.0)
        };
        Some(Self {
            samples: samples.len(),
            p50: rank(50)?,
            p90: rank(90)?,
            p99: rank(99)?,
            max: rank(100)?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} messages accepted in {:.2} s: {:.1} per second, {} sessions",
            self.accepted, self.messages, self.seconds, self.accepted_per_second, self.sessions
        )?;
        writeln!(
            f,
            "{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "milliseconds", "samples", "p50", "p90", "p99", "max"
        )?;
        let rows = [
            ("connect, TLS, EHLO", &self.latency.connect),
            ("AUTH", &self.latency.auth),
            ("MAIL to 250", &self.latency.message),
            ("end of data to 250", &self.latency.end_of_data),
        ];
        for (name, quantiles) in rows {
            let Some(it) = quantiles else { continue };
            writeln!(
                f,
                "{name:<22}{:>10}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
                it.samples, it.p50, it.p90, it.p99, it.max
            )?;
        }
        for (label, count) in &self.errors {
            writeln!(f, "{count} × {label}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples = |milliseconds: std::ops::RangeInclusive<u64>| {
            Quantiles::of(milliseconds.rev().map(Duration::from_millis).collect())
        };
        let of = |samples, [p50, p90, p99, max]: [f64; 4]| {
            Some(Quantiles {
                samples,
                p50,
                p90,
                p99,
                max,
            })
        };
        assert_eq!(samples(1..=1000), of(1000, [500.0, 900.0, 990.0, 1000.0]));
        assert_eq!(samples(1..=10), of(10, [5.0, 9.0, 10.0, 10.0]));
        assert_eq!(samples(7..=7), of(1, [7.0; 4]));
        assert_eq!(Quantiles::of(Vec::new()), None);
    }
}
