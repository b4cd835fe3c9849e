//! What ties a SASL exchange to the TLS connection it runs in.
//!
//! The driver computes the octets from its TLS connection and hands them in as facts; a type that cannot be computed on
//! this connection is `None` and is then neither used nor accepted.
//!
//! Standards: RFC 5929 (tls-unique, tls-server-end-point), RFC 9266 (tls-exporter).

/// Channel-binding octets of one TLS connection, per type. The default is a connection without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// RFC 9266 §2: the exporter with label `EXPORTER-Channel-Binding`.
    pub tls_exporter: Option<[u8; 32]>,
    /// RFC 5929 §4: hash of the server's certificate.
    pub tls_server_end_point: Option<Vec<u8>>,
    /// RFC 5929 §3: first Finished message; undefined on TLS 1.3.
    pub tls_unique: Option<Vec<u8>>,
}

impl ChannelBindings {
    /// The octets of the type registered as `name`, if this connection has them.
    pub fn by_name(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.tls_exporter.as_ref().map(<[u8; 32]>::as_slice),
            "tls-server-end-point" => self.tls_server_end_point.as_deref(),
            "tls-unique" => self.tls_unique.as_deref(),
            _ => None,
        }
    }

    /// The type a client uses when it has the choice, with its octets: exporter, unique, end point, in this order.
    pub fn preferred(&self) -> Option<(&'static str, &[u8])> {
        ["tls-exporter", "tls-unique", "tls-server-end-point"]
            .into_iter()
            .find_map(|name| Some((name, self.by_name(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CB-01, CB-07.
    #[test]
    fn a_type_the_connection_lacks_is_neither_found_nor_preferred() {
        let none = ChannelBindings::default();
        assert_eq!(none.by_name("tls-exporter"), None);
        assert_eq!(none.preferred(), None);

        let legacy = ChannelBindings {
            tls_server_end_point: Some(vec![1; 32]),
            tls_unique: Some(vec![2; 12]),
            ..none
        };
        assert_eq!(legacy.by_name("tls-exporter"), None);
        assert_eq!(legacy.by_name("tls-bogus"), None);
        assert_eq!(legacy.preferred(), Some(("tls-unique", [2; 12].as_slice())));
    }
}
