//! Whole files: what is accepted, what is refused and how, what draws advice.

use std::path::Path;
use std::time::Duration;

use gatepost_sasl::mechanism::{self, ANONYMOUS, EXTERNAL};
use gatepost_sasl::{LayerPolicy, LayerStrength};

use super::option::OPTIONS;
use super::resolved::{
    AuthTerms, CertificateFiles, CertificateName, Config, KeySource, ListenerProfile,
    MAX_CLOCK_SKEW, OldVersion, RouteAction, RouteTls, SecretFile, TlsMode, TlsVersions,
};
use super::{check, parse};

const WORKING: &str = r#"hostname = "submit.example.com"
data = "/var/lib/gatepost"

[[listener]]
address = "[::]:587"
tls = "starttls"

[[listener]]
address = "[::]:465"
tls = "implicit"

[[listener]]
name = "fax"
address = "192.168.7.1:25"
tls = "none"
profile = "legacy"
networks = ["192.168.7.0/24"]

[tls]
certificate = "fullchain.pem"
key = "/etc/gatepost/key.pem"

[[route]]
recipient_domain = "example.org"
hold = true

[[route]]
smarthost = ["smtp.example.net:587", "[2001:db8::1]:587"]
auth = { mechanism = "scram-sha-256", user = "scans", password_file = "next.secret" }

[accounts]
scram = ["SHA-1"]

[limits]
message_size = "100 MiB"
command_timeout = "10m"
"#;

fn load(text: &str) -> Result<Config, String> {
    parse(Path::new("/etc/gatepost/gatepost.toml"), text).map_err(|error| error.to_string())
}

/// The working file with one text in it replaced.
fn with(from: &str, to: &str) -> String {
    assert!(WORKING.contains(from), "{from}");
    WORKING.replacen(from, to, 1)
}

#[test]
fn a_listener_speaks_the_versions_it_is_told() {
    let versions = |text: &str| load(text).unwrap().listeners.remove(2).tls_versions;
    let told = |least: &str| {
        let told = format!("tls_versions = \"{least}\"\nprofile");
        with("tls = \"none\"\nprofile", &told)
    };
    assert!(matches!(versions(WORKING), TlsVersions::Current));
    assert!(matches!(versions(&told("1.2")), TlsVersions::Current));
    assert!(matches!(versions(&told("1.3")), TlsVersions::Newest));
    for (word, version) in [("1.0", OldVersion::V1_0), ("1.1", OldVersion::V1_1)] {
        let files = format!("{word}\"\ncertificate = \"old.pem\"\nkey = \"/keys/old");
        // It does without the certificate that all others have.
        let tls = "[tls]\ncertificate = \"fullchain.pem\"\nkey = \"/etc/gatepost/key.pem\"\n";
        let others = "[[listener]]\naddress = \"[::]:587\"\ntls = \"starttls\"\n\n[[listener]]\naddress = \"[::]:465\"\ntls = \"implicit\"\n";
        let alone = told(&files).replace(tls, "").replace(others, "");
        let mut listeners = load(&alone).unwrap().listeners;
        let TlsVersions::Old { least, files } = listeners.remove(0).tls_versions else {
            panic!("{word}");
        };
        assert_eq!(least, version);
        assert_eq!(files.certificate, Path::new("/etc/gatepost/old.pem"));
        assert_eq!(files.key, Path::new("/keys/old"));
    }
}

#[test]
fn a_legacy_listener_tolerates_what_it_is_told() {
    let told = "profile = \"legacy\"\ntolerate = [\"auth-equals-line\", \"line-feed-end-of-data\", \"authzid-without-authcid\"]";
    let config = load(&with("profile = \"legacy\"", told)).unwrap();
    let tolerated: Vec<_> = config.listeners[2]
        .tolerate
        .iter()
        .map(|it| it.label())
        .collect();
    let labels = [
        "auth-equals-line",
        "line-feed-end-of-data",
        "authzid-without-authcid",
    ];
    assert_eq!(tolerated, labels);
    assert!(config.listeners[0].tolerate.is_empty());
}

