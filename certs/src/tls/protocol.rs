//! The names of protocols that clients offer by ALPN (RFC 7301).

/// What a client has chosen to speak by ALPN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alpn {
    /// `x-amzn-mqtt-ca`: MQTT with a client certificate.
    AwsMqtt,
    /// `mqtt`: MQTT with another way to log in.
    Mqtt,
    /// `x-amzn-http-ca`: HTTP with a client certificate.
    AwsHttp,
    /// `http/1.1`.
    Http,
}

impl Alpn {
    /// All of them, the first that a client offers too is chosen.
    const ALL: [Alpn; 4] = [Alpn::AwsMqtt, Alpn::Mqtt, Alpn::AwsHttp, Alpn::Http];

    /// All names, in the order of preference.
    ///
    /// They are listed on every listener: a client that offers a name that is not listed is
    /// refused by TLS, whoever offers none is not.
    pub(super) fn names() -> Vec<Vec<u8>> {
        Alpn::ALL.map(|alpn| alpn.name().to_vec()).into()
    }

    pub(super) fn from_name(name: &[u8]) -> Option<Alpn> {
        Alpn::ALL.into_iter().find(|alpn| alpn.name() == name)
    }

    fn name(self) -> &'static [u8] {
        match self {
            Alpn::AwsMqtt => b"x-amzn-mqtt-ca",
            Alpn::Mqtt => b"mqtt",
            Alpn::AwsHttp => b"x-amzn-http-ca",
            Alpn::Http => b"http/1.1",
        }
    }
}
