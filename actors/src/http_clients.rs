//! HTTP clients: to whom they connect, and how they are made.

use reqwest::{Client, ClientBuilder, Url};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What llmx calls itself to servers.
pub(crate) const AGENT: &str = concat!("llmx/", env!("CARGO_PKG_VERSION"));

/// Clients, made when first needed: certificate roots take tens of milliseconds to load, and a server on this machine
/// needs none.
#[derive(Default)]
pub(crate) struct Clients {
    local: OnceLock<Client>,
    plain: OnceLock<Client>,
    tls: OnceLock<Client>,
}

impl Clients {
    /// The one that is meant for this URL; the text says why there is none.
    pub(crate) fn reaching(&self, url: &str) -> Result<Client, String> {
        let (slot, make): (_, fn() -> Result<Client, String>) = match Url::parse(url) {
            Ok(url) if url.scheme() == "https" => (&self.tls, tls_client),
            Ok(url) if is_this_machine(&url) => (&self.local, local_client),
            _ => (&self.plain, plain_client),
        };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let client = make()?;
        Ok(slot.get_or_init(|| client).clone())
    }
}

/// A proxy is for the world outside; what it calls this machine is its own.
fn local_client() -> Result<Client, String> {
    built(builder_with(without_roots()?).no_proxy())
}

fn plain_client() -> Result<Client, String> {
    built(builder_with(without_roots()?))
}

fn tls_client() -> Result<Client, String> {
    use rustls_platform_verifier::BuilderVerifierExt;
    let config = rustls_config()?.with_platform_verifier().map_err(|e| e.to_string())?;
    built(builder_with(config.with_no_client_auth()))
}

/// Whether a URL leads to this machine, whatever the network does.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Loading certificate roots takes long, and plain HTTP asks for none.
fn without_roots() -> Result<rustls::ClientConfig, String> {
    Ok(rustls_config()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// The provider is named here rather than installed for the whole process, which belongs to the host application.
fn rustls_config() -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())
}

/// No redirects: a request carries a key and a conversation, which go where the user said and nowhere else.
fn builder_with(tls: rustls::ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
}

fn built(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|e| with_causes(&e))
}

/// The error without what a URL holds besides the address: the query may be a key, the user a password.
pub(crate) fn without_secrets(mut error: reqwest::Error) -> reqwest::Error {
    if let Some(url) = error.url_mut() {
        url.set_query(None);
        // Only a URL without a host cannot have these, and then it has none.
        let _ = (url.set_username(""), url.set_password(None));
    }
    error
}

/// An error with its causes: reqwest's own words stop at "error sending request".
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
