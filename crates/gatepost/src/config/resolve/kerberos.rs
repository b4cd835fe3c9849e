//! `[kerberos]`: whose tickets are accepted, and with which keys.

use super::super::raw::{Placed, Table};
use super::super::resolved::{Kerberos, KerberosRealm};
use super::{Resolver, is_host_name};

impl Resolver<'_> {
    pub(super) fn kerberos(&mut self, top: &Table<'_>) -> Option<Kerberos> {
        let table = top.table("kerberos", "kerberos", self.faults)?;
        let keytab = table.path("keytab", self.base, self.faults);
        let principal = table.text("principal", self.faults);
        if let Some(Placed { value, span }) = &principal
            && !is_principal(value)
        {
            self.fault(
                span,
                format!("kerberos.principal: {value:?} is not a principal of the service smtp"),
                "write smtp/ and the name clients connect to, for example principal = \"smtp/submit.example.com\"",
            );
        }
        let mut realms: Vec<KerberosRealm> = Vec::new();
        for table in &table.tables("realm", "kerberos.realm", self.faults) {
            let Some(realm) = self.kerberos_realm(table) else {
                continue;
            };
            if realms.iter().any(|other| other.name == realm.name) {
                self.fault(
                    &table.span,
                    format!("kerberos.realm: {:?} stands here twice", realm.name),
                    "one domain per realm: keep one of the two",
                );
            }
            realms.push(realm);
        }
        Some(Kerberos {
            keytab: keytab?.value,
            principal: principal.map(|it| it.value),
            realms,
        })
    }

    fn kerberos_realm(&mut self, table: &Table<'_>) -> Option<KerberosRealm> {
        let name = table.text("name", self.faults);
        let domain = table.text("domain", self.faults);
        if let Some(Placed { value, span }) = domain.as_ref().filter(|it| !is_host_name(&it.value))
        {
            self.fault(
                span,
                format!("kerberos.realm.domain: {value:?} is not a domain"),
                "write the domain of the accounts, without @, for example domain = \"example.com\"",
            );
        }
        Some(KerberosRealm {
            name: name?.value,
            domain: domain.map(|it| it.value),
        })
    }
}

/// `smtp/host`, with or without a realm.
fn is_principal(text: &str) -> bool {
    let (service, realm) = text
        .split_once('@')
        .map_or((text, None), |(service, realm)| (service, Some(realm)));
    let host = service.strip_prefix("smtp/");
    host.is_some_and(is_host_name) && realm != Some("")
}
