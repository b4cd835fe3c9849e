//! Arguments of commands: paths, xtext, the parameters of RFC 3461.

use gatepost_smtp::{
    Address, EnvelopeId, ForwardPath, Notify, OriginalRecipient, Ret, ReversePath, xtext,
};

/// An address that was read holds no control, shows itself as what is read again, and stays itself as a path (T-36).
pub fn path(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    if let Ok(address) = Address::parse(text) {
        assert_address(&address);
    }
    if let Ok(path) = ReversePath::parse(text) {
        path.address().into_iter().for_each(assert_address);
        assert!(!path.to_string().contains(char::is_control));
    }
    if let Ok(path) = ForwardPath::parse(text, "mail.example.com") {
        assert_address(path.address());
    }
}

fn assert_address(address: &Address) {
    let text = address.to_string();
    assert!(!text.contains(char::is_control), "a control in {text:?}");
    assert_eq!(Address::parse(&text).as_ref(), Ok(address));
    assert_eq!(format!("{}@{}", address.local(), address.domain()), text);
    assert!(!address.domain().contains(['@', '<', '>', ' ']), "{text:?}");
    if let Some(ascii) = address.to_ascii() {
        assert!(ascii.is_ascii() && ascii.as_str().is_ascii());
        assert_eq!(ascii.local(), address.local());
    }
    assert_eq!(address.is_ascii(), text.is_ascii());
}

/// What was encoded is decoded to the same, and nothing of xtext can leave its place (RFC 3461 §4).
pub fn xtext(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    let encoded = xtext::encode(text);
    assert!(encoded.bytes().all(|octet| octet.is_ascii_graphic()));
    assert_eq!(xtext::decode(&encoded).as_deref(), Ok(octets));
    if let Ok(decoded) = xtext::decode(text) {
        assert!(decoded.len() <= text.len());
    }
}

/// A parameter that was read holds no control and is written as what is read again.
pub fn dsn_params(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    if let Ok(id) = EnvelopeId::parse(text) {
        assert!(!id.as_str().contains(char::is_control) && id.as_str().is_ascii());
        assert_eq!(EnvelopeId::parse(&id.to_wire()), Ok(id));
    }
    if let Ok(ret) = Ret::parse(text) {
        assert_eq!(Ret::parse(ret.to_wire()), Ok(ret));
    }
    if let Ok(notify) = Notify::parse(text) {
        assert_eq!(Notify::parse(&notify.to_wire()), Ok(notify));
    }
    if let Ok(original) = OriginalRecipient::parse(text) {
        let shown = [original.address_type(), original.address()].concat();
        assert!(!shown.contains(char::is_control), "a control in {shown:?}");
        for utf8 in [true, false] {
            let wire = original.to_wire(utf8);
            assert!(!wire.contains(char::is_control) && !wire.contains(' '));
            assert!(utf8 || wire.is_ascii());
            assert_eq!(
                OriginalRecipient::parse(&wire).as_ref(),
                Ok(&original),
                "{wire:?}"
            );
        }
    }
}
