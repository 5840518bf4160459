//! The SDK's clients: one per region, made when its first batch comes.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_firehose::{Client, config::SharedHttpClient};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::upstreams::firehose::Access;

/// How many clients are kept. Devices may name streams in any region; beyond this many
/// the clients of earlier regions are made anew.
const MAX_CLIENTS: usize = 32;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients, by the region that a destination names.
pub(super) struct Clients {
    access: Access,
    timeout: Duration,
    http: Mutex<Option<SharedHttpClient>>,
    by_region: Mutex<HashMap<Option<String>, Client>>,
}

impl Clients {
    /// Connects nothing and reads nothing.
    pub(super) fn new(access: Access, timeout: Duration) -> Self {
        Self {
            access,
            timeout,
            http: Mutex::default(),
            by_region: Mutex::default(),
        }
    }

    /// The client for a destination that names `region`, or none.
    pub(super) async fn get(&self, region: Option<&str>) -> Client {
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

    /// Drops the client for such a destination: the SDK keeps what it has read of
    /// credentials and profiles, and would not see them mended.
    pub(super) fn forget(&self, region: Option<&str>) {
        locked(&self.by_region).remove(&self.key(region));
    }

    fn key(&self, region: Option<&str>) -> Option<String> {
        self.access.region.as_deref().or(region).map(str::to_owned)
    }

    async fn make(&self, region: Option<String>) -> Client {
        let region = region.map(Region::new);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(self.timeouts())
            // Requests and answers are small and whole; the timeouts bound a stalled one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(file) = &self.access.credentials_file {
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
        Client::new(&loader.load().await)
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
            .connect_timeout(self.timeout.min(CONNECT_TIMEOUT))
            .read_timeout(self.timeout)
            .operation_timeout(self.timeout)
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
