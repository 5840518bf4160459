//! How an upstream gets into AWS: the parameters that all services have.

use std::{path::PathBuf, time::Duration};

use super::iot_credentials::IotCredentialsSettings;
use crate::Settings;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the requests to a service are made with.
///
/// | parameter | default | |
/// |---|---|---|
/// | `region` | from the destination where it names one, else as every AWS tool finds it | the region of every request |
/// | `endpoint_url` | AWS | where requests go instead: a VPC endpoint, a proxy, a double |
/// | `profile` | as every AWS tool finds it | the profile of the AWS configuration files |
/// | `credentials_file` | as every AWS tool finds them | a file in the format of `~/.aws/credentials` |
/// | `timeout` | 30 s | how long one request may take, 1 s to 10 min |
///
/// Instead of a profile or a file, the credentials can be those of
/// [AWS IoT's credential provider](IotCredentialsSettings::from_settings).
#[derive(Debug)]
pub(in crate::upstreams) struct Access {
    pub(super) region: Option<String>,
    pub(super) endpoint_url: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) credentials_file: Option<PathBuf>,
    pub(super) iot_credentials: Option<IotCredentialsSettings>,
    pub(super) timeout: Duration,
}

impl Access {
    /// Reads the parameters; `None` when one of them is wrong.
    pub(in crate::upstreams) fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let iot_credentials = IotCredentialsSettings::from_settings(settings);
        let access = Self {
            region: settings.text("region"),
            endpoint_url: settings.text("endpoint_url"),
            profile: settings.text("profile"),
            credentials_file: settings.path("credentials_file"),
            iot_credentials: iot_credentials.clone().flatten(),
            timeout: settings
                .duration("timeout", Duration::from_secs(1)..=Duration::from_secs(600))
                .unwrap_or(DEFAULT_TIMEOUT),
        };
        let mut valid = iot_credentials.is_some();
        for other in ["profile", "credentials_file"] {
            if access.iot_credentials.is_some() && settings.has(other) {
                let problem =
                    "the credentials come from AWS IoT, as `iot_credentials_endpoint` says";
                settings.refuse(other, problem.to_owned());
                valid = false;
            }
        }
        let region = access.region.as_deref();
        if let Some(region) = region.filter(|region| !is_host_label(region)) {
            settings.refuse(
                "region",
                format!("found {region:?}; a region is one such as \"us-east-1\""),
            );
            valid = false;
        }
        let url = access.endpoint_url.as_deref();
        if let Some(url) = url.filter(|url| !is_http_url(url)) {
            settings.refuse(
                "endpoint_url",
                format!("found {url:?}; an endpoint is one such as \"http://127.0.0.1:5000\""),
            );
            valid = false;
        }
        valid.then_some(access)
    }

    /// How long one request may take.
    pub(in crate::upstreams) fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether `text` can be the address of an HTTP server.
pub(in crate::upstreams) fn is_http_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    })
}
