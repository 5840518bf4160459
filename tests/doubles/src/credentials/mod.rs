//! A double of AWS IoT's credential provider, which gives devices temporary credentials for
//! their certificate.

mod identity;
mod provider;
mod request;

use std::{io, path::Path, sync::Arc, time::Duration};

use self::provider::Provider;
pub use self::request::{CredentialsAnswer, CredentialsRequest};
use crate::{
    server::Server,
    signature::{Credentials, KeyRing},
};

/// A credential provider: HTTPS, for clients with a certificate of its CA.
///
/// Each call gets an access key of its own. The keys are in [`keys`](Self::keys), which other
/// doubles can trust. It answers by the next answer of [`script`](Self::script), and else by
/// the one of [`answer_with`](Self::answer_with), which at first gives credentials.
pub struct CredentialsDouble {
    server: Server<Provider>,
    provider: Arc<Provider>,
}

impl CredentialsDouble {
    /// Listens on a free port, with a CA and certificates made for it.
    ///
    /// # Errors
    /// The system gives no port or no temporary folder.
    pub async fn start() -> io::Result<Self> {
        let provider = Arc::new(Provider::create()?);
        let server = Server::start(Arc::clone(&provider)).await?;
        Ok(Self { server, provider })
    }

    /// Listens on the same port again after [`stop`](Self::stop).
    ///
    /// # Errors
    /// Somebody else has taken the port.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.server.restart().await
    }

    /// Closes the port and every connection.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// The URL that leads here; the certificate is for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.server.address().port())
    }

    /// The certificate of the CA, in PEM; it signed the server's and the client's.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.provider.identity.ca
    }

    /// A client's certificate, in PEM.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.provider.identity.certificate
    }

    /// The key of the client's certificate, in PEM.
    #[must_use]
    pub fn private_key_file(&self) -> &Path {
        &self.provider.identity.private_key
    }

    /// Puts a new certificate and a new key into the client's files.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn renew_certificate(&self) -> io::Result<()> {
        self.provider.identity.renew()
    }

    /// Puts a certificate into the client's files that another CA of the same name has signed.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn forge_certificate(&self) -> io::Result<()> {
        self.provider.identity.forge()
    }

    /// Answers the next requests so, one each, after those that were scripted before.
    pub fn script(&self, answers: impl IntoIterator<Item = CredentialsAnswer>) {
        self.provider.state().scripted.extend(answers);
    }

    /// Answers requests that no scripted answer is left for.
    pub fn answer_with(&self, answer: CredentialsAnswer) {
        self.provider.state().answer = answer;
    }

    /// How long credentials are good from then on; an hour at first.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.provider.state().lifetime = lifetime;
    }

    /// Knows only this role alias, and answers 404 to others; at first it knows all.
    pub fn expect_role_alias(&self, role_alias: &str) {
        self.provider.state().role_alias = Some(role_alias.to_owned());
    }

    /// The access keys that were given out, for doubles that trust them.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.provider.keys
    }

    /// What was given out, in that order.
    #[must_use]
    pub fn issued(&self) -> Vec<Credentials> {
        self.provider.state().issued.clone()
    }

    /// Every request so far, in the order of arrival; a client without a good certificate
    /// makes none.
    #[must_use]
    pub fn requests(&self) -> Vec<CredentialsRequest> {
        self.provider.state().requests.clone()
    }
}
