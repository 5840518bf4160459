//! What AWS IoT's credential provider is asked with.

use hyper::Uri;

use crate::{
    Settings,
    upstreams::web::{TlsFiles, Trust},
};

/// The parameters without which there are no credentials, and a line that would be right.
const NEEDED: [(&str, &str); 5] = [
    (
        "iot_credentials_endpoint",
        r#"iot_credentials_endpoint = "c1a2b3.credentials.iot.eu-west-1.amazonaws.com""#,
    ),
    ("iot_role_alias", r#"iot_role_alias = "gateway""#),
    ("iot_thing_name", r#"iot_thing_name = "gateway-1""#),
    ("iot_certificate", r#"iot_certificate = "core.cert.pem""#),
    ("iot_private_key", r#"iot_private_key = "core.private.key""#),
];

/// The parameter that names the certificates to trust.
pub(super) const CA: &str = "iot_ca";

/// What AWS IoT's credential provider is asked with.
#[derive(Clone, Debug)]
pub(in crate::upstreams::aws) struct IotCredentialsSettings {
    /// For people: the endpoint as it was written.
    pub(super) endpoint: String,
    pub(super) url: Uri,
    pub(super) role_alias: String,
    pub(super) thing_name: String,
    pub(super) files: TlsFiles,
}

impl IotCredentialsSettings {
    /// Reads the parameters; the outer `None` when an error was recorded, the inner where
    /// none of them is there.
    ///
    /// | parameter | default | |
    /// |---|---|---|
    /// | `iot_credentials_endpoint` | none | the host that `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` names, or an `https` URL |
    /// | `iot_role_alias` | needed with it | the role alias whose role the gateway takes on |
    /// | `iot_thing_name` | needed with it | the thing that the certificate is attached to |
    /// | `iot_certificate`, `iot_private_key` | needed with it | PEM files; they are read again each time credentials are renewed |
    /// | `iot_ca` | the system's | a PEM file with the certificates to trust |
    pub(in crate::upstreams::aws) fn from_settings(
        settings: &mut dyn Settings,
    ) -> Option<Option<Self>> {
        let endpoint = settings.text("iot_credentials_endpoint");
        let role_alias = settings.text("iot_role_alias");
        let thing_name = settings.text("iot_thing_name");
        let certificate = settings.path("iot_certificate");
        let private_key = settings.path("iot_private_key");
        let ca = settings.path(CA);
        let is_there = |key: &str| settings.has(key);
        if !is_there(CA) && !NEEDED.iter().any(|(key, _)| is_there(key)) {
            return Some(None);
        }
        for (key, example) in NEEDED {
            settings.missing(key, example);
        }
        let url = endpoint.as_deref().map(url_of);
        let is_alias = |text: &str| is_name(text, "=,@-_");
        let is_thing = |text: &str| is_name(text, ":_-");
        let valid = [
            url != Some(None) || {
                let example = NEEDED[0].1;
                let problem = format!("it is a host name or an https URL, as in: {example}");
                settings.refuse("iot_credentials_endpoint", problem);
                false
            },
            check(settings, "iot_role_alias", &role_alias, is_alias),
            check(settings, "iot_thing_name", &thing_name, is_thing),
        ];
        if valid.contains(&false) {
            return None;
        }
        Some(Some(Self {
            endpoint: endpoint?,
            url: url??,
            role_alias: role_alias?,
            thing_name: thing_name?,
            files: TlsFiles {
                trust: ca.map_or(Trust::System, Trust::File),
                identity: Some((certificate?, private_key?)),
            },
        }))
    }
}

/// The URL of a host name, or of what is a URL already; without a path.
fn url_of(endpoint: &str) -> Option<Uri> {
    let url: Uri = match endpoint.contains("://") {
        true => endpoint.parse().ok()?,
        false => format!("https://{endpoint}").parse().ok()?,
    };
    let is_bare = url.path() == "/" && url.query().is_none();
    let has_user = url.authority()?.as_str().contains('@');
    (url.scheme_str() == Some("https") && is_bare && !has_user).then_some(url)
}

fn check(
    settings: &mut dyn Settings,
    key: &str,
    text: &Option<String>,
    is_right: impl Fn(&str) -> bool,
) -> bool {
    let Some(text) = text.as_deref().filter(|text| !is_right(text)) else {
        return true;
    };
    let problem = format!("found {text:?}; it has 1 to 128 letters, digits and some signs");
    settings.refuse(key, problem);
    false
}

/// A name as AWS IoT takes it: letters, digits and `signs`.
fn is_name(text: &str, signs: &str) -> bool {
    let is_right = |char: char| char.is_ascii_alphanumeric() || signs.contains(char);
    (1..=128).contains(&text.len()) && text.chars().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_or_an_https_url() {
        let url = |text| url_of(text).map(|url| url.to_string());
        for (text, found) in [
            (
                "c1.credentials.iot.eu-west-1.amazonaws.com",
                "https://c1.credentials.iot.eu-west-1.amazonaws.com/",
            ),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/"),
            ("proxy:8443", "https://proxy:8443/"),
        ] {
            assert_eq!(url(text).as_deref(), Some(found));
        }
        for text in [
            "",
            "http://a",
            "two words",
            "https://a/path",
            "https://a?b",
            "https://u:p@a",
            "https://",
        ] {
            assert_eq!(url(text), None, "{text:?}");
        }
    }
}
