//! Metrics, counted from the same events that the log shows, so that both always agree.
//!
//! Labels come from closed sets only: reasons, results, mechanism names, parts. No name, address or host of a peer becomes a label, so
//! that the number of series is bounded whatever peers send (T-53).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Sink;
use super::event::{Event, TlsSeen};

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All counters and gauges. Cloning is cheap; clones are the same metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    auth: Family<Labels<3>, Counter>,
    accepted: Family<Labels<1>, Counter>,
    octets: Counter,
    refused: Family<Labels<2>, Counter>,
    connections: Family<Labels<2>, Counter>,
    connections_refused: Family<Labels<1>, Counter>,
    tls_failed: Family<Labels<1>, Counter>,
    client_certificates: Family<Labels<1>, Counter>,
    quirks: Family<Labels<1>, Counter>,
    deliveries: Family<Labels<2>, Counter>,
    notices: Counter,
    faults: Family<Labels<2>, Counter>,
    exposed: Family<Labels<1>, Counter>,
    tokens_refused: Family<Labels<1>, Counter>,
    reloads: Family<Labels<1>, Counter>,
    log_gaps: Family<Labels<1>, Counter>,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let counters = Counters::default();
        let mut registry = Registry::with_prefix("gatepost");
        counters.register(&mut registry);
        Self {
            registry: Arc::new(Mutex::new(registry)),
            counters: Arc::new(counters),
        }
    }

    /// Adds a value that is read when someone looks: sessions open, messages queued.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> i64 + Send + Sync + 'static,
    ) {
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register_collector(Box::new(ReadGauge {
                name,
                help,
                read: Box::new(read),
            }));
    }

    /// The metrics as `OpenMetrics` text, for `/metrics`
    /// (`Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn render(&self) -> String {
        let mut page = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = text::encode(&mut page, &registry);
        page
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for Metrics {
    fn observe(&self, _at: SystemTime, event: &Event) {
        self.counters.count(event);
    }
}

impl Counters {
    fn register(&self, to: &mut Registry) {
        to.register("auth", "Authentication exchanges", self.auth.clone());
        to.register(
            "messages_accepted",
            "Messages on stable storage and acknowledged",
            self.accepted.clone(),
        );
        to.register(
            "message_octets_accepted",
            "Octets of accepted messages",
            self.octets.clone(),
        );
        to.register("commands_refused", "Refused commands", self.refused.clone());
        to.register(
            "connections_closed",
            "Sessions that ended, by the version of TLS they had",
            self.connections.clone(),
        );
        to.register(
            "connections_refused",
            "Connections turned away",
            self.connections_refused.clone(),
        );
        to.register(
            "tls_failed",
            "Failed TLS handshakes",
            self.tls_failed.clone(),
        );
        to.register(
            "client_certificates",
            "Certificates of clients",
            self.client_certificates.clone(),
        );
        to.register(
            "quirks",
            "Tolerated oddities of clients",
            self.quirks.clone(),
        );
        to.register(
            "deliveries",
            "Delivery attempts, per recipient",
            self.deliveries.clone(),
        );
        to.register(
            "notices",
            "Notices about failed recipients",
            self.notices.clone(),
        );
        to.register(
            "faults",
            "Failures of parts of the program",
            self.faults.clone(),
        );
        to.register(
            "passwords_exposed",
            "Passwords shown in clear text where they were not accepted",
            self.exposed.clone(),
        );
        to.register(
            "tokens_refused",
            "Bearer tokens refused",
            self.tokens_refused.clone(),
        );
        to.register(
            "reloads",
            "Configurations read again, by result",
            self.reloads.clone(),
        );
        to.register(
            "log_gaps",
            "Lines left out of the log",
            self.log_gaps.clone(),
        );
    }

