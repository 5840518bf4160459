//! MQTT 5 reason codes (2.4), and what MQTT 3 has in their place.

/// Why a packet was answered as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Reason {
    Success = 0x00,
    GrantedQos1 = 0x01,
    GrantedQos2 = 0x02,
    DisconnectWithWillMessage = 0x04,
    NoMatchingSubscribers = 0x10,
    NoSubscriptionExisted = 0x11,
    ContinueAuthentication = 0x18,
    ReAuthenticate = 0x19,
    UnspecifiedError = 0x80,
    MalformedPacket = 0x81,
    ProtocolError = 0x82,
    ImplementationSpecificError = 0x83,
    UnsupportedProtocolVersion = 0x84,
    ClientIdentifierNotValid = 0x85,
    BadUserNameOrPassword = 0x86,
    NotAuthorized = 0x87,
    ServerUnavailable = 0x88,
    ServerBusy = 0x89,
    Banned = 0x8A,
    ServerShuttingDown = 0x8B,
    BadAuthenticationMethod = 0x8C,
    KeepAliveTimeout = 0x8D,
    SessionTakenOver = 0x8E,
    TopicFilterInvalid = 0x8F,
    TopicNameInvalid = 0x90,
    PacketIdentifierInUse = 0x91,
    PacketIdentifierNotFound = 0x92,
    ReceiveMaximumExceeded = 0x93,
    TopicAliasInvalid = 0x94,
    PacketTooLarge = 0x95,
    MessageRateTooHigh = 0x96,
    QuotaExceeded = 0x97,
    AdministrativeAction = 0x98,
    PayloadFormatInvalid = 0x99,
    RetainNotSupported = 0x9A,
    QosNotSupported = 0x9B,
    UseAnotherServer = 0x9C,
    ServerMoved = 0x9D,
    SharedSubscriptionsNotSupported = 0x9E,
    ConnectionRateExceeded = 0x9F,
    MaximumConnectTime = 0xA0,
    SubscriptionIdentifiersNotSupported = 0xA1,
    WildcardSubscriptionsNotSupported = 0xA2,
}

impl Reason {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Whether the code says that something was refused or failed.
    pub fn is_error(self) -> bool {
        self.code() >= 0x80
    }

    /// What it says, for the reason string of an answer.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Success => "success",
            Reason::GrantedQos1 => "QoS 1 is granted",
            Reason::GrantedQos2 => "QoS 2 is granted",
            Reason::DisconnectWithWillMessage => "the will is to be published",
            Reason::NoMatchingSubscribers => "nobody subscribes to the topic",
            Reason::NoSubscriptionExisted => "there was no such subscription",
            Reason::ContinueAuthentication => "the authentication goes on",
            Reason::ReAuthenticate => "the authentication begins again",
            Reason::UnspecifiedError => "an error occurred",
            Reason::MalformedPacket => "the packet is malformed",
            Reason::ProtocolError => "the packet breaks the protocol",
            Reason::ImplementationSpecificError => "the server cannot handle the packet",
            Reason::UnsupportedProtocolVersion => "the protocol version is not supported",
            Reason::ClientIdentifierNotValid => "the client identifier is not valid",
            Reason::BadUserNameOrPassword => "the user name or the password is wrong",
            Reason::NotAuthorized => "not authorized",
            Reason::ServerUnavailable => "the server is not available",
            Reason::ServerBusy => "the server is busy",
            Reason::Banned => "the client is banned",
            Reason::ServerShuttingDown => "the server is shutting down",
            Reason::BadAuthenticationMethod => "the authentication method is not supported",
            Reason::KeepAliveTimeout => "nothing was heard within the keep alive time",
            Reason::SessionTakenOver => "another connection has taken the session over",
            Reason::TopicFilterInvalid => "the topic filter is not valid",
            Reason::TopicNameInvalid => "the topic name is not valid",
            Reason::PacketIdentifierInUse => "the packet identifier is in use",
            Reason::PacketIdentifierNotFound => "the packet identifier is not known",
            Reason::ReceiveMaximumExceeded => "the receive maximum is exceeded",
            Reason::TopicAliasInvalid => "the topic alias is not valid",
            Reason::PacketTooLarge => "the packet is too large",
            Reason::MessageRateTooHigh => "the message rate is too high",
            Reason::QuotaExceeded => "a quota is exceeded",
            Reason::AdministrativeAction => "an administrator closed the connection",
            Reason::PayloadFormatInvalid => "the payload does not have its format",
            Reason::RetainNotSupported => "retained messages are not supported",
            Reason::QosNotSupported => "the QoS is not supported",
            Reason::UseAnotherServer => "another server is to be used for now",
            Reason::ServerMoved => "another server is to be used",
            Reason::SharedSubscriptionsNotSupported => "shared subscriptions are not supported",
            Reason::ConnectionRateExceeded => "the connection rate is exceeded",
            Reason::MaximumConnectTime => "the connection has lasted as long as it may",
            Reason::SubscriptionIdentifiersNotSupported => {
                "subscription identifiers are not supported"
            }
            Reason::WildcardSubscriptionsNotSupported => "wildcard subscriptions are not supported",
        }
    }

    /// The CONNACK return code of MQTT 3.1.1 (3.2.2.3), if there is one that fits: else the
    /// connection is closed without a CONNACK ([MQTT-3.2.2-6]).
    pub(crate) fn connack_v3(self) -> Option<u8> {
        match self {
            Reason::Success => Some(0),
            Reason::UnsupportedProtocolVersion => Some(1),
            Reason::ClientIdentifierNotValid => Some(2),
            Reason::ServerUnavailable | Reason::ServerBusy | Reason::QuotaExceeded => Some(3),
            Reason::BadUserNameOrPassword | Reason::BadAuthenticationMethod => Some(4),
            Reason::NotAuthorized | Reason::Banned => Some(5),
            _ => None,
        }
    }
}
