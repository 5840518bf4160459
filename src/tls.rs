//! TLS on the broker's listeners.

#[cfg(test)]
mod tests;

use std::{error::Error, sync::Arc};

use perennial_broker::{Answer, Application, Peer, Principal, Secure, Secured, Transport};
use perennial_certs::{Alpn, Certificate, TlsListener};

/// A client by what it has shown: a certificate, which TLS has verified, with the key to it.
#[derive(Debug)]
pub(crate) struct Shown(pub(crate) Arc<Certificate>);

impl Principal for Shown {}

/// A listener's TLS, as the broker asks for it.
pub(crate) struct TlsGate(pub(crate) TlsListener);

impl Secure for TlsGate {
    fn secure(
        &self,
        transport: Transport,
        _: Peer,
    ) -> Answer<'_, Result<Secured, Box<dyn Error + Send + Sync>>> {
        Box::pin(async {
            let accepted = self.0.accept(transport).await?;
            let shown = accepted.certificate.map(Shown);
            Ok(Secured {
                stream: Box::new(accepted.stream),
                principal: shown.map(|shown| Arc::new(shown) as Arc<dyn Principal>),
                application: accepted.alpn.map(application),
            })
        })
    }
}

/// What is spoken by the name of a protocol.
fn application(alpn: Alpn) -> Application {
    match alpn {
        Alpn::AwsMqtt | Alpn::Mqtt => Application::Mqtt,
        Alpn::AwsHttp | Alpn::Http => Application::Http,
    }
}
