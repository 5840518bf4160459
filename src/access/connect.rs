//! Who a client is: what it shows on its way in, looked up in the latest reading.

use std::{sync::Arc, time::Duration};

use perennial_broker::{Client, Connecting, Peer, Principal, Reason, Upgrade};
use perennial_certs::{Action, Identity, Refusal, Registry, SignedRequest};
use tokio::time::timeout;

use super::{
    Access,
    principals::{Admitted, Anonymous, Bearing, Claim, Signed, Who},
    standing::{Rights, Standing},
};
use crate::{
    audit::{Refused, Why},
    clock,
    tls::Shown,
};

/// How long a client waits for its password to be checked behind those of others.
const PATIENCE: Duration = Duration::from_secs(10);

impl Access {
    /// Who signed a request for a WebSocket; who does not say so stays who it is.
    pub(super) fn identify_by_request(
        &self,
        request: &Upgrade<'_>,
    ) -> Result<Option<Arc<dyn Principal>>, String> {
        let shown = shown(request.principal).is_some();
        if shown || !is_signed(request.target) {
            return Ok(request.principal.cloned());
        }
        let signed = self.registry().by_signature(&SignedRequest {
            target: request.target,
            headers: request.headers,
            region: self.scope.region.as_deref(),
            now: clock::unix_millis() / 1_000,
        });
        match signed {
            Ok(identity) => Ok(Some(Arc::new(Signed(identity)))),
            Err(refusal) => {
                self.refuse_to_connect("", Claim::Nothing, request.peer, Why::from(&refusal));
                Err(refusal.to_string())
            }
        }
    }

    /// Who connects, if it may.
    pub(super) async fn admit(
        &self,
        connecting: Connecting<'_>,
    ) -> Result<Option<Arc<dyn Principal>>, Reason> {
        let client = connecting.client;
        let claim = claim(&connecting);
        let admitted = self.admitted(&connecting).await;
        let admitted = admitted.map_err(|why| {
            self.refuse_to_connect(&client.id, claim, client.peer, why);
            match why {
                Why::Password => Reason::BadUserNameOrPassword,
                Why::Busy => Reason::ServerBusy,
                _ => Reason::NotAuthorized,
            }
        })?;
        Ok(Some(Arc::new(admitted)))
    }

    async fn admitted(&self, connecting: &Connecting<'_>) -> Result<Admitted, Why> {
        let bearing = Bearing {
            is_persistent: connecting.is_persistent,
            has_will: connecting.has_will,
        };
        let reading = self.reading();
        let who = self.identify(connecting, &reading.registry).await?;
        let standing = Standing::new(self, &reading, who, connecting.client, bearing);
        match standing.rights {
            Rights::Nothing(why) => Err(why),
            _ => Ok(Admitted::new(bearing, standing)),
        }
    }

    async fn identify(
        &self,
        connecting: &Connecting<'_>,
        registry: &Arc<Registry>,
    ) -> Result<Who, Why> {
        let Client {
            user_name,
            principal,
            ..
        } = connecting.client;
        let because = |refusal: Refusal| Why::from(&refusal);
        if let Some(Shown(certificate)) = shown(principal.as_ref()) {
            let identity = registry.by_certificate(certificate).map_err(because)?;
            return Ok(Who::Known(identity));
        }
        if let Some(password) = connecting.password {
            let name = user_name.as_deref().unwrap_or_default();
            let identity = match registry.by_known_password(name, password) {
                Some(known) => known.map_err(because)?,
                None => {
                    let peer = connecting.client.peer;
                    self.by_password(registry, name, password, peer).await?
                }
            };
            return Ok(Who::Known(identity));
        }
        let principal = principal.as_ref().ok_or(Why::NoIdentity)?;
        if let Some(Signed(identity)) = principal.downcast_ref() {
            return Ok(Who::Known(registry.renew(identity).map_err(because)?));
        }
        let anonymous = principal.downcast_ref::<Anonymous>();
        Ok(Who::Anonymous(anonymous.ok_or(Why::NoIdentity)?.clone()))
    }

    /// Checks a password where it keeps nobody else from going on.
    async fn by_password(
        &self,
        registry: &Arc<Registry>,
        name: &str,
        password: &[u8],
        peer: Peer,
    ) -> Result<Identity, Why> {
        let turn = timeout(PATIENCE, self.passwords.take(peer.ip())).await;
        let Ok(Some(turn)) = turn else {
            return Err(Why::Busy);
        };
        let registry = Arc::clone(registry);
        let (name, password) = (name.to_owned(), password.to_owned());
        let checking = tokio::task::spawn_blocking(move || {
            let checked = registry.by_password(&name, &password);
            // It lasts as long as the work does, also when the client has gone meanwhile.
            drop(turn);
            checked
        });
        let checked = checking.await.map_err(|_| Why::Busy)?;
        checked.map_err(|refusal| Why::from(&refusal))
    }

    fn refuse_to_connect(&self, client: &str, claim: Claim<'_>, peer: Peer, reason: Why) {
        self.audit.refused(&Refused {
            action: Action::Connect,
            resource: client,
            client,
            principal: &claim,
            thing: None,
            peer,
            reason,
        });
    }
}

fn shown(principal: Option<&Arc<dyn Principal>>) -> Option<&Shown> {
    principal?.downcast_ref()
}

/// Who the client says that it is.
fn claim<'a>(connecting: &Connecting<'a>) -> Claim<'a> {
    let client = connecting.client;
    let principal = client.principal.as_ref();
    if let Some(Shown(certificate)) = shown(principal) {
        return Claim::Certificate(certificate.id());
    }
    if connecting.password.is_some() {
        return Claim::User(client.user_name.as_deref().unwrap_or_default());
    }
    match principal.and_then(|principal| principal.downcast_ref::<Signed>()) {
        Some(Signed(identity)) => Claim::of(&identity.principal),
        None => Claim::Nothing,
    }
}

/// Whether a request says that it is signed.
pub(super) fn is_signed(target: &str) -> bool {
    let parameters = target.split_once('?').map_or("", |(_, query)| query);
    let mut names = parameters.split('&');
    names.any(|name| {
        let begin = name.as_bytes().get(..6);
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(b"X-Amz-"))
    })
}