#[test]
fn a_listener_has_the_mechanisms_and_asks_for_the_certificates_it_is_told() {
    let pin = "9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08";
    let told = format!(
        "mechanisms = [\"External\", \"anonymous\"]\nanonymous_account = \"drop@example.com\"\nclient_ca = \"ca.pem\"\n\
         [[client_certificate]]\naccount = \"a\"\nkey_sha256 = \"{pin}\"\n\
         [[client_certificate]]\naccount = \"b\"\nsubject = \"CN=b\""
    );
    let config = load(&with("tls = \"starttls\"", &told)).unwrap();
    let auth = &config.listeners[0].auth;
    let named: Vec<_> = auth.mechanisms.iter().flat_map(|it| it.iter()).collect();
    assert_eq!(named, [&&EXTERNAL, &&ANONYMOUS]);
    assert_eq!(auth.anonymous_account.as_deref(), Some("drop@example.com"));
    let authority = auth.client_certificates.clone().and_then(|it| it.authority);
    assert_eq!(
        authority.as_deref(),
        Some(Path::new("/etc/gatepost/ca.pem"))
    );
    let [pinned, named] = &*config.client_certificates else {
        panic!("two rules");
    };
    let CertificateName::Key(key) = pinned.name else {
        panic!("{pinned:?}");
    };
    assert_eq!(
        (key[0], key[31], pinned.account.as_str()),
        (0x9f, 0x08, "a")
    );
    assert_eq!(named.name, CertificateName::Subject("CN=b".to_owned()));
    let quiet = &config.listeners[1].auth;
    assert!(quiet.mechanisms.is_none() && quiet.client_certificates.is_none());
}

// RFC 6331: nobody gets DIGEST-MD5 who did not ask for it, and nobody has to give up the others for it.
#[test]
fn a_listener_names_what_it_has_besides_the_usual_mechanisms() {
    let told = "profile = \"legacy\"\nmechanisms = [\"Default\", \"digest-md5\"]";
    let config = load(&with("profile = \"legacy\"", told)).unwrap();
    let auth = &config.listeners[2].auth;
    for mechanism in mechanism::ALL {
        assert_eq!(
            auth.names(mechanism),
            *mechanism != &ANONYMOUS,
            "{mechanism}"
        );
    }
    assert!(
        check::advice(&config)
            .iter()
            .all(|it| !it.what.contains("digest"))
    );
}

// DIG-04, LAYER-08.
#[test]
fn a_route_insists_on_realm_and_layer() {
    let of = |more: &str| {
        let to = format!("mechanism = \"digest-md5\"{more}, user");
        let config = load(&with("mechanism = \"scram-sha-256\", user", &to)).unwrap();
        let RouteAction::Smarthost(smarthost) = &config.routes[1].action else {
            panic!("a smarthost");
        };
        smarthost.auth.clone().unwrap().terms
    };
    let quiet = of("");
    assert_eq!(*quiet, AuthTerms::default());
    assert_eq!(quiet.layers(), LayerPolicy::ANY);
    let told = of(", realm = \"example.com\", layer = \"Integrity\"");
    assert_eq!(told.realm.as_deref(), Some("example.com"));
    assert_eq!(
        told.layers(),
        LayerPolicy::exactly(LayerStrength::Integrity)
    );
}

// DIG-02, LAYER-07: a realm is needed, and our name is one; layers are for clear text unless it says otherwise.
#[test]
fn dig_02_layer_07_a_listener_that_names_digest_md5_has_a_realm() {
    let realms = |told: &str| {
        let config = load(&with("profile = \"legacy\"", told)).unwrap();
        (config.accounts.digest_realms, config.hostname)
    };
    assert!(realms("profile = \"legacy\"").0.is_empty());
    let (named, hostname) =
        realms("profile = \"legacy\"\nmechanisms = [\"Digest-MD5\", \"login\"]");
    assert_eq!(named, [hostname]);

    let quiet = load(WORKING).unwrap().listeners.remove(0).layers;
    assert_eq!(quiet.on(true), LayerPolicy::NEVER);
    assert_eq!(quiet.on(false), LayerPolicy::ANY);
    let told = |place: &str| {
        let told =
            format!("tls = \"starttls\"\nsasl_layers = \"{place}\"\nsasl_weak_ciphers = true");
        let config = load(&with("tls = \"starttls\"", &told)).unwrap();
        config.listeners[0].layers
    };
    assert_eq!(told("never").on(false), LayerPolicy::NEVER);
    let weak = told("always").on(true);
    assert!(weak.weak_ciphers && weak.allows(LayerStrength::Confidentiality));
}