    fn count(&self, event: &Event) {
        let reason = ("reason", event.record().reason().unwrap_or("none"));
        match event {
            Event::AuthAttempt(it) => {
                let labels = [
                    ("mechanism", it.mechanism),
                    ("result", it.result.as_str()),
                    reason,
                ];
                self.auth.get_or_create(&labels).inc();
            }
            Event::MessageAccepted(it) => {
                self.accepted.get_or_create(&[reason]).inc();
                self.octets.inc_by(it.size);
            }
            Event::CommandRefused(it) => {
                self.refused
                    .get_or_create(&[("command", it.command), reason])
                    .inc();
            }
            Event::ConnectionClosed(it) => {
                let tls = it.tls.as_ref().map_or("none", TlsSeen::known_version);
                self.connections
                    .get_or_create(&[reason, ("tls", tls)])
                    .inc();
            }
            Event::ConnectionRefused(_) => {
                self.connections_refused.get_or_create(&[reason]).inc();
            }
            Event::TlsFailed(_) => {
                self.tls_failed.get_or_create(&[reason]).inc();
            }
            Event::ClientCertificateSeen(_) => {
                self.client_certificates.get_or_create(&[reason]).inc();
            }
            Event::QuirkSeen(it) => {
                self.quirks.get_or_create(&[("quirk", it.quirk)]).inc();
            }
            Event::DeliveryAttempt(it) => {
                self.deliveries
                    .get_or_create(&[("result", it.outcome.as_str()), reason])
                    .inc();
            }
            Event::PasswordExposed(it) => {
                self.exposed
                    .get_or_create(&[("mechanism", it.mechanism)])
                    .inc();
            }
            Event::TokenRefused(_) => {
                self.tokens_refused.get_or_create(&[reason]).inc();
            }
            Event::NoticeQueued(_) => {
                self.notices.inc();
            }
            Event::Fault(it) => {
                self.faults
                    .get_or_create(&[("part", it.part), reason])
                    .inc();
            }
            Event::Reloaded(_) => {
                self.reloads.get_or_create(&[("result", "ok")]).inc();
            }
            Event::ReloadRefused(_) => {
                self.reloads.get_or_create(&[("result", "refused")]).inc();
            }
            Event::LogGap(it) => {
                self.log_gaps
                    .get_or_create(&[("kind", it.kind)])
                    .inc_by(it.lines);
            }
            Event::CertificateExpires(_)
            | Event::TicketRefused(_)
            | Event::FaultInjected(_)
            | Event::Started(_)
            | Event::Listening(_)
            | Event::Draining(_)
            | Event::Stopped(_)
            | Event::AccountChanged(_)
            | Event::QueueChanged(_) => {}
        }
    }
}

/// A gauge that asks for its value.
struct ReadGauge {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for ReadGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadGauge({})", self.name)
    }
}

impl Collector for ReadGauge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new((self.read)());
        let place = encoder.encode_descriptor(self.name, self.help, None, gauge.metric_type())?;
        gauge.encode(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::event::{AuthAttempt, AuthResult};
    use crate::observe::reason::Reason;

    fn attempt(authcid: String) -> Event {
        AuthAttempt {
            peer: "192.0.2.7".parse().unwrap(),
            listener: "l".into(),
            session: "S".into(),
            id: None,
            mechanism: "PLAIN",
            authcid: Some(authcid),
            authzid: None,
            trace: None,
            tls: None,
            result: AuthResult::Lost,
            reason: Reason::CredentialsInvalid,
            account: None,
            credential: None,
        }
        .into()
    }

    /// T-53: names of peers make no series.
    #[test]
    fn ten_thousand_names_make_one_series() {
        let metrics = Metrics::new();
        for number in 0..10_000 {
            metrics.observe(SystemTime::UNIX_EPOCH, &attempt(format!("user{number}")));
        }
        let page = metrics.render();
        let series: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("gatepost_auth_total{"))
            .collect();
        assert_eq!(
            series,
            [
                r#"gatepost_auth_total{mechanism="PLAIN",result="failed",reason="credentials-invalid"} 10000"#
            ]
        );
    }

    #[test]
    fn gauges_are_read_when_shown() {
        let metrics = Metrics::new();
        metrics.gauge("sessions", "Sessions open", || 7);
        assert!(
            metrics.render().contains("gatepost_sessions 7\n"),
            "{}",
            metrics.render()
        );
    }
}
