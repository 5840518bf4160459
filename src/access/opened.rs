//! The access directory as a gateway begins with it.

use std::sync::Arc;

use perennial_broker::{Gate, Principal, Rechecker, Secure, Web};
use perennial_certs::Tls;
use tokio::task::spawn_blocking;

use super::{
    Access, AccessError,
    fingerprint::Fingerprint,
    principals::Anonymous,
    reading::Reader,
    upkeep::{Figures, Reach, Upkeep},
};
use crate::{
    audit::Audit,
    config::{AccessConfig, AuditConfig, ListenerSettings},
    ingest::Ingest,
    tls::TlsGate,
};

/// The access directory, read for the first time.
pub(crate) struct Opened {
    reader: Reader,
    /// What the files looked like before they were read.
    looked: Fingerprint,
    access: Arc<Access>,
    /// TLS, where a listener has it.
    tls: Option<Arc<Tls>>,
    figures: Arc<Figures>,
}

impl Opened {
    /// Reads what `config` says for these listeners. What clients may do goes on to `ingest`, and
    /// what they may not is written down as `audit` says.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(crate) async fn open(
        config: AccessConfig,
        audit: AuditConfig,
        listeners: &[ListenerSettings],
        ingest: Arc<Ingest>,
    ) -> Result<Opened, AccessError> {
        let reader = Reader::new(&config, listeners);
        let directory = config.directory.clone();
        let opening = spawn_blocking(move || {
            reader.renew_certificate();
            let (looked, read) = reader.read_undisturbed();
            let (registry, server) = read.whole()?;
            let figures = Arc::new(Figures::default());
            figures.note_authority(&registry);
            figures.note_server(server.as_ref());
            let tls = server.map(|server| Tls::new(&registry, &server));
            let tls = tls.transpose().map_err(|error| reader.unusable(&error))?;
            let access = Access::new(&config, registry, ingest, Audit::start(audit));
            Ok(Opened {
                reader,
                looked,
                access: Arc::new(access),
                tls,
                figures,
            })
        });
        let opened = opening.await;
        opened.unwrap_or_else(|_| Err(Reader::interrupted(directory)))
    }

    /// What decides for the broker.
    pub(crate) fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// What is told of it in metrics.
    pub(crate) fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// What connections pass on a listener; requests in HTTP that come within TLS and are not
    /// about MQTT are served by `web`.
    pub(crate) fn gate(&self, settings: &ListenerSettings, web: Option<&Arc<dyn Web>>) -> Gate {
        let tls = self.tls.as_ref().zip(settings.tls);
        let anonymous = settings.takes_anonymous().then(|| Anonymous {
            policies: settings.policies.clone().map(Into::into),
        });
        Gate {
            web: tls.and(web).cloned(),
            secure: tls
                .map(|(tls, asked)| Arc::new(TlsGate(tls.listener(asked))) as Arc<dyn Secure>),
            principal: anonymous.map(|anonymous| Arc::new(anonymous) as Arc<dyn Principal>),
        }
    }

    /// Keeps it up to date from here on.
    pub(crate) fn keep(self, rechecker: Rechecker) -> Upkeep {
        let Opened {
            reader,
            looked,
            access,
            tls,
            figures,
        } = self;
        let reach = Reach {
            reader,
            access,
            tls,
            rechecker,
            figures,
        };
        Upkeep::start(reach, looked)
    }
}