#[test]
fn a_whole_file_is_read_as_written() {
    let config = load(WORKING).unwrap();
    let [starttls, implicit, legacy] = config.listeners.as_slice() else {
        panic!("three listeners");
    };
    assert_eq!(starttls.tls, TlsMode::StartTls);
    assert_eq!(starttls.name, "[::]:587");
    assert_eq!(implicit.tls, TlsMode::Implicit);
    assert_eq!(legacy.profile, ListenerProfile::Legacy);
    assert!(legacy.require_auth);
    let tls = config.tls.unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/gatepost/fullchain.pem"));
    assert_eq!(tls.key, Path::new("/etc/gatepost/key.pem"));
    assert_eq!(config.limits.message_size, 100 << 20);
    assert_eq!(config.limits.command_timeout.as_secs(), 600);
    assert_eq!(config.accounts.scram, [gatepost_sasl::Hash::Sha1]);
    let [held, sent] = config.routes.as_slice() else {
        panic!("two routes");
    };
    assert!(matches!(held.action, RouteAction::Hold));
    assert!(
        held.matches
            .recipient_domain
            .as_ref()
            .unwrap()
            .matches("Example.ORG")
    );
    let RouteAction::Smarthost(smarthost) = &sent.action else {
        panic!("a smarthost");
    };
    assert_eq!(smarthost.tls, RouteTls::StartTls);
    assert_eq!(smarthost.hosts[1].host, "2001:db8::1");
    let auth = smarthost.auth.as_ref().unwrap();
    assert_eq!(auth.mechanism.map(|it| it.name), Some("SCRAM-SHA-256"));
    assert_eq!(auth.secret.path(), Path::new("/etc/gatepost/next.secret"));
}

