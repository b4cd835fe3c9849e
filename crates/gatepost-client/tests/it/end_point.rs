//! CB-03: "hash of the DER server certificate with the signature's hash; MD5 and SHA-1 → SHA-256; undefined when the signature has no or
//! several hashes".

use gatepost_client::server_end_point;
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256, Sha384, Sha512};

fn signed(algorithm: &'static SignatureAlgorithm) -> CertificateDer<'static> {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

#[test]
fn cb_03_the_hash_is_that_of_the_signature() {
    let p256 = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(
        server_end_point(&p256).unwrap(),
        Sha256::digest(&p256).to_vec()
    );
    let p384 = signed(&rcgen::PKCS_ECDSA_P384_SHA384);
    assert_eq!(
        server_end_point(&p384).unwrap(),
        Sha384::digest(&p384).to_vec()
    );
    let rsa = signed(&rcgen::PKCS_RSA_SHA512);
    assert_eq!(
        server_end_point(&rsa).unwrap(),
        Sha512::digest(&rsa).to_vec()
    );
    assert_eq!(server_end_point(&signed(&rcgen::PKCS_ED25519)), None);
    assert_eq!(server_end_point(&CertificateDer::from(vec![0x30, 0])), None);
}

/// Made by OpenSSL, and hashed by sha256sum and sha384sum.
#[test]
fn cb_03_sha_1_counts_as_sha_256_and_pss_names_its_hash() {
    let rows: [(&[u8], &str); 2] = [
        (
            include_bytes!("../data/rsa-sha1.pem"),
            "5f1f93b03843942866b6aaea06d67134f940e2ec19839e2fbbc5626ce5bdecec",
        ),
        (
            include_bytes!("../data/rsa-pss-sha384.pem"),
            "1f845eb5223a88095861af8201765b939c1e5b9515af375a400dfeabc4899ff5aa202e47691f690e0a2920491a81827f",
        ),
    ];
    for (pem, expected) in rows {
        let certificate = CertificateDer::from_pem_slice(pem).unwrap();
        let octets = server_end_point(&certificate).unwrap();
        let expected: Vec<u8> = (0..expected.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&expected[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(octets, expected);
    }
}
