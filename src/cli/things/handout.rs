//! What a device is told, by the person who sets it up.

use std::{fmt, path::PathBuf};

use perennial_certs::ThingName;

use crate::cli::{
    endpoints::{Endpoints, with_port},
    files::quoted,
};

/// Hosts that are told of one service; more are no help.
const HOSTS: usize = 4;

/// What to put on a device.
pub(super) struct Handout<'a> {
    pub(super) thing: &'a ThingName,
    pub(super) endpoints: Endpoints,
    pub(super) authority: PathBuf,
    /// Where its certificate was written, if it was.
    pub(super) certificate: Option<PathBuf>,
    /// Where its key was written, if it was.
    pub(super) key: Option<PathBuf>,
    pub(super) has_certificate: bool,
}

impl fmt::Display for Handout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "What its device needs:")?;
        writeln!(f, "  client id    {}", self.thing)?;
        self.services(f)?;
        writeln!(f, "  CA           {}", quoted(&self.authority))?;
        if self.has_certificate {
            let own = || "the one that it has".to_owned();
            let certificate = self
                .certificate
                .as_ref()
                .map_or_else(own, |path| quoted(path));
            writeln!(f, "  certificate  {certificate}")?;
            match &self.key {
                Some(key) => writeln!(f, "  private key  {}, kept nowhere else", quoted(key))?,
                None => writeln!(f, "  private key  {}", own())?,
            }
            self.examples(f)?;
        }
        Ok(())
    }
}

impl Handout<'_> {
    fn services(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoints { mqtt, https } = &self.endpoints;
        if mqtt.is_empty() && https.is_empty() {
            return writeln!(
                f,
                "  endpoint     none yet: no listener of the configuration has [listener.tls]"
            );
        }
        for (name, hosts) in [("MQTT", mqtt), ("HTTPS", https)] {
            if !hosts.is_empty() {
                let hosts: Vec<_> = hosts.iter().take(HOSTS).map(with_port).collect();
                writeln!(f, "  {name:11}  {}", hosts.join(", "))?;
            }
        }
        Ok(())
    }

    /// A command for each of the clients that people try first.
    fn examples(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((host, port)) = self.endpoints.mqtt.first() else {
            return Ok(());
        };
        let thing = self.thing;
        let ca = quoted(&self.authority);
        let certificate = self
            .certificate
            .as_ref()
            .map_or("CERTIFICATE".to_owned(), |path| quoted(path));
        let key = self
            .key
            .as_ref()
            .map_or("KEY".to_owned(), |path| quoted(path));
        writeln!(
            f,
            "\nTry it with mosquitto, or with a sample of AWSIoTPythonSDK:"
        )?;
        writeln!(
            f,
            "  mosquitto_pub -h {host} -p {port} -i {thing} --cafile {ca} --cert {certificate} \
             --key {key} -q 1 -t {thing}/hello -m hello"
        )?;
        writeln!(
            f,
            "  python samples/basicPubSub/basicPubSub.py -e {host} -p {port} -id {thing} -r {ca} \
             -c {certificate} -k {key} -t {thing}/hello"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_where_the_gateway_is_and_what_to_show() {
        let thing = "sensor-1".parse().unwrap();
        let host = |host: &str, port| (host.to_owned(), port);
        let handout = Handout {
            thing: &thing,
            endpoints: Endpoints {
                mqtt: vec![host("gateway.local", 8883), host("fd00::1", 8883)],
                https: vec![host("gateway.local", 8443)],
            },
            authority: PathBuf::from("my files/ca.pem"),
            certificate: Some(PathBuf::from("c/sensor-1.pem")),
            key: Some(PathBuf::from("c/sensor-1.key")),
            has_certificate: true,
        };
        let expected = "\
What its device needs:
  client id    sensor-1
  MQTT         gateway.local:8883, [fd00::1]:8883
  HTTPS        gateway.local:8443
  CA           'my files/ca.pem'
  certificate  c/sensor-1.pem
  private key  c/sensor-1.key, kept nowhere else

Try it with mosquitto, or with a sample of AWSIoTPythonSDK:
  mosquitto_pub -h gateway.local -p 8883 -i sensor-1 --cafile 'my files/ca.pem' --cert \
c/sensor-1.pem --key c/sensor-1.key -q 1 -t sensor-1/hello -m hello
  python samples/basicPubSub/basicPubSub.py -e gateway.local -p 8883 -id sensor-1 -r \
'my files/ca.pem' -c c/sensor-1.pem -k c/sensor-1.key -t sensor-1/hello
";
        assert_eq!(handout.to_string(), expected);
    }

    #[test]
    fn a_device_that_keeps_what_it_has_is_told_only_what_is_new() {
        let thing = "sensor-1".parse().unwrap();
        let handout = Handout {
            thing: &thing,
            endpoints: Endpoints::default(),
            authority: PathBuf::from("/etc/ca.pem"),
            certificate: None,
            key: None,
            has_certificate: true,
        };
        let expected = "\
What its device needs:
  client id    sensor-1
  endpoint     none yet: no listener of the configuration has [listener.tls]
  CA           /etc/ca.pem
  certificate  the one that it has
  private key  the one that it has
";
        assert_eq!(handout.to_string(), expected);
    }
}