/// What to replace in the working file, by what; what the error must say, and which remedy.
#[rustfmt::skip] // one row per case
const BAD_FILES: &[(&str, &str, &str, &str)] = &[
    ("\"SHA-1\"", "\"md5\"", "accounts.scram: \"md5\" is not known", "a list of \"sha-1\""),
    ("hostname =", "hostnam =", "gatepost.toml:1:1: there is no option hostnam", "did you mean hostname?"),
    ("hostname = \"submit.example.com\"", "", "hostname is missing", "add hostname ="),
    ("hostname = \"submit.example.com\"", "hostname = 5", "gatepost.toml:1:12: hostname: this is an integer", "a text in quotes"),
    ("submit.example.com", "submit example.com", "is not a host name", "the name clients use"),
    ("submit.example.com", "-x.example.com", "is not a host name", "the name clients use"),
    ("submit.example.com", "a..b", "is not a host name", "the name clients use"),
    ("data = \"/var/lib/gatepost\"", "", "data is missing", "add data ="),
    ("data = \"/var/lib/gatepost\"", "data = [\"/var\"]", "data: this is an array", "a path in quotes"),
    ("data =", "http = \"0.0.0.0:2580\"\ndata =", "http: 0.0.0.0:2580 is reachable", "loopback address"),
    ("data =", "http = \"[::]:2580\"\ndata =", "http: [::]:2580 is reachable", "loopback address"),
    ("data =", "http = \"192.168.7.1:80\"\ndata =", "http: 192.168.7.1:80 is reachable", "loopback address"),
    ("data =", "http = 2580\ndata =", "http: this is an integer", "an IP address and a port"),
    ("data =", "http = \"localhost:2580\"\ndata =", "http: \"localhost:2580\" is not an IP address", "an IP address and a port"),
    ("address = \"[::]:587\"", "adress = \"[::]:587\"", "there is no option adress in listener", "did you mean address?"),
    ("address = \"[::]:587\"", "", "listener.address is missing", "add address ="),
    ("[::]:587", "[::]", "listener.address: \"[::]\" is not an IP address with a port", "must be an IP address and a port"),
    ("[::]:587", "[::]:465", "listener.address: [::]:465 is used twice", "its own address or port"),
    ("name = \"fax\"", "name = \"[::]:465\"", "listener.name: \"[::]:465\" is used twice", "its own name"),
    ("tls = \"starttls\"", "tls = \"startls\"", "gatepost.toml:6:7: listener.tls: \"startls\" is not known", "one of \"starttls\", \"starttls-optional\", \"implicit\", \"none\""),
    ("tls = \"starttls\"", "tls = true", "listener.tls: this is a boolean", "one of"),
    ("profile = \"legacy\"", "profile = \"old\"", "listener.profile: \"old\" is not known", "\"submission\", \"legacy\""),
    ("networks = [\"192.168.7.0/24\"]", "", "listener.networks: the legacy listener 192.168.7.1:25 would serve the whole world", "networks = ["),
    ("192.168.7.0/24", "0.0.0.0/0", "listener.networks: 0.0.0.0/0 is too wide", "the networks of the old devices only"),
    ("192.168.7.0/24", "128.0.0.0/1", "listener.networks: 128.0.0.0/1 is too wide", "the networks of the old devices only"),
    ("192.168.7.0/24", "::/0", "listener.networks: ::/0 is too wide", "the networks of the old devices only"),
    ("192.168.7.0/24", "192.168.7.1/24", "bits after the prefix length are set", "192.168.7.0/24"),
    ("192.168.7.0/24", "192.168.7.0/40", "listener.networks: the prefix length", "a list of networks"),
    ("192.168.7.0/24", "office", "listener.networks: not an IP address", "a list of networks"),
    ("profile = \"legacy\"", "profile = \"legacy\"\nrequire_auth = false", "gatepost.toml:17:16: listener.require_auth: false is not possible", "leave the option out"),
    ("tls = \"starttls\"", "tolerate = [\"line-feed-end-of-data\"]", "gatepost.toml:6:13: listener.tolerate: \"line-feed-end-of-data\" is for legacy listeners", "profile = \"legacy\""),
    ("tls = \"starttls\"", "tolerate = [\"authzid-without-authcid\"]", "gatepost.toml:6:13: listener.tolerate: \"authzid-without-authcid\" is for legacy listeners", "profile = \"legacy\""),
    ("tls = \"starttls\"", "tolerate = [\"bare-lf\"]", "listener.tolerate: \"bare-lf\" is not known", "a list of \"auth-equals-line\", \"line-feed-end-of-data\", \"authzid-without-authcid\""),
    ("tls = \"starttls\"", "proxy_tls_trust = true", "listener.proxy_tls_trust: this listener has no proxy", "name the proxy's network"),
    ("tls = \"implicit\"", "tls = \"implicit\"\nproxy = [\"10.0.0.5\"]\nproxy_tls_trust = true", "this listener expects TLS behind the PROXY header", "set tls = \"none\""),
    ("tls = \"starttls\"", "proxy = [\"0.0.0.0/0\"]", "listener.proxy: everyone could claim any address", "name the proxies"),
    ("tls = \"starttls\"", "tls = \"starttls\"\ntls_versions = \"ssl3\"", "gatepost.toml:7:16: listener.tls_versions: \"ssl3\" is not possible: no library has SSL any more", "tls = \"none\" and profile = \"legacy\""),
    ("tls = \"starttls\"", "tls = \"starttls\"\ntls_versions = \"SSLv2\"", "RC4 and 3DES are gone", "tls = \"none\" and profile = \"legacy\""),
    ("tls = \"starttls\"", "tls = \"starttls\"\ntls_versions = \"1.4\"", "listener.tls_versions: \"1.4\" is not known", "one of \"1.0\", \"1.1\", \"1.2\", \"1.3\""),
    ("tls = \"starttls\"", "tls = \"starttls\"\ntls_versions = 1.2", "listener.tls_versions: this is a float", "one of \"1.0\""),
    ("tls = \"none\"", "tls = \"none\"\ntls_versions = \"1.2\"", "listener.tls_versions: this listener has no TLS", "set tls ="),
    ("tls = \"starttls\"", "tls_versions = \"1.0\"\ncertificate = \"old.pem\"\nkey = \"old.key\"", "gatepost.toml:6:16: listener.tls_versions: TLS 1.0 and 1.1 are for legacy listeners with networks", "profile = \"legacy\""),
    ("tls = \"starttls\"", "tls_versions = \"1.1\"\nnetworks = [\"10.0.0.0/8\"]\ncertificate = \"old.pem\"\nkey = \"old.key\"", "TLS 1.0 and 1.1 are for legacy listeners with networks", "profile = \"legacy\""),
    ("address = \"192.168.7.1:25\"\ntls = \"none\"\nprofile = \"legacy\"\nnetworks = [\"192.168.7.0/24\"]", "address = \"127.0.0.1:25\"\ntls_versions = \"1.0\"\nprofile = \"legacy\"\ncertificate = \"old.pem\"\nkey = \"old.key\"", "TLS 1.0 and 1.1 are for legacy listeners with networks", "their networks"),
    ("tls = \"none\"\nprofile", "tls_versions = \"1.0\"\nprofile", "listener.tls_versions: TLS 1.0 and 1.1 need a certificate and key", "openssl req -x509 -newkey rsa:2048"),
    ("tls = \"none\"\nprofile", "tls_versions = \"1.0\"\ncertificate = \"old.pem\"\nprofile", "listener.tls_versions: TLS 1.0 and 1.1 need a certificate and key", "openssl req -x509 -newkey rsa:2048"),
    ("tls = \"none\"\nprofile", "tls_versions = \"1.0\"\ncertificate = \"fullchain.pem\"\nkey = \"old.key\"\nprofile", "fullchain.pem is that of other listeners", "make one for the old devices alone"),
    ("tls = \"none\"\nprofile", "tls_versions = \"1.0\"\ncertificate = \"old.pem\"\nkey = \"key.pem\"\nprofile", "old.pem is that of other listeners", "make one for the old devices alone"),
    ("tls = \"none\"\nprofile", "tls_versions = \"1.0\"\ncertificate = \"old.pem\"\nkey = \"old.key\"\nclient_ca = \"ca.pem\"\nprofile", "listener.client_ca: not with TLS 1.0 or 1.1", "tls_versions = \"1.2\""),
    ("tls = \"none\"\nprofile", "tls_versions = \"1.0\"\ncertificate = \"old.pem\"\nkey = \"old.key\"\nplus_on_tls12 = true\nprofile", "listener.plus_on_tls12: not with TLS 1.0 or 1.1", "leave plus_on_tls12 out"),
    ("tls = \"starttls\"", "tls = \"starttls\"\ncertificate = \"own.pem\"", "listener.certificate: only listeners with TLS 1.0 or 1.1 have their own", "[[tls.more]]"),
    ("profile = \"legacy\"", "profile = \"legacy\"\ncolour = 1", "there is no option colour in listener", "known here: name, address"),
    ("profile = \"legacy\"", "profile = \"legacy\"\nmechanisms = [\"ntlm\"]", "listener.mechanisms: \"ntlm\" is not known", "a list of \"default\", \"external\", "),
    ("profile = \"legacy\"", "profile = \"legacy\"\nmechanisms = []", "listener.mechanisms: the list is empty", "leave the option out"),
    ("profile = \"legacy\"", "profile = \"legacy\"\nmechanisms = [\"Anonymous\"]", "\"anonymous\" without an account to act for", "anonymous_account ="),
    ("profile = \"legacy\"", "profile = \"legacy\"\nanonymous_account = \"x\"", "listener.anonymous_account: this listener does not offer ANONYMOUS", "in mechanisms"),
    ("profile = \"legacy\"", "profile = \"legacy\"\nclient_ca = \"ca.pem\"", "listener.client_certificates: without TLS there are none", "set tls ="),
    ("[limits]", "[[client_certificate]]\naccount = \"x\"\nemail = \"x\"\n[limits]", "client_certificate: no listener asks for certificates", "set client_certificates = true"),
    ("tls = \"starttls\"", "client_ca = \"ca.pem\"\n[[client_certificate]]\nemail = \"x\"", "client_certificate.account is missing", "add account ="),
    ("tls = \"starttls\"", "client_ca = \"ca.pem\"\n[[client_certificate]]\naccount = \"x\"", "client_certificate: it needs exactly one name", "set one of key_sha256"),
    ("tls = \"starttls\"", "client_ca = \"ca.pem\"\n[[client_certificate]]\naccount = \"x\"\nemail = \"x\"\ndns = \"x\"", "client_certificate: it needs exactly one name", "set one of key_sha256"),
    ("tls = \"starttls\"", "client_ca = \"ca.pem\"\n[[client_certificate]]\naccount = \"x\"\nkey_sha256 = \"9f86\"", "client_certificate.key_sha256: \"9f86\" is not a SHA-256", "run: openssl x509"),
    ("tls = \"starttls\"", "client_certificates = true\n[[client_certificate]]\naccount = \"x\"\nemail = \"x\"", "no listener has an authority", "use key_sha256"),
    ("certificate = \"fullchain.pem\"\n", "", "tls.certificate is missing", "add certificate ="),
    ("key = \"/etc/gatepost/key.pem\"", "", "tls.key is missing", "add key ="),
    ("[tls]\ncertificate = \"fullchain.pem\"\nkey = \"/etc/gatepost/key.pem\"\n", "", "listener.tls: [::]:587 needs a certificate", "add a [tls] section"),
    ("key = \"/etc/gatepost/key.pem\"", "key = \"key.pem\"\n[[tls.more]]\ncertificate = \"other.pem\"", "tls.more.key is missing", "add key ="),
    ("hold = true", "", "route: it needs exactly one action", "set one of smarthost"),
    ("hold = true", "hold = true\ncapture = true", "route: it needs exactly one action", "set one of smarthost"),
    ("hold = true", "hold = \"yes\"", "route.hold: this is a string", "true or false, without quotes"),
    ("hold = true", "hold = true\nca = \"x.pem\"", "route.ca: this route has no smarthost", "remove the option"),
    ("\"smtp.example.net:587\"", "\"smtp.example.net\"", "route.smarthost: \"smtp.example.net\" is not host:port", "\"host:port\" or a list"),
    ("\"smtp.example.net:587\"", "587", "route.smarthost: this is an integer", "\"host:port\" or a list"),
    ("password_file = \"next.secret\"", "password_file = \"next.secret\", layer = \"integrity\"", "route.auth.layer: SCRAM-SHA-256 has no security layer", "DIGEST-MD5 and GSSAPI have one"),
    ("password_file = \"next.secret\"", "password_file = \"next.secret\", layer = \"some\"", "route.auth.layer: \"some\" is not known", "one of \"none\", \"integrity\", \"confidentiality\""),
    ("auth = {", "tls = \"none\"\nca = \"x.pem\"\nauth = {", "route.ca: this route uses no TLS", "remove ca"),
    ("user = \"scans\", ", "", "route.auth.user is missing", "add user ="),
    ("password_file = \"next.secret\"", "password_file = \"next.secret\", token_file = \"t\"", "route.auth: it needs exactly one secret", "token_file ="),
    ("password_file = \"next.secret\"", "token_file = \"t\"", "route.auth.mechanism: SCRAM-SHA-256 does not use route.auth.token_file", "OAUTHBEARER and XOAUTH2 take"),
    ("password_file = \"next.secret\"", "certificate = \"c.pem\", key = \"k.pem\"", "route.auth.mechanism: SCRAM-SHA-256 does not use route.auth.key", "EXTERNAL a certificate and key alone"),
    ("mechanism = \"scram-sha-256\"", "mechanism = \"external\"", "route.auth.mechanism: EXTERNAL does not use route.auth.password_file", "EXTERNAL a certificate"),
    ("password_file = \"next.secret\"", "password_file = \"next.secret\", key = \"k.pem\"", "route.auth.key: whose key it is, is missing", "add certificate ="),
    ("auth = { mechanism = \"scram-sha-256\", user = \"scans\", password_file = \"next.secret\" }", "tls = \"none\"\nauth = { certificate = \"c.pem\" }", "route.auth.certificate: it is shown in TLS", "set tls = \"starttls\""),
    ("[tls]", "[[token_issuer]]\nissuer = \"http://login.example.com\"\naudience = \"mail\"\n[tls]", "only a loopback address can be asked without TLS", "an https URL"),
    ("[tls]", "[[token_issuer]]\nissuer = \"login.example.com\"\naudience = \"mail\"\n[tls]", "token_issuer.issuer:", "an https URL"),
    ("[tls]", "[[token_issuer]]\nissuer = \"https://a.example\"\n\n[tls]", "token_issuer.audience is missing", "add audience ="),
    ("[tls]", "[[token_issuer]]\nissuer = \"https://a.example\"\naudience = []\n[tls]", "token_issuer.audience: the list is empty", "audience = "),
    ("[tls]", "[[token_issuer]]\nissuer = \"https://a.example\"\naudience = \"mail\"\nclock_skew = \"5m\"\n[tls]", "token_issuer.clock_skew: more than a minute", "NTP"),
    ("[tls]", "[[token_issuer]]\nissuer = \"https://a.example\"\naudience = \"mail\"\nkeys = \"k\"\nkeys_url = \"https://k.example\"\n[tls]", "token_issuer.keys_url: the keys are in a file already", "remove keys"),
    ("[tls]", "[[token_issuer]]\nissuer = \"https://a.example\"\naudience = \"mail\"\nintrospection = { client_id = \"x\" }\n[tls]", "token_issuer.introspection.client_secret_file is missing", "add client_secret_file ="),
    ("[tls]", "[[token_issuer]]\nissuer = \"https://a.example\"\naudience = \"mail\"\n[[token_issuer]]\nissuer = \"https://a.example\"\naudience = \"mail\"\n[tls]", "token_issuer.issuer: \"https://a.example\" is used twice", "one [[token_issuer]]"),
    ("password_file = \"next.secret\"", "password = \"hunter2\"", "there is no option password in route.auth", "known here"),
    ("mechanism = \"scram-sha-256\"", "mechanism = \"scram-sha-3\"", "route.auth.mechanism: \"scram-sha-3\" is not known", "one of"),
    ("[limits]", "[limit]", "there is no option limit at the top of the file", "did you mean limits?"),
    ("\"100 MiB\"", "\"100 MB\"", "limits.message_size: \"100 MB\" has no unit", "\"50 MiB\""),
    ("\"10m\"", "600", "limits.command_timeout: this is an integer", "\"90s\""),
    ("\"10m\"", "\"10 minutes\"", "limits.command_timeout", "\"90s\""),
    ("[limits]", "[limits]\nconnections = 0", "limits.connections: 0 is out of range", "greater than 0"),
    ("[limits]", "[limits]\nhostname = \"x\"", "there is no option hostname in limits", "belongs at the top of the file"),
    ("[limits]", "[retry]\nfirst = \"2h\"\n[limits]", "retry.first: it is longer than retry.longest", "the shorter of the two"),
    ("[[route]]", "[route]", "this is not TOML", "sections begin with"),
    ("hostname = \"submit.example.com\"", "hostname = submit", "gatepost.toml:1:12: this is not TOML", "in quotes"),
    ("hostname", "data = \"x\"\nhostname", "this is not TOML: duplicate key", "in quotes"),
];

