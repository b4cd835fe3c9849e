//! What a caller says about an authentication: who, by what, and in which form.

use gatepost_sasl::{ClientParams, DigestMd5Session, LayerPolicy, LayerStrength, Mechanism, Needs};

/// How to prove who we are. The secret itself is asked for when a mechanism needs it.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Whose credentials.
    pub authcid: String,
    /// Whom to act as; `None` = as ourselves.
    pub authzid: Option<String>,
    /// What there is to prove it with.
    pub means: Means,
    /// The server's host name as the user knows it.
    pub host: String,
    /// The server's port, if it is to be told: OAUTHBEARER does.
    pub port: Option<u16>,
    /// Which mechanism.
    pub choice: MechanismChoice,
    /// Use the mechanism of [`MechanismChoice::Only`] even if the server does not offer it: some hide AUTH from some networks (LS-32).
    pub assume_offered: bool,
    /// What to put on the AUTH line.
    pub initial_response: InitialResponsePolicy,
    /// One for each attempt, drawn by the driver from a CSPRNG: at least 128 bits each, printable ASCII without `,`. Their number is
    /// the most attempts that are made.
    pub nonces: [String; Self::ATTEMPTS],
    /// Fewest iterations of a key derivation to accept.
    pub min_iterations: u32,
    /// Most iterations to accept: the server chooses them, we pay.
    pub max_iterations: u32,
    /// Which security layers to agree on. Inside TLS none, unless one is demanded; then only mechanisms that can have one are used.
    pub layers: LayerPolicy,
    /// The realm to authenticate in; `None` = the domain of the user name if the server offers it, else the first it offers.
    pub realm: Option<String>,
    /// The memory of DIGEST-MD5's exchanges with this server, by which the next one is shorter.
    pub digest_md5_session: Option<DigestMd5Session>,
}

impl Authentication {
    /// Whether nothing but a certificate shown in TLS can prove it.
    pub(super) fn wants_certificate(&self) -> bool {
        let chosen = match self.choice {
            MechanismChoice::Only(mechanism) => mechanism.needs == Needs::Certificate,
            MechanismChoice::Strongest | MechanismChoice::AtLeast(_) => false,
        };
        chosen || self.means == Means::Certificate
    }

    /// Most attempts of one authentication.
    pub const ATTEMPTS: usize = 5;

    /// By the strongest mechanism, as oneself.
    pub fn new(
        authcid: impl Into<String>,
        host: impl Into<String>,
        nonces: [String; Self::ATTEMPTS],
    ) -> Self {
        let (authcid, host) = (authcid.into(), host.into());
        let bounds = ClientParams::new("", "", "");
        Self {
            authcid,
            authzid: None,
            means: Means::default(),
            host,
            port: None,
            choice: MechanismChoice::Strongest,
            assume_offered: false,
            initial_response: InitialResponsePolicy::default(),
            nonces,
            min_iterations: bounds.min_iterations,
            max_iterations: bounds.max_iterations,
            layers: LayerPolicy::ANY,
            realm: None,
            digest_md5_session: None,
        }
    }

    /// Whether a connection without a layer is not good enough.
    pub(super) fn demands_layer(&self) -> bool {
        self.layers.least > LayerStrength::None
    }
}

/// What there is to prove an identity with; says which mechanisms can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Means {
    /// A password.
    #[default]
    Password,
    /// A bearer token.
    Token,
    /// A Kerberos ticket.
    Ticket,
    /// The certificate that was shown in TLS.
    Certificate,
    /// Nothing: a guest's trace is no proof. Only who asks for it gets ANONYMOUS.
    Nothing,
}

impl Means {
    /// Whether the mechanism can do with it.
    pub(super) fn fit(self, mechanism: &Mechanism) -> bool {
        match self {
            Self::Password => mechanism.proves_password(),
            Self::Token => mechanism.needs == Needs::Token,
            Self::Ticket => mechanism.needs == Needs::PassThrough,
            Self::Certificate => mechanism.needs == Needs::Certificate,
            Self::Nothing => mechanism.needs == Needs::Nothing,
        }
    }
}

/// Which mechanism to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MechanismChoice {
    /// The strongest that is offered and that the channel may carry.
    Strongest,
    /// The strongest, but none weaker than this one: what a server is known to offer, it is not let off (T-17).
    AtLeast(&'static Mechanism),
    /// This one, or fail.
    Only(&'static Mechanism),
}

/// What to put on the AUTH line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialResponsePolicy {
    /// The first message, where it is standard and the line stays within 512 octets (AUTH-14).
    #[default]
    WhenItFits,
    /// As `WhenItFits`, and also the user name of LOGIN, which is an extension (LOG-05).
    Eager,
    /// As `WhenItFits`, and also when the line becomes longer than 512 octets.
    Long,
    /// Nothing.
    Withheld,
}
