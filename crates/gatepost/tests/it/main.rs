//! Tests of the program as a whole, in one binary.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod account_import;
mod account_verifiers;
mod accounts;
mod auth_fence;
mod auth_probes;
mod backup;
mod bad_input;
mod bench;
mod binding;
mod broken_parts;
mod channel;
mod child;
mod client_certificates;
mod client_examples;
mod command;
mod crash;
mod delivery;
mod dev;
mod dialogue;
mod digest_md5;
mod examples;
mod faults;
#[cfg(feature = "peer-tests")]
mod from_forms;
mod guides;
mod house;
mod init;
mod mail_cost;
mod old_tls;
#[cfg(feature = "peer-tests")]
mod package;
mod pages;
#[cfg(feature = "peer-tests")]
mod peer_table;
#[cfg(feature = "peer-tests")]
mod peers;
mod probe;
mod proxy;
mod queue_commands;
mod reference;
mod reload;
mod send;
mod sendmail;
mod server;
mod storage_collect;
mod storage_damage;
mod storage_draft;
mod storage_faults;
mod storage_histories;
mod storage_mail;
mod storage_model;
mod storage_queue;
mod storage_sim;
mod talk;
mod toy_protocol;
mod transcripts;
mod trust;
