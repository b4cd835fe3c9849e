//! Every option of the configuration file, defined once: its table, key, kind, default, meaning and first version.
//!
//! The parser accepts exactly what stands here, its error texts come from here, and so do the reference page and the advice of
//! `gatepost check`.

use gatepost_sasl::mechanism;

/// One option.
#[derive(Debug)]
pub struct ConfigOption {
    /// The table it stands in: empty for the top of the file, `listener` for `[[listener]]`, `route.auth` for its inline table.
    pub table: &'static str,
    /// The key.
    pub key: &'static str,
    /// What may be written.
    pub kind: Kind,
    /// What holds when it is absent.
    pub default: Absent,
    /// A value as one would write it, in TOML.
    pub example: &'static str,
    /// What it does, one or two sentences.
    pub text: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// What may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// A list of such words.
    Words(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of SASL mechanisms by name, in any case, and of the word for those of a listener without such a list.
    Mechanisms,
    /// A path; a relative one starts at the directory of the configuration file.
    Path,
    /// An IP address and a port.
    Address,
    /// A list of networks in CIDR notation.
    Networks,
    /// `true` or `false`.
    Truth,
    /// `host:port`, or a list of them.
    HostPorts,
    /// A whole number.
    Count,
    /// A number of octets: a whole number, or a text such as `"50 MiB"`.
    Size,
    /// A text such as `"90s"`, `"5m"`, `"2h"` or `"5d"`.
    Time,
    /// A table with options of its own.
    Table,
    /// A list of tables with options of their own.
    Tables,
}

/// What holds when an option is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It must not be absent.
    Refused,
    /// Nothing: what the option would add is not there.
    Nothing,
    /// This value, in TOML.
    Value(&'static str),
}

impl ConfigOption {
    /// The option as people refer to it: `listener.tls`, or the key alone at the top of the file.
    pub fn path(&self) -> String {
        if self.table.is_empty() {
            self.key.to_owned()
        } else {
            format!("{}.{}", self.table, self.key)
        }
    }
}

impl Kind {
    /// What may be written, in words that follow "must be".
    pub fn expectation(self) -> String {
        match self {
            Self::Text => "a text in quotes".into(),
            Self::Word(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Words(words) => format!("a list of \"{}\"", words.join("\", \"")),
            Self::Texts => "a list of texts in quotes".into(),
            Self::Mechanisms => format!("a list of \"{}\"", mechanism_names().join("\", \"")),
            Self::Path => "a path in quotes".into(),
            Self::Address => "an IP address and a port in quotes".into(),
            Self::Networks => "a list of networks in quotes".into(),
            Self::Truth => "true or false, without quotes".into(),
            Self::HostPorts => "\"host:port\" or a list of them".into(),
            Self::Count => "a whole number greater than 0".into(),
            Self::Size => "a number of octets, or a text such as \"50 MiB\"".into(),
            Self::Time => "a text such as \"90s\", \"5m\", \"2h\" or \"5d\"".into(),
            Self::Table => "a table".into(),
            Self::Tables => "a list of tables, written [[like-this]]".into(),
        }
    }
}

/// In a list of mechanisms: those of a listener that has no such list.
pub(super) const DEFAULT_MECHANISMS: &str = "default";

fn mechanism_names() -> Vec<String> {
    let all = mechanism::ALL.iter();
    let all = all.map(|mechanism| mechanism.name.to_ascii_lowercase());
    std::iter::once(DEFAULT_MECHANISMS.to_owned())
        .chain(all)
        .collect()
}

/// The option of this table and key.
pub fn find(table: &str, key: &str) -> Option<&'static ConfigOption> {
    OPTIONS
        .iter()
        .find(|option| option.table == table && option.key == key)
}

const fn option(
    table: &'static str,
    key: &'static str,
    kind: Kind,
    default: Absent,
    example: &'static str,
    text: &'static str,
) -> ConfigOption {
    ConfigOption {
        table,
        key,
        kind,
        default,
        example,
        text,
        since: "0.1",
    }
}

use Absent::{Nothing, Refused, Value};

/// All options, in the order of the reference page.
#[rustfmt::skip] // one row per option reads as the table it is
pub static OPTIONS: &[ConfigOption] = &[
    option("", "hostname", Kind::Text, Refused, "\"submit.example.com\"", "The name of this server: in its greeting, in Received fields, in message ids. Its certificate should be for this name."),
    option("", "data", Kind::Path, Refused, "\"/var/lib/gatepost\"", "Directory of accounts, queue and keys. Only the user that runs Gatepost should be able to read it. The queue grows by 64 MiB at a time."),
    option("", "http", Kind::Address, Nothing, "\"127.0.0.1:2580\"", "Loopback address of the web pages, the API, /healthz and /metrics. Off when absent."),
    option("", "listener", Kind::Tables, Refused, "", "An address to accept submission on. At least one."),
    option("", "client_certificate", Kind::Tables, Nothing, "", "Whose a TLS client certificate is: an account, and one of key_sha256, email, dns and subject. Mechanism EXTERNAL is offered on a connection whose certificate has an owner, and no other account can authenticate there. Several rules may name one account."),
    option("", "tls", Kind::Table, Nothing, "", "Certificate and key. Required as soon as one listener uses TLS."),
    option("", "accounts", Kind::Table, Nothing, "", "What is kept for accounts."),
    option("", "kerberos", Kind::Table, Nothing, "", "Kerberos V5. With it the mechanism GSSAPI is offered, and a ticket proves an account. Needs the package libgssapi-krb5-2. A change takes a restart; a new key in the keytab does not."),
    option("", "token_issuer", Kind::Tables, Nothing, "", "Whose OAuth access tokens open accounts here, by OAUTHBEARER and XOAUTH2 over TLS."),
    option("", "route", Kind::Tables, Nothing, "", "Where mail goes. The first route whose conditions all hold wins; mail that no route takes is held."),
    option("", "submission", Kind::Table, Nothing, "", "What is completed in messages that old programs and devices send unfinished."),
    option("", "limits", Kind::Table, Nothing, "", "Bounds of what peers may use."),
    option("", "retry", Kind::Table, Nothing, "", "When a failed delivery is tried again."),

    option("listener", "name", Kind::Text, Nothing, "\"office\"", "Its name in logs and metrics. The address when absent."),
    option("listener", "address", Kind::Address, Refused, "\"[::]:587\"", "Where to listen. [::] also serves IPv4."),
    option("listener", "tls", Kind::Word(&["starttls", "starttls-optional", "implicit", "none"]), Value("\"starttls\""), "\"implicit\"", "How TLS begins. \"starttls\" requires it before MAIL and AUTH; \"starttls-optional\" lets mail, but no password, pass in clear text; \"implicit\" is TLS from the first byte (port 465); \"none\" is clear text only."),
    option("listener", "tls_versions", Kind::Word(&["1.0", "1.1", "1.2", "1.3"]), Value("\"1.2\""), "\"1.0\"", "The oldest version of TLS that is spoken here. \"1.0\" and \"1.1\" are for devices that know nothing newer: only with profile = \"legacy\", networks, and a certificate and key of this listener's own. They go through the system's OpenSSL, which the packages of Gatepost have built in (feature legacy-tls). SSL 3.0, RC4 and 3DES exist nowhere any more."),
    option("listener", "certificate", Kind::Path, Nothing, "\"/etc/gatepost/old-devices.pem\"", "PEM file of the certificate of a listener with TLS 1.0 or 1.1. Its key must not be that of another certificate: what old TLS gives away of a key would count against all. Old devices want RSA with 2048 bits and SHA-256."),
    option("listener", "key", Kind::Path, Nothing, "\"/etc/gatepost/old-devices.key\"", "PEM file of its private key."),
    option("listener", "profile", Kind::Word(&["submission", "legacy"]), Value("\"submission\""), "\"legacy\"", "\"legacy\" is for old devices on a trusted network: passwords and CRAM-MD5 in clear text, for legacy credentials only. It needs networks."),
    option("listener", "networks", Kind::Networks, Value("[]"), "[\"192.168.7.0/24\"]", "Peers that are served; all others get one refusal. Everyone when empty."),
    option("listener", "tolerate", Kind::Words(&["auth-equals-line", "line-feed-end-of-data", "authzid-without-authcid"]), Value("[]"), "[\"auth-equals-line\"]", "What old clients need besides what the profile tolerates. \"auth-equals-line\" announces mechanisms as AUTH=PLAIN as well, for Outlook up to 2003; \"line-feed-end-of-data\", on legacy listeners only, lets LF.LF end a message that has LF alone throughout; \"authzid-without-authcid\", on legacy listeners only, takes the name that old PHP programs write in the wrong place of a PLAIN message."),
    option("listener", "plus_on_tls12", Kind::Truth, Value("false"), "true", "Offer the SCRAM mechanisms that bind to the TLS connection (-PLUS) on TLS 1.2 as well; on TLS 1.3 they always are. Most clients would bind to TLS 1.2 by a property (tls-unique) that this server cannot compute, and fail. Clients of TLS 1.2 without the extended master secret (RFC 7627) are then refused."),
    option("listener", "proxy", Kind::Networks, Value("[]"), "[\"10.0.0.5/32\"]", "Proxies in front of this listener. With it, every connection must come from one of these networks and begin with a PROXY protocol header (version 1 or 2), and the address in it is the client's. Without it, no header is understood."),
    option("listener", "proxy_tls_trust", Kind::Truth, Value("false"), "true", "The proxy ends TLS: what its header (version 2) says of the client's TLS counts as TLS here. The way from the proxy must be as safe as TLS. Not with tls = \"implicit\"."),
    option("listener", "require_auth", Kind::Truth, Value("true"), "true", "Refuse mail before authentication. This version serves authenticated sessions only, so only true is accepted."),
    option("listener", "mechanisms", Kind::Mechanisms, Nothing, "[\"default\", \"digest-md5\"]", "The only SASL mechanisms of this listener; each is still offered only where it can succeed, what shows the password only inside TLS or on legacy listeners, and cram-md5 and digest-md5 only on legacy listeners. \"default\" stands for what a listener without this list has: all of them but digest-md5 and anonymous, which must be named."),
    option("listener", "client_certificates", Kind::Truth, Value("false"), "true", "Ask clients for a TLS certificate. Those that have none, or one without a [[client_certificate]] rule, go on without."),
    option("listener", "client_ca", Kind::Path, Nothing, "\"devices-ca.pem\"", "PEM file of the authorities that sign clients' certificates: names in a certificate count only with it. Asks for certificates as well."),
    option("listener", "anonymous_account", Kind::Text, Nothing, "\"dropbox@example.com\"", "The account that guests act for, where mechanisms names \"anonymous\". What they submit goes from and to the addresses of this account, and nowhere else."),
    option("listener", "sasl_layers", Kind::Word(&["auto", "never", "always"]), Value("\"auto\""), "\"never\"", "Where clients may agree on a SASL security layer, which signs or encrypts all that follows authentication: \"auto\" in clear text only, \"always\" inside TLS as well, \"never\" nowhere."),
    option("listener", "sasl_weak_ciphers", Kind::Truth, Value("false"), "true", "Offer such layers with DES and with RC4 of 40 and 56 bits as well, which a home computer searches through. Without it, 3DES and RC4 of 128 bits."),
    option("listener", "reached_as", Kind::HostPorts, Nothing, "[\"mail.example.com:587\", \"smtp.example.com:587\"]", "The names and ports by which clients reach this listener, aliases and forwarded ports included. A client that says in OAUTHBEARER that it talks to another one is refused. Not looked at when absent."),

    option("client_certificate", "account", Kind::Text, Refused, "\"scans@example.com\"", "The account whose certificate it is."),
    option("client_certificate", "key_sha256", Kind::Text, Nothing, "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"", "SHA-256 of the certificate's public key (SubjectPublicKeyInfo), in hexadecimal. It needs no authority: the certificate may have signed itself. The log shows it for a certificate without an owner."),
    option("client_certificate", "email", Kind::Text, Nothing, "\"scans@example.com\"", "An e-mail address among the subject alternative names, exactly as it stands there. Only certificates signed by client_ca of the listener."),
    option("client_certificate", "dns", Kind::Text, Nothing, "\"scanner.example.com\"", "A DNS name among the subject alternative names, exactly as it stands there. Only certificates signed by client_ca of the listener."),
    option("client_certificate", "subject", Kind::Text, Nothing, "\"CN=scanner,O=Example\"", "The subject as RFC 4514 writes it, last part first, exactly. Only certificates signed by client_ca of the listener."),


    option("tls", "certificate", Kind::Path, Refused, "\"/etc/gatepost/fullchain.pem\"", "PEM file: the certificate first, then its intermediates."),
    option("tls", "key", Kind::Path, Refused, "\"/etc/gatepost/key.pem\"", "PEM file of the private key."),
    option("tls", "more", Kind::Tables, Nothing, "", "Further certificates, each for the names it holds: a client that asks for one of them (SNI) gets it. Everyone else gets the first."),

    option("accounts", "scram", Kind::Words(&["sha-1", "sha-256", "sha-512"]), Value("[\"sha-1\", \"sha-256\", \"sha-512\"]"), "[\"sha-256\"]", "The hashes for which SCRAM keys are kept and SCRAM is offered. SHA-256 is always among them; SHA-1 is for clients that know no other. Keys for a hash that is taken out are forgotten at the next start; those for a new one are made when a password is set, or shown at a login, and the hash is offered when every account that can use SHA-256 has them."),
    option("accounts", "digest_realms", Kind::Texts, Nothing, "[\"example.com\"]", "The realms of DIGEST-MD5. When absent, the host name if a listener names digest-md5 among its mechanisms. With at least one, legacy credentials keep what it needs, sealed, and legacy listeners that name digest-md5 can offer it; without, that is forgotten at the next start. It is as good as the password there, so set it only for programs that know nothing better. Made when a password is set, or shown at a login."),
    option("accounts", "digest_nonce_time", Kind::Time, Nothing, "\"5m\"", "How long a client of DIGEST-MD5 may authenticate again by the nonce that it was given the first time, which saves a round trip (subsequent authentication, RFC 2831 §2.2). Never when absent, and never with a security layer: it gets a new nonce, and is told that its password is right."),

    option("kerberos", "keytab", Kind::Path, Refused, "\"/etc/gatepost/smtp.keytab\"", "File with the key of smtp/HOST@REALM, HOST being the name that clients connect to. Readable by Gatepost alone."),
    option("kerberos", "principal", Kind::Text, Nothing, "\"smtp/submit.example.com\"", "The only principal to accept tickets for. Every smtp/… of the keytab when absent."),
    option("kerberos", "realm", Kind::Tables, Nothing, "", "A realm whose tickets are accepted. When absent, those of the keytab's realm are, for the account NAME@realm in lower case or, if there is none, NAME."),

    option("kerberos.realm", "name", Kind::Text, Refused, "\"EXAMPLE.COM\"", "The realm, letter by letter. Only principals of one component count: alice@EXAMPLE.COM, not alice/admin@EXAMPLE.COM."),
    option("kerberos.realm", "domain", Kind::Text, Nothing, "\"example.com\"", "The domain of its users' accounts: alice@EXAMPLE.COM is alice@example.com. When absent, she is alice."),

    option("token_issuer", "issuer", Kind::Text, Refused, "\"https://login.example.com/tenant\"", "The issuer's identifier, exactly as in its tokens (iss). It is an https URL, and its metadata are found there; http for a loopback address only."),
    option("token_issuer", "audience", Kind::Texts, Refused, "\"mail\"", "A token must be for one of these (aud)."),
    option("token_issuer", "scope", Kind::Texts, Value("[]"), "\"smtp\"", "A token must have all of these scopes."),
    option("token_issuer", "account_claim", Kind::Text, Value("\"email\""), "\"preferred_username\"", "The claim that names the account. It must be one that users of the issuer cannot choose for themselves; an email that the issuer calls unverified is not taken."),
    option("token_issuer", "clock_skew", Kind::Time, Value("\"60s\""), "\"10s\"", "How far the issuer's clock may be from ours, at most 60s."),
    option("token_issuer", "keys", Kind::Path, Nothing, "\"issuer-keys.json\"", "File with the issuer's public keys (JWK set), where they cannot be fetched. It is read again when a token names another key."),
    option("token_issuer", "keys_url", Kind::Text, Nothing, "\"https://keys.example.com/jwks\"", "Where the issuer's public keys are, if its metadata do not say so or they are on another host than the issuer."),
    option("token_issuer", "introspection", Kind::Table, Nothing, "{ client_id = \"gatepost\", client_secret_file = \"issuer.secret\" }", "Ask the issuer about tokens that are no JWT (RFC 7662). A token it says nothing of the audience of must then have a scope."),
    option("token_issuer", "ca", Kind::Path, Nothing, "\"office-ca.pem\"", "PEM file of the private CA that signed the issuer's certificate. The system's roots when absent."),

    option("token_issuer.introspection", "endpoint", Kind::Text, Nothing, "\"https://login.example.com/introspect\"", "Where to ask. As the issuer's metadata say when absent."),
    option("token_issuer.introspection", "client_id", Kind::Text, Refused, "\"gatepost\"", "The name by which the issuer knows us."),
    option("token_issuer.introspection", "client_secret_file", Kind::Path, Refused, "\"issuer.secret\"", "File that holds our secret at the issuer and nothing else, readable by Gatepost alone."),

    option("tls.more", "certificate", Kind::Path, Refused, "\"/etc/gatepost/example.org.pem\"", "PEM file: the certificate first, then its intermediates."),
    option("tls.more", "key", Kind::Path, Refused, "\"/etc/gatepost/example.org.key\"", "PEM file of its private key."),

    option("route", "account", Kind::Text, Nothing, "\"*@example.com\"", "Condition: the account, a pattern in which * stands for anything."),
    option("route", "credential", Kind::Text, Nothing, "\"fax\"", "Condition: the credential that was proven, a pattern."),
    option("route", "sender", Kind::Text, Nothing, "\"*@example.com\"", "Condition: the envelope sender, a pattern; empty for the null sender of notices."),
    option("route", "recipient_domain", Kind::Text, Nothing, "\"example.org\"", "Condition: the domain of the recipient, a pattern."),
    option("route", "smarthost", Kind::HostPorts, Nothing, "\"smtp.example.net:587\"", "Action: hand the mail to this server. A list is tried in order."),
    option("route", "hold", Kind::Truth, Nothing, "true", "Action: queue the mail until it is released."),
    option("route", "capture", Kind::Truth, Nothing, "true", "Action: keep and show the mail, never send it."),
    option("route", "tls", Kind::Word(&["starttls", "implicit", "none"]), Value("\"starttls\""), "\"implicit\"", "TLS towards the smarthost. With TLS its certificate is verified, always."),
    option("route", "ca", Kind::Path, Nothing, "\"office-ca.pem\"", "PEM file of the private CA that signed the smarthost's certificate. The system's roots when absent."),
    option("route", "auth", Kind::Table, Nothing, "{ user = \"scans\", password_file = \"smarthost.secret\" }", "How to authenticate to the smarthost. Not at all when absent."),
    option("route", "send_auth_param", Kind::Word(&["auto", "never"]), Value("\"auto\""), "\"never\"", "AUTH= on MAIL towards the smarthost (RFC 4954). \"auto\" sends AUTH=<> after authentication, and leaves it out where the smarthost refuses it; \"never\" is for one that hangs up on it."),

    option("route.auth", "mechanism", Kind::Word(&["external", "oauthbearer", "xoauth2", "scram-sha-512-plus", "scram-sha-256-plus", "scram-sha-1-plus", "scram-sha-512", "scram-sha-256", "scram-sha-1", "gssapi", "digest-md5", "cram-md5", "plain", "login"]), Nothing, "\"scram-sha-256\"", "The only SASL mechanism to use. When absent, the strongest offered that fits the credential, and once the server let us in by one that hides the password (SCRAM), or binds to the connection (-PLUS), none that protects less: the file mechanism-pins in the data directory remembers."),
    option("route.auth", "user", Kind::Text, Nothing, "\"scans@example.com\"", "User name at the smarthost. A ticket_cache, and a certificate alone, do without: there it is whom to act as."),
    option("route.auth", "realm", Kind::Text, Nothing, "\"example.com\"", "The realm, for DIGEST-MD5. When absent, the domain of user if the smarthost offers it, else the first that it offers."),
    option("route.auth", "layer", Kind::Word(&["none", "integrity", "confidentiality"]), Nothing, "\"integrity\"", "The SASL security layer, which signs or encrypts all that follows authentication, for DIGEST-MD5 and GSSAPI: this one, or the attempt fails. When absent, the strongest that the smarthost offers in clear text, and none inside TLS."),
    option("route.auth", "password_file", Kind::Path, Nothing, "\"smarthost.secret\"", "File that holds the password and nothing else, readable by Gatepost alone."),
    option("route.auth", "token_file", Kind::Path, Nothing, "\"smarthost.token\"", "File that holds an OAuth access token and nothing else, for OAUTHBEARER and XOAUTH2. It is read again for every attempt, so that another program can keep it fresh. It goes to the smarthost over TLS only."),
    option("route.auth", "ticket_cache", Kind::Path, Nothing, "\"/run/gatepost/ticket\"", "File with a Kerberos credential cache, for GSSAPI, which another program keeps fresh (k5start, kinit). user is then whom to act as, and not needed. Needs the package libgssapi-krb5-2."),

    option("route.auth", "certificate", Kind::Path, Nothing, "\"client.pem\"", "PEM file with a client certificate, shown to the smarthost when it asks for one in TLS. Beside a password_file, token_file or ticket_cache it is for TLS alone. Without one of those it is what proves the user: by EXTERNAL, or, at a smarthost that offers no AUTH at all, by being shown; mechanism = \"external\" insists. When smarthost and certificate do not get along, mail waits."),
    option("route.auth", "key", Kind::Path, Nothing, "\"client.key\"", "PEM file with the private key of certificate, without a passphrase, readable by Gatepost alone. When absent, it is in the file of certificate. Both are read again for new connections."),

    option("submission", "complete_domain", Kind::Text, Nothing, "\"example.com\"", "Domain for addresses without one, in the envelope and in the header: \"scanner\" becomes scanner@example.com, and fax@office, of a single label, fax@office.example.com. When absent such addresses stay as they are, and are refused in the envelope."),
    option("submission", "missing_from", Kind::Word(&["refuse", "add"]), Nothing, "\"add\"", "What happens to a message without a From field. \"add\" gives it one from the envelope sender, or from the account. When absent, legacy listeners add it and all others refuse."),
    option("submission", "sender", Kind::Word(&["keep", "add"]), Value("\"keep\""), "\"add\"", "\"add\" names the first address of the account in a Sender field where From is another of its addresses. With several authors that is always done; a Sender that is not the account's is always removed."),

    option("limits", "connections", Kind::Count, Value("20000"), "5000", "Sessions at the same time, over all listeners."),
    option("limits", "connections_per_address", Kind::Count, Value("200"), "20", "Sessions at the same time from one address. Loopback peers are exempt."),
    option("limits", "connections_per_network", Kind::Count, Value("2000"), "500", "Sessions at the same time from one IPv4 /24 or IPv6 /64. Loopback peers are exempt."),
    option("limits", "failed_handshakes", Kind::Count, Value("300"), "50", "TLS handshakes from one address that may fail within ten minutes before its connections are turned away. Loopback peers and those that have authenticated are exempt."),
    option("limits", "message_size", Kind::Size, Value("\"64 MiB\""), "\"100 MiB\"", "Octets of the largest message accepted."),
    option("limits", "recipients", Kind::Count, Value("1000"), "100", "Recipients of one message."),
    option("limits", "command_timeout", Kind::Time, Value("\"5m\""), "\"10m\"", "How long a peer may leave a session without a command. RFC 5321 asks for at least five minutes."),
    option("limits", "handshake_timeout", Kind::Time, Value("\"60s\""), "\"30s\"", "How long a TLS handshake may take."),
    option("limits", "drain_timeout", Kind::Time, Value("\"30s\""), "\"60s\"", "How long sessions and delivery attempts get to finish when Gatepost stops."),

    option("retry", "first", Kind::Time, Value("\"1m\""), "\"5m\"", "Delay before the first retry. Each further one doubles it."),
    option("retry", "longest", Kind::Time, Value("\"1h\""), "\"2h\"", "The longest delay between two attempts."),
    option("retry", "warn_after", Kind::Time, Value("\"4h\""), "\"1h\"", "Age at which a sender is told, once, that a message has not been delivered yet."),
    option("retry", "give_up", Kind::Time, Value("\"5d\""), "\"2d\"", "Age at which a message goes back to its sender. RFC 5321 asks for four to five days."),
];

#[cfg(test)]
mod tests {
    use gatepost_sasl::mechanism::{ALL, by_name};

    use super::*;

    #[test]
    fn every_option_is_defined_once_and_in_a_table_that_exists() {
        for (place, option) in OPTIONS.iter().enumerate() {
            let path = option.path();
            assert!(
                OPTIONS[..place].iter().all(|other| other.path() != path),
                "{path} twice"
            );
            if let Some((table, key)) = split(option.table) {
                let parent = find(table, key).unwrap_or_else(|| panic!("{path}: no table"));
                assert!(matches!(parent.kind, Kind::Table | Kind::Tables), "{path}");
            }
            assert!(option.text.ends_with('.'), "{path}: a sentence");
        }
    }

    #[test]
    fn every_mechanism_with_a_password_can_be_chosen_for_a_smarthost() {
        let option = find("route.auth", "mechanism").unwrap();
        let Kind::Word(words) = option.kind else {
            panic!("words");
        };
        let mut chosen: Vec<_> = words.iter().filter_map(|word| by_name(word)).collect();
        assert_eq!(chosen.len(), words.len());
        chosen.retain(|mechanism| mechanism.proves_password());
        let all = ALL.iter().filter(|mechanism| mechanism.proves_password());
        assert_eq!(chosen.len(), all.count());
    }

    fn split(table: &str) -> Option<(&str, &str)> {
        (!table.is_empty()).then(|| table.rsplit_once('.').unwrap_or(("", table)))
    }
}
