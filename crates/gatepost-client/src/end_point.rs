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

impl HashFunction {
    fn of_signature(algorithm: &AlgorithmIdentifier<'_>) -> Option<Self> {
        Some(match algorithm.algorithm.to_id_string().as_str() {
            // With RSA: "if the hash function is MD5 or SHA-1, use SHA-256".
            "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" => {
                Self::Sha256
            }
            "1.2.840.113549.1.1.12" => Self::Sha384,
            "1.2.840.113549.1.1.13" => Self::Sha512,
            "1.2.840.113549.1.1.14" => Self::Sha224,
            // RSASSA-PSS names its hash function in a parameter.
            "1.2.840.113549.1.1.10" => {
                let parameters = RsaSsaPssParams::try_from(algorithm.parameters()?).ok()?;
                Self::by_identifier(&parameters.hash_algorithm_oid().to_id_string())?
            }
            // ECDSA with SHA-1, -224, -256, -384, -512.
            "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => Self::Sha256,
            "1.2.840.10045.4.3.1" => Self::Sha224,
            "1.2.840.10045.4.3.3" => Self::Sha384,
            "1.2.840.10045.4.3.4" => Self::Sha512,
            _ => return None,
        })
    }

    fn by_identifier(identifier: &str) -> Option<Self> {
        Some(match identifier {
            // SHA-1, and SHA-256 itself.
            "1.3.14.3.2.26" | "2.16.840.1.101.3.4.2.1" => Self::Sha256,
            "2.16.840.1.101.3.4.2.2" => Self::Sha384,
            "2.16.840.1.101.3.4.2.3" => Self::Sha512,
            "2.16.840.1.101.3.4.2.4" => Self::Sha224,
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
