//! Where this machine is found: its own addresses and its name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use if_addrs::Interface;
use perennial_certs::ServerName;
use tracing::warn;

/// The most addresses that are told of one machine.
const MAX_ADDRESSES: usize = 20;

/// What a machine without a name of its own is called.
const NAMELESS: &str = "localhost";

/// The addresses that other machines reach this one at: those of interfaces that are up, without
/// loopback and the link-local ones of IPv6, IPv4 first.
#[must_use]
pub(crate) fn own() -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => reachable(interfaces),
        Err(error) => {
            warn!(%error, "the addresses of this machine cannot be read");
            Vec::new()
        }
    }
}

/// The addresses that whoever listens on `address` is reached at.
#[must_use]
pub(crate) fn of_listener(address: IpAddr) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => {
            own().into_iter().filter(IpAddr::is_ipv4).collect()
        }
        // It takes IPv4, too.
        IpAddr::V6(v6) if v6.is_unspecified() => own(),
        one => vec![one],
    }
}

/// The name of this machine.
#[must_use]
pub fn host_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    match name.is_empty() {
        true => NAMELESS.to_owned(),
        false => name,
    }
}

/// Everything that clients may call this machine, so that its certificate has to have it: what is
/// `configured` comes first, then what is found out.
#[must_use]
pub fn server_names(configured: &[ServerName]) -> Vec<ServerName> {
    let own = own().into_iter().map(ServerName::Ip);
    let local = [
        ServerName::Dns(NAMELESS.to_owned()),
        ServerName::Ip(Ipv4Addr::LOCALHOST.into()),
        ServerName::Ip(Ipv6Addr::LOCALHOST.into()),
    ];
    let host_name = ServerName::Dns(host_name().to_ascii_lowercase());
    let mut names = Vec::new();
    let all = configured.iter().cloned().chain([host_name]);
    for name in all.chain(own).chain(local) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn reachable(interfaces: Vec<Interface>) -> Vec<IpAddr> {
    let up = interfaces.into_iter().filter(Interface::is_oper_up);
    let mut addresses: Vec<IpAddr> = up
        .map(|interface| interface.ip())
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback(),
            // A link-local one means nothing without the name of the asker's interface.
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn interface(address: &str, oper_status: IfOperStatus) -> Interface {
        let addr = match address.parse().unwrap() {
            IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr {
                ip,
                netmask: Ipv4Addr::BROADCAST,
                prefixlen: 32,
                broadcast: None,
            }),
            IpAddr::V6(ip) => IfAddr::V6(Ifv6Addr {
                ip,
                netmask: Ipv6Addr::UNSPECIFIED,
                prefixlen: 0,
                broadcast: None,
            }),
        };
        Interface {
            name: "eth0".to_owned(),
            addr,
            index: None,
            oper_status,
            is_p2p: false,
        }
    }

    #[test]
    fn addresses_that_others_reach_are_told_once_and_ipv4_first() {
        use IfOperStatus::{Unknown, Up};
        let found = reachable(vec![
            interface("127.0.0.1", Up),
            interface("::1", Up),
            interface("fe80::1", Up),
            interface("fd00::5", Up),
            interface("192.168.1.5", Up),
            interface("192.168.1.5", Up),
            interface("10.8.0.1", Up),
            interface("172.17.0.1", Unknown),
        ]);
        let wanted: Vec<IpAddr> = ["10.8.0.1", "192.168.1.5", "fd00::5"]
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_machine_with_very_many_addresses_tells_some() {
        let many = (0..=255).map(|last| interface(&format!("10.0.0.{last}"), IfOperStatus::Up));
        assert_eq!(reachable(many.collect()).len(), MAX_ADDRESSES);
    }

    #[test]
    fn a_listener_on_one_address_is_reached_there_and_nowhere_else() {
        let one: IpAddr = "192.168.1.5".parse().unwrap();
        assert_eq!(of_listener(one), [one]);
        let v4 = of_listener(Ipv4Addr::UNSPECIFIED.into());
        assert!(v4.iter().all(IpAddr::is_ipv4), "{v4:?}");
        assert_eq!(of_listener(Ipv6Addr::UNSPECIFIED.into()), own());
        assert!(!own().iter().any(IpAddr::is_loopback));
    }

    #[test]
    fn a_server_is_called_by_what_is_configured_first_and_by_each_name_once() {
        let configured = [
            ServerName::Dns("gateway.local".to_owned()),
            ServerName::Ip(Ipv4Addr::LOCALHOST.into()),
        ];
        let names = server_names(&configured);
        assert_eq!(names[..2], configured);
        for name in &names {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1);
        }
        assert!(names.contains(&ServerName::Dns("localhost".to_owned())));
        for ip in own() {
            assert!(names.contains(&ServerName::Ip(ip)));
        }
    }

    #[test]
    fn the_machine_has_a_name() {
        assert!(!host_name().is_empty());
    }
}
