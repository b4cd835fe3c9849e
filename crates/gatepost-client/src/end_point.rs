//! The channel binding `tls-server-end-point`: a hash of the server's certificate.
//!
//! Both ends compute it from the certificate that was presented on the connection, with the hash function of the certificate's own signature.
//!
//! Standards: RFC 5929 §4.1; object identifiers from RFC 8017, RFC 5758, RFC 4055.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

/// The octets that bind to a server with this certificate (RFC 5929 §4.1). `None` where the type is undefined: the signature has no hash
/// function of its own (Ed25519, Ed448) or one that is not known here, or the certificate cannot be read.
pub fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let hash = HashFunction::of_signature(&parsed.signature_algorithm)?;
    Some(hash.digest(certificate))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HashFunction {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Its parameter names the hash function.
const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

impl HashFunction {
    fn of_signature(algorithm: &AlgorithmIdentifier<'_>) -> Option<Self> {
        let identifier = algorithm.algorithm.to_id_string();
        if identifier == RSASSA_PSS {
            let parameters = RsaSsaPssParams::try_from(algorithm.parameters()?).ok()?;
            return Self::by_identifier(&parameters.hash_algorithm_oid().to_id_string());
        }
        Self::by_identifier(&identifier)
    }

    /// Of the hash function itself, with RSA (RFC 8017 §A.2.4), or with ECDSA (RFC 5758 §3.2), in this order.
    fn by_identifier(identifier: &str) -> Option<Self> {
        Some(match identifier {
            // "If the hash function is either MD5 or SHA-1, then use SHA-256."
            "1.2.840.113549.2.5"
            | "1.2.840.113549.1.1.4"
            | "1.3.14.3.2.26"
            | "1.2.840.113549.1.1.5"
            | "1.2.840.10045.4.1"
            | "2.16.840.1.101.3.4.2.1"
            | "1.2.840.113549.1.1.11"
            | "1.2.840.10045.4.3.2" => Self::Sha256,
            "2.16.840.1.101.3.4.2.4" | "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => {
                Self::Sha224
            }
            "2.16.840.1.101.3.4.2.2" | "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => {
                Self::Sha384
            }
            "2.16.840.1.101.3.4.2.3" | "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => {
                Self::Sha512
            }
            _ => return None,
        })
    }

    fn digest(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha224 => Sha224::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
            Self::Sha384 => Sha384::digest(octets).to_vec(),
            Self::Sha512 => Sha512::digest(octets).to_vec(),
        }
    }
}
