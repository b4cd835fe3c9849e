//! Gatepost and real programs of others: as its clients, and as the servers it delivers to.
//!
//! `./test` installs the programs and builds the roots of the servers first (`peers/README.md`). A peer that does not start fails the
//! test; nothing is skipped. Each combination that passes is a line of the table that `./test` prints.

mod certificate;
mod clients;
mod corpus;
mod dovecot_hashes;
mod haproxy;
mod issuer;
mod kerberos;
mod oauth;
mod probe;
mod sasl;
mod send;
mod server_peer;
mod smarthost;
mod uses;
mod wishes;
