//! The layer: published frames, cuts, and everything a frame must not be.

use super::super::MAXBUF;
use super::super::keys::{SessionKey, Side, Terms};
use super::super::layer::agreed;
use super::super::protection::Protection;
use super::{PROTECTIONS, chris, elytron_key, smtp};
use crate::hmac_md5::HmacMd5Contexts;
use crate::layer::{LayerFault, SecurityLayer};
use crate::pairing::unhex;

fn elytron(protection: Protection, us: Side) -> Box<dyn SecurityLayer> {
    agreed(&elytron_key(protection), protection, us, MAXBUF).unwrap()
}

/// Puts the length before a frame that is printed without it.
fn framed(payload: &str) -> Vec<u8> {
    let payload = unhex(payload);
    let length = u32::try_from(payload.len()).unwrap();
    [&length.to_be_bytes(), payload.as_slice()].concat()
}

fn sealed(layer: &mut Box<dyn SecurityLayer>, plain: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    layer.seal(plain, &mut wire).unwrap();
    wire
}

/// Opens everything in `wire`.
fn opened(layer: &mut Box<dyn SecurityLayer>, wire: &[u8]) -> Result<Vec<u8>, LayerFault> {
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < wire.len() {
        match layer.open(&wire[at..], &mut plain)? {
            0 => break,
            used => at += used,
        }
    }
    Ok(plain)
}

// DIG-17, DIG-18, DIG-19: WildFly Elytron's CompatibilityClientTest and CompatibilityServerTest.
#[test]
fn dig_17_dig_18_dig_19_frames_of_elytron() {
    let table = [
        (
            "1122334499191be7952a49d8549b000100000000",
            "aabbcc7e845ed48b0474447543000100000001",
            "55667788cf5e02ad15987d9076b8000100000000",
        ),
        (
            "13f7644f8c783501177522c1a455cb1f000100000000",
            "ec426d9cd3276f22285ab5da8df8f26b000100000001",
            "93ce33409e0fe5187e07c16fc3041f64000100000000",
        ),
        (
            "b2a12ba8ccd1030e7da4bac57a224197000100000000",
            "13144fc90ca65d3838d3547cca43e8ad000100000001",
            "8bc1267e71a769456f0c60f030e13f32000100000000",
        ),
        (
            "6a9328ca634e47c8d1ecc3c3f6e6000100000000",
            "7e15b940fccbb58a5612f54da7000100000001",
            "9fc7eb1c3c9e04b52df6e347a389000100000000",
        ),
        (
            "7a77c4b8b20208e502e5dc09bbfc000100000000",
            "efcb8662925427788b0ffeab2c000100000001",
            "c10acbf737cdebf2298df53417bc000100000000",
        ),
        (
            "ed46c6b0d38acb719aad661f9625000100000000",
            "b7bdc8f08733182154289e7f3d000100000001",
            "44aca6145a89353d26258e524724000100000000",
        ),
    ];
    for (protection, (first, second, reply)) in PROTECTIONS.into_iter().zip(table) {
        let (mut client, mut server) = (
            elytron(protection, Side::Client),
            elytron(protection, Side::Server),
        );
        let (first, second, reply) = (framed(first), framed(second), framed(reply));
        assert_eq!(
            sealed(&mut client, &unhex("11223344")),
            first,
            "{protection:?}"
        );
        assert_eq!(
            sealed(&mut client, &unhex("aabbcc")),
            second,
            "{protection:?}"
        );
        assert_eq!(
            sealed(&mut server, &unhex("55667788")),
            reply,
            "{protection:?}"
        );
        assert_eq!(
            opened(&mut server, &[first, second].concat()),
            Ok(unhex("11223344aabbcc"))
        );
        assert_eq!(opened(&mut client, &reply), Ok(unhex("55667788")));
    }
}