/// T-08: each bad file is refused, naming the option (with its place) and the remedy.
#[test]
fn bad_files_are_refused_by_name_and_remedy() {
    for (from, to, what, next) in BAD_FILES {
        let error = load(&with(from, to))
            .err()
            .unwrap_or_else(|| panic!("accepted: {to}"));
        assert!(error.contains(what), "{to}: {error}");
        assert!(error.contains(next), "{to}: {error}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_in_order() {
    let error = load("data = 1\nhttp = 2\n").unwrap_err();
    let places: Vec<usize> = ["hostname is missing", "data: this", "http: this"]
        .iter()
        .map(|text| {
            error
                .find(text)
                .unwrap_or_else(|| panic!("{text}: {error}"))
        })
        .collect();
    assert!(places.is_sorted(), "{error}");
}

#[test]
fn a_wrong_password_in_the_file_is_not_shown_back() {
    let error = load(&with(
        "password_file = \"next.secret\"",
        "password = \"hunter2\"",
    ))
    .unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}

/// What to replace in the working file, by what; the advice it must draw.
#[rustfmt::skip] // one row per case
const FOOLISH_FILES: &[(&str, &str, &str)] = &[
    ("submit.example.com", "submit", "hostname: submit is not fully qualified"),
    ("/var/lib/gatepost", "/tmp/gatepost", "does not survive a restart"),
    ("/var/lib/gatepost", "/proc/gatepost", "has 0 MiB free, and the queue grows by 64 MiB"),
    ("tls = \"starttls\"", "tls = \"none\"", "only mechanisms that hide the password"),
    ("tls = \"starttls\"", "tls = \"starttls-optional\"", "lets mail pass in clear text"),
    ("tls = \"implicit\"", "tls = \"starttls\"", "expect implicit TLS on port 465"),
    ("tls = \"starttls\"", "tls = \"implicit\"", "expect STARTTLS on port 587"),
    ("recipient_domain = \"example.org\"", "", "number 1 takes everything"),
    ("smarthost = [", "sender = \"*\"\nsmarthost = [", "mail that no route takes is held"),
    ("auth = {", "tls = \"none\"\nauth = {", "crosses the network in clear text"),
    ("smtp.example.net:587", "smtp.example.net:465", "probably expects implicit TLS"),
    ("smtp.example.net:587", "localhost:587", "is one of our own listeners"),
    ("smtp.example.net:587", "192.168.7.1:25", "is one of our own listeners"),
    ("\"smtp.example.net:587\", \"[2001:db8::1]:587\"", "\"smtp.example.net:25\"", "port 25 is for servers"),
    ("\"10m\"", "\"1m\"", "limits.command_timeout: less than"),
    ("[accounts]", "[accounts]\ndigest_realms = [\"example.com\"]", "accounts.digest_realms: no listener offers DIGEST-MD5"),
    ("tls = \"starttls\"", "name = \"front\"\nmechanisms = [\"default\", \"digest-md5\"]", "listener front: digest-md5 is offered on legacy listeners only"),
    ("[limits]", "[retry]\ngive_up = \"2h\"\n[limits]", "retry.give_up: less than a day"),
    ("fullchain.pem", "/nonexistent/fullchain.pem", "tls.certificate: /nonexistent/fullchain.pem cannot be read"),
];

#[test]
fn legal_but_foolish_settings_draw_advice() {
    for (from, to, what) in FOOLISH_FILES {
        let advice = check::advice(&load(&with(from, to)).unwrap());
        let told: Vec<&str> = advice.iter().map(|advice| advice.what.as_str()).collect();
        assert!(
            told.iter().any(|text| text.contains(what)),
            "{to}: {told:?}"
        );
        for text in told {
            // An option as the manual has it; a listener has its name behind.
            let named = text.split([':', ' ']).next().unwrap();
            assert!(OPTIONS.iter().any(|it| it.path() == named), "{text}");
        }
    }
}

#[test]
fn issuers_of_tokens_are_read_with_their_defaults() {
    let text = r#"
hostname = "submit.example.com"
data = "/var/lib/gatepost"
[tls]
certificate = "c.pem"
key = "k.pem"
[[listener]]
address = "[::]:587"
reached_as = ["mail.example.com:587", "smtp.example.com:2587"]
[[token_issuer]]
issuer = "https://login.example.com/tenant"
audience = ["mail", "https://mail.example.com"]
[[token_issuer]]
issuer = "http://127.0.0.1:9000"
audience = "mail"
scope = "smtp"
account_claim = "username"
clock_skew = "5s"
keys = "keys.json"
introspection = { endpoint = "http://127.0.0.1:9000/i", client_id = "gatepost", client_secret_file = "secret" }
[[route]]
smarthost = "smtp.example.net:587"
auth = { mechanism = "xoauth2", user = "scans@example.com", token_file = "token" }
"#;
    let config = parse(Path::new("/etc/gatepost/gatepost.toml"), text).unwrap();
    assert_eq!(config.listeners[0].reached_as[1].port, 2587);
    let [first, second] = config.token_issuers.as_slice() else {
        panic!("{:?}", config.token_issuers);
    };
    assert_eq!(first.audience, ["mail", "https://mail.example.com"]);
    assert_eq!(
        (first.account_claim.as_str(), first.clock_skew),
        ("email", MAX_CLOCK_SKEW)
    );
    assert_eq!(first.keys, KeySource::Discovered);
    assert_eq!(
        (second.scope.as_slice(), second.clock_skew),
        (&["smtp".to_owned()][..], Duration::from_secs(5))
    );
    let keys = Path::new("/etc/gatepost/keys.json").to_owned();
    assert_eq!(second.keys, KeySource::File(keys));
    let introspection = second.introspection.as_ref().unwrap();
    assert_eq!(introspection.endpoint.as_ref().unwrap().target, "/i");
    let RouteAction::Smarthost(smarthost) = &config.routes[0].action else {
        panic!("a smarthost");
    };
    let secret = &smarthost.auth.as_ref().unwrap().secret;
    let token = Path::new("/etc/gatepost/token").to_owned();
    assert_eq!(*secret, SecretFile::Token(token));
    let advice = check::advice(&config);
    for word in ["a token of any scope", "asked without TLS"] {
        assert!(
            advice.iter().any(|it| it.what.contains(word)),
            "{word}: {advice:?}"
        );
    }
}

#[test]
fn a_certificate_proves_alone_or_stands_beside_a_secret() {
    let auth = |line: &str| {
        let text = with(
            "auth = { mechanism = \"scram-sha-256\", user = \"scans\", password_file = \"next.secret\" }",
            &format!("auth = {{ {line} }}"),
        );
        let config = parse(Path::new("/etc/gatepost/gatepost.toml"), &text).unwrap();
        let mut smarthosts = config
            .routes
            .iter()
            .filter_map(|route| match &route.action {
                RouteAction::Smarthost(smarthost) => smarthost.auth.clone(),
                _ => None,
            });
        smarthosts.next_back().unwrap()
    };
    let files = |certificate: &str, key: &str| CertificateFiles {
        certificate: Path::new("/etc/gatepost").join(certificate),
        key: Path::new("/etc/gatepost").join(key),
    };
    let alone = auth("mechanism = \"external\", certificate = \"c.pem\", key = \"k.pem\"");
    assert_eq!(
        alone.secret,
        SecretFile::Certificate(files("c.pem", "k.pem"))
    );
    assert_eq!(alone.shown(), Some(&files("c.pem", "k.pem")));
    assert_eq!((alone.user.as_str(), alone.certificate), ("", None));
    let one_file = auth("certificate = \"both.pem\"");
    assert_eq!(one_file.shown(), Some(&files("both.pem", "both.pem")));
    let beside =
        auth("user = \"scans\", password_file = \"p\", certificate = \"c.pem\", key = \"k.pem\"");
    assert!(matches!(beside.secret, SecretFile::Password(_)));
    assert_eq!(beside.shown(), Some(&files("c.pem", "k.pem")));
}
