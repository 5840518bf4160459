//! The SDK's clients of a service: one per region, made when its first batch comes.
//!
//! - The SDK retries nothing: the worker does, so that every attempt is counted and waits.
//! - Nothing is loaded before the first batch: neither credentials nor TLS roots.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache,
    profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::{Batch, FailureClass, Outcome, SendError};

use super::{Access, Failure, iot_credentials::IotCredentials, reject_all};

/// How many clients are kept. Devices may name streams in any region; beyond this many
/// the clients of earlier regions are made anew.
const MAX_CLIENTS: usize = 32;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients, by the region that a destination names.
pub(in crate::upstreams) struct Clients<C> {
    access: Access,
    make: fn(&SdkConfig) -> C,
    iot_credentials: Option<IotCredentials>,
    http: Mutex<Option<SharedHttpClient>>,
    by_region: Mutex<HashMap<Option<String>, C>>,
}

impl<C: Clone> Clients<C> {
    /// Connects nothing and reads nothing.
    pub(in crate::upstreams) fn new(access: Access, make: fn(&SdkConfig) -> C) -> Self {
        let iot_credentials = access.iot_credentials.clone();
        Self {
            iot_credentials: iot_credentials
                .map(|settings| IotCredentials::new(settings, access.timeout())),
            access,
            make,
            http: Mutex::default(),
            by_region: Mutex::default(),
        }
    }

    /// The client for a destination that names `region`, or none.
    pub(in crate::upstreams) async fn get(&self, region: Option<&str>) -> C {
        let region = self.key(region);
        if let Some(client) = locked(&self.by_region).get(&region) {
            return client.clone();
        }
        // Two batches may come here at once; either client will do.
        let client = self.make(region.clone()).await;
        let mut clients = locked(&self.by_region);
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(region, client.clone());
        client
    }

    /// What an attempt came to; a client that was not let in is made anew for the next one.
    pub(in crate::upstreams) fn conclude(
        &self,
        region: Option<&str>,
        batch: &Batch,
        sent: Result<Vec<Outcome>, Failure>,
    ) -> Result<Vec<Outcome>, SendError> {
        match sent {
            Ok(outcomes) => Ok(outcomes),
            Err(Failure::Rejected { code, message }) => Ok(reject_all(batch, &code, &message)),
            Err(Failure::Unsent(error)) => {
                if error.class == FailureClass::NoAccess {
                    // The SDK keeps what it has read of credentials and profiles, and would
                    // not see them mended.
                    locked(&self.by_region).remove(&self.key(region));
                    if let Some(provider) = &self.iot_credentials {
                        provider.refused(&error.code);
                    }
                }
                Err(error)
            }
        }
    }

    /// How long one request may take.
    pub(in crate::upstreams) fn timeout(&self) -> Duration {
        self.access.timeout()
    }

    fn key(&self, region: Option<&str>) -> Option<String> {
        self.access.region.as_deref().or(region).map(str::to_owned)
    }

    async fn make(&self, region: Option<String>) -> C {
        let region = region.map(Region::new);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts())
            // Requests and answers are small and whole; the timeouts bound a stalled one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(provider) = &self.iot_credentials {
            loader = loader
                .credentials_provider(provider.clone())
                .identity_cache(IdentityCache::no_cache());
        } else if let Some(file) = &self.access.credentials_file {
            loader = loader.credentials_provider(self.credentials_in(file, region.clone()));
        } else if let Some(profile) = &self.access.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(region);
        }
        if let Some(url) = &self.access.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        (self.make)(&loader.load().await)
    }

    /// What the file says and nothing else: the environment does not come before it.
    fn credentials_in(
        &self,
        file: &Path,
        region: Option<Region>,
    ) -> ProfileFileCredentialsProvider {
        let files = EnvConfigFiles::builder()
            .with_file(EnvConfigFileKind::Credentials, file)
            .build();
        let provider_config = ProviderConfig::without_region()
            .with_region(region)
            .with_http_client(self.http());
        ProfileFileCredentialsProvider::builder()
            .configure(&provider_config)
            .profile_files(files)
            .profile_name(self.access.profile.as_deref().unwrap_or("default"))
            .build()
    }

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.timeout().min(CONNECT_TIMEOUT))
            .read_timeout(self.timeout())
            .operation_timeout(self.timeout())
            .build()
    }

    fn http(&self) -> SharedHttpClient {
        let build = || {
            Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https()
        };
        locked(&self.http).get_or_insert_with(build).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
