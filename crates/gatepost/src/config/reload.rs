//! What a changed configuration means for a server that runs (pure).
//!
//! Most of it takes effect at once; what is named here holds from the next start only, and until then the server goes on with what it
//! has.

use super::resolved::Config;

/// Keeps of the running configuration what cannot change while the server runs. Gives the names of the options that wait for a restart.
pub fn keep_what_is_fixed(running: &Config, changed: &mut Config) -> Vec<&'static str> {
    let mut waiting = Vec::new();
    if changed.hostname != running.hostname {
        waiting.push("hostname");
        changed.hostname.clone_from(&running.hostname);
    }
    if changed.data != running.data {
        waiting.push("data");
        changed.data.clone_from(&running.data);
    }
    if changed.http != running.http {
        waiting.push("http");
        changed.http = running.http;
    }
    if changed.accounts != running.accounts {
        waiting.push("accounts");
        changed.accounts = running.accounts.clone();
    }
    if changed.kerberos != running.kerberos {
        waiting.push("kerberos");
        changed.kerberos.clone_from(&running.kerberos);
    }
    if changed.token_issuers != running.token_issuers {
        waiting.push("token_issuer");
        changed.token_issuers.clone_from(&running.token_issuers);
    }
    waiting
}
