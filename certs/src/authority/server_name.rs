//! What a server is called by its clients.

use std::{fmt, net::IpAddr, str::FromStr};

/// What a server is called by its clients.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ServerName {
    /// A host name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<ServerName, InvalidServerName> {
        if let Ok(address) = text.parse() {
            return Ok(ServerName::Ip(address));
        }
        let is_fine = |label: &str| {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (1..=63).contains(&label.len()) && label.bytes().all(is_fine)
        };
        // Digits and dots alone are an address that is none.
        let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let mut labels = text.strip_prefix("*.").unwrap_or(text).split('.');
        if text.len() <= 253 && !is_number && labels.all(is_fine) {
            Ok(ServerName::Dns(text.to_ascii_lowercase()))
        } else {
            Err(InvalidServerName(text.to_owned()))
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerName::Dns(name) => formatter.write_str(name),
            ServerName::Ip(address) => address.fmt(formatter),
        }
    }
}

/// Neither a host name nor an address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is neither a host name such as `gateway.local` nor an address")]
pub struct InvalidServerName(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_and_addresses_are_told_apart() {
        for text in [
            "gateway.local",
            "gw",
            "*.example.com",
            "a_b.c-d",
            "10.0.0.1.nip.io",
        ] {
            let name: ServerName = text.parse().unwrap();
            assert_eq!(name, ServerName::Dns(text.to_owned()));
            assert_eq!(name.to_string(), text);
        }
        for text in ["192.168.1.5", "::1", "fe80::1"] {
            let name: ServerName = text.parse().unwrap();
            assert_eq!(name, ServerName::Ip(text.parse().unwrap()));
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(
            "GW.Local".parse(),
            Ok(ServerName::Dns("gw.local".to_owned()))
        );
    }

    #[test]
    fn what_is_neither_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = ["abcdefgh"; 29].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "a.",
            "gw:8883",
            "gw local",
            "mqtt://gw",
            "1.2.3",
            "300.1.1.1",
            "gät.local",
            "a.*.b",
            "*",
            "[::1]",
            &long_label,
            &long_name,
        ] {
            let refused = text.parse::<ServerName>();
            assert_eq!(refused, Err(InvalidServerName(text.to_owned())));
        }
    }
}