// DIG-17, DIG-18: first lines of a mail submission in both directions, computed apart from this code.
#[test]
fn dig_17_dig_18_frames_of_a_submission() {
    let table = [
        (
            "0000002945484c4f20636c69656e742e6578616d706c652e636f6d0d0a7b44f1e2b0c86d87cb03000100000000",
            "0000002932353020656c776f6f642e696e6e6f736f66742e636f6d0d0abb60c4fbe9762f90c678000100000000",
        ),
        (
            "0000002e9c62b528985851268973960fa77af1f9e2121c3a616ec807a46f86a8d7f56883b7f2477c74c46d0e000100000000",
            "0000002e10082c2a98cd49318ae9e8f67bf3802a83283e7be10e6d2aeb051928bf9229e2df4d652772dad6cb000100000000",
        ),
        (
            "0000002ec7d58c1f443d3ed9bf3ea5f58e73b5fe5d933a17a7bf1c556371b7e15c4aac363a687defc3f79319000100000000",
            "0000002efec516e89a123aa6de0b8f2d75654bfa7caa31537144779fead6cd886d8fb4caf65dd0475eff10f5000100000000",
        ),
        (
            "000000291238d06b15be0f06128d3bb242fed5cae3c20027014a6c8c2f379405eb6e5a97764282000100000000",
            "000000291309742da7fd67102cc98992f03caecd594467236ec8ad1e42e3cdfafb808e9cac99dd000100000000",
        ),
        (
            "000000292df831d61f5c38a4433ac2f4e34fa963f24918e15cf0dcbb0879e2aa33ebee36ebb598000100000000",
            "00000029474d5f1b21b8ecd8663b5ee21bba3239802db4caa65bbad45db0a8fab57df60752d866000100000000",
        ),
        (
            "00000029e28693bf89de3d984ee091a6dffa2870510522cb27a60c892b254a6c09054f4c63954f000100000000",
            "0000002936da2307020eee9a3b651be4d44811cdaa557ca81a3469e358bb899b1d8fa71c35d71b000100000000",
        ),
    ];
    for (protection, (hello, reply)) in PROTECTIONS.into_iter().zip(table) {
        let key = SessionKey::new(
            &chris(),
            &Terms {
                protection,
                ..smtp()
            },
        );
        let mut client = agreed(&key, protection, Side::Client, MAXBUF).unwrap();
        let mut server = agreed(&key, protection, Side::Server, MAXBUF).unwrap();
        assert_eq!(
            sealed(&mut client, b"EHLO client.example.com\r\n"),
            unhex(hello),
            "{protection:?}"
        );
        assert_eq!(
            sealed(&mut server, b"250 elwood.innosoft.com\r\n"),
            unhex(reply),
            "{protection:?}"
        );
    }
}

// LAYER-09.
#[test]
fn layer_09_each_layer_has_a_name() {
    let names =
        PROTECTIONS.map(|protection| elytron(protection, Side::Server).describe().to_owned());
    assert_eq!(
        names,
        [
            "DIGEST-MD5/auth-int",
            "DIGEST-MD5/auth-conf/3des",
            "DIGEST-MD5/auth-conf/des",
            "DIGEST-MD5/auth-conf/rc4",
            "DIGEST-MD5/auth-conf/rc4-56",
            "DIGEST-MD5/auth-conf/rc4-40"
        ]
    );
    assert!(
        agreed(
            &elytron_key(Protection::None),
            Protection::None,
            Side::Server,
            MAXBUF
        )
        .is_none()
    );
}

// T-19, DIG-19, LAYER-05: Elytron's two bad frames, and the same frame twice.
#[test]
fn dig_19_layer_05_a_frame_forged_or_out_of_order_is_a_fault() {
    let mut server = elytron(Protection::Integrity, Side::Server);
    let zero = framed("1122334499191be7952a49d8549b000100000000");
    assert!(opened(&mut server, &zero).is_ok());
    let bad_mac = framed("016603ce7148b6869e1b8df557000100000001");
    assert_eq!(opened(&mut server, &bad_mac), Err(LayerFault::Corrupt));

    let mut server = elytron(Protection::Integrity, Side::Server);
    assert!(opened(&mut server, &zero).is_ok());
    let skipped = framed("01020352873023be5e875d6a93000100000002");
    assert_eq!(opened(&mut server, &skipped), Err(LayerFault::Corrupt));

    let mut server = elytron(Protection::Integrity, Side::Server);
    assert!(opened(&mut server, &zero).is_ok());
    assert_eq!(opened(&mut server, &zero), Err(LayerFault::Corrupt));
}

