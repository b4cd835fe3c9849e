//! Values that are written as text: next hops, sizes, spans of time.

use std::time::Duration;

use gatepost_sasl::LayerStrength;

use super::resolved::HostPort;

/// Reads `host:port`; an IPv6 address stands in brackets.
pub(super) fn parse_host_port(text: &str) -> Result<HostPort, String> {
    let fault = || format!("\"{text}\" is not host:port");
    let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
    let host = match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').ok_or_else(fault)?,
        None if host.contains(':') => return Err(fault()),
        None => host,
    };
    let well_formed = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    match port.parse() {
        Ok(port) if port > 0 && well_formed => Ok(HostPort {
            host: host.to_owned(),
            port,
        }),
        _ => Err(fault()),
    }
}

/// Reads a number of octets, with a unit or without.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(format!("\"{text}\" has no unit of B, KiB, MiB or GiB")),
    };
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("\"{text}\" is not a size"))
}

/// Reads a span of time, which needs a unit.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(format!("\"{text}\" has no unit of s, m, h or d")),
    };
    // A hundred years bound what later arithmetic with clocks has to bear.
    number
        .and_then(|number| number.checked_mul(seconds))
        .filter(|seconds| (1..=100 * 366 * 24 * 60 * 60).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("\"{text}\" is not a span of time"))
}

/// The words for security layers, in any case.
pub(crate) fn layer_strength(word: &str) -> Option<LayerStrength> {
    LAYERS
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map(|(_, strength)| strength)
}

const LAYERS: [(&str, LayerStrength); 3] = [
    ("none", LayerStrength::None),
    ("integrity", LayerStrength::Integrity),
    ("confidentiality", LayerStrength::Confidentiality),
];

fn split_unit(text: &str) -> (Option<u64>, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    (number.parse().ok(), unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_need_a_unit_that_is_known() {
        assert_eq!(parse_size("50 MiB"), Ok(50 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("50 MB").is_err());
        assert!(parse_size("99999999999 GiB").is_err());
        assert_eq!(parse_time("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["5", "0s", "m", "-1s", "5 weeks", "9999999d"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn next_hops_are_a_host_and_a_port() {
        let parsed = parse_host_port("[::1]:25").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port), ("::1", 25));
        for bad in [
            "smtp.example.com",
            "host:0",
            ":25",
            "::1:25",
            "a b:25",
            "h:70000",
            "[::1:25",
            "h\r:25",
        ] {
            assert!(parse_host_port(bad).is_err(), "{bad}");
        }
    }
}
