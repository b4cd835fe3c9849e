//! The web pages and the API of a whole server, over real connections.

mod api;
#[cfg(feature = "peer-tests")]
mod browser;
mod client;
mod fence;
mod shown;
mod site;
mod tokens;