// T-19, LAYER-05: no bit of a frame can be changed. The length is not protected: changed, it is too long, waited for, or cuts
// the frame in the wrong place.
#[test]
fn layer_05_every_changed_bit_is_noticed() {
    for protection in PROTECTIONS {
        let frame = sealed(&mut elytron(protection, Side::Client), b"MAIL FROM:<>\r\n");
        for bit in 0..frame.len() * 8 {
            let mut changed = frame.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut server = elytron(protection, Side::Server);
            let got = opened(&mut server, &changed);
            if bit < 32 {
                assert!(
                    got.is_err() || got == Ok(Vec::new()),
                    "{protection:?} bit {bit}"
                );
            } else {
                assert_eq!(got, Err(LayerFault::Corrupt), "{protection:?} bit {bit}");
            }
        }
    }
}

// T-19, LAYER-05, DIG-16: longer than agreed is refused by its length alone; too short is no frame.
#[test]
fn layer_05_dig_16_lengths_out_of_bounds() {
    for protection in PROTECTIONS {
        let open = |wire: &[u8]| opened(&mut elytron(protection, Side::Server), wire);
        assert_eq!(open(&[0, 1, 0, 1]), Err(LayerFault::TooLong));
        assert_eq!(open(&[255; 4]), Err(LayerFault::TooLong));
        assert_eq!(open(&[0, 1, 0, 0]), Ok(Vec::new()));
        for length in 0..16_u8 {
            let frame = [&[0, 0, 0, length][..], &vec![0; length.into()]].concat();
            assert_eq!(open(&frame), Err(LayerFault::Corrupt), "{length}");
        }
    }
}

// LAYER-06, DIG-16: what is sent is cut to what the peer takes, and comes out whole on the other side wherever the
// transport cuts it; an empty message is legal and yields nothing.
#[test]
fn layer_06_dig_16_cut_to_the_peers_maxbuf() {
    let plain: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for protection in PROTECTIONS {
        for maxbuf in [64, 1024, MAXBUF] {
            let key = elytron_key(protection);
            let mut client = agreed(&key, protection, Side::Client, maxbuf).unwrap();
            let mut server = agreed(&key, protection, Side::Server, maxbuf).unwrap();
            let wire = sealed(&mut client, &plain);
            let mut at = 0;
            while at < wire.len() {
                let length = u32::from_be_bytes(*wire[at..].first_chunk().unwrap());
                assert!((17..=maxbuf).contains(&length), "{protection:?} {length}");
                at += 4 + length as usize;
            }
            let (mut got, mut waiting) = (Vec::new(), Vec::new());
            for segment in wire.chunks(1447) {
                waiting.extend_from_slice(segment);
                loop {
                    match server.open(&waiting, &mut got).unwrap() {
                        0 => break,
                        used => drop(waiting.drain(..used)),
                    }
                }
            }
            assert!(got == plain, "{protection:?} {maxbuf}");
            assert!(sealed(&mut client, b"").is_empty());
        }
    }
}

// LAYER-06: a peer may protect nothing at all.
#[test]
fn layer_06_an_empty_frame_yields_nothing() {
    let key = elytron_key(Protection::Integrity);
    let signing = HmacMd5Contexts::of_key(key.signing(Side::Client).as_slice());
    let frame = [&signing.mac(&[0; 4])[..10], &[0, 1, 0, 0, 0, 0]].concat();
    let wire = [&[0, 0, 0, 16][..], &frame].concat();
    let mut plain = Vec::new();
    let mut server = elytron(Protection::Integrity, Side::Server);
    assert_eq!(server.open(&wire, &mut plain), Ok(20));
    assert!(plain.is_empty());
}
