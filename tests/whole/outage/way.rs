//! What devices of the two V1 connectors say and hear, with the id of each message in it.

use serde_json::{Value, json};

use crate::support::numbered::Speech;

const ARN: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/";

/// A V1 connector, in the eyes of its devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Firehose,
    IotAnalytics,
}

impl Way {
    /// The connector's name in the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Firehose => "firehose",
            Self::IotAnalytics => "iot-analytics",
        }
    }

    /// Where devices hear what became of their messages.
    pub(super) fn status_topic(self) -> &'static str {
        match self {
            Self::Firehose => "kinesisfirehose/message/status",
            Self::IotAnalytics => "iotanalytics/messages/put/status",
        }
    }

    /// The stream or channel of a publisher; there are two.
    pub(super) fn destination(self, publisher: usize) -> &'static str {
        match publisher % 2 {
            0 => "even",
            _ => "odd",
        }
    }

    /// The same as a dead letter has it.
    pub(super) fn full_destination(self, publisher: usize) -> String {
        match self {
            Self::Firehose => format!("{ARN}{}", self.destination(publisher)),
            Self::IotAnalytics => self.destination(publisher).to_owned(),
        }
    }

    /// The outcomes that a status document tells, by id, which is empty where there is none.
    ///
    /// # Panics
    /// It is none of this connector.
    pub(super) fn read_status(self, document: &str) -> Vec<(String, Ending)> {
        let document: Value = serde_json::from_str(document).expect("a status is JSON");
        match self {
            Self::Firehose => {
                let entries = document["response"].as_array();
                let entries = entries.expect("a status has a list").iter();
                entries
                    .map(|entry| Ending::read(&entry["id"], &entry["status"], &entry["ErrorCode"]))
                    .collect()
            }
            Self::IotAnalytics => {
                let response = &document["response"];
                let (status, error) = (&response["status"], &response["error"]);
                vec![Ending::read(&document["id"], status, error)]
            }
        }
    }
}

/// What a device hears of its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Success,
    /// With the error's code.
    Fail(String),
}

impl Ending {
    fn read(id: &Value, status: &Value, code: &Value) -> (String, Self) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let ending = match text(status).as_deref() {
            Some("success") => Self::Success,
            Some("fail") => Self::Fail(text(code).expect("an error has a code")),
            _ => panic!("no status: {status}"),
        };
        (text(id).unwrap_or_default(), ending)
    }
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The service takes it.
    Good,
    /// The service refuses every batch that it is in.
    Poison,
    /// It does not follow the contract, and becomes no record.
    Invalid,
}

/// A message, whose id says everything about it: `firehose-3-1217-good`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Id {
    pub(super) way: Way,
    pub(super) publisher: usize,
    pub(super) number: u64,
}

impl Id {
    /// About one message in a hundred is poison, and one in fifty is invalid.
    pub(super) fn kind(self) -> Kind {
        match (self.number + 31 * self.publisher as u64) % 100 {
            17 => Kind::Poison,
            43 | 71 => Kind::Invalid,
            _ => Kind::Good,
        }
    }

    pub(super) fn text(self) -> String {
        let kind = match self.kind() {
            Kind::Good => "good",
            Kind::Poison => "poison",
            Kind::Invalid => "invalid",
        };
        let Self {
            way,
            publisher,
            number,
        } = self;
        format!("{}-{publisher}-{number}-{kind}", way.name())
    }

    /// Reads an id of this way; `None` for a text that no message has.
    pub(super) fn read(way: Way, text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(way.name())?.split('-').skip(1);
        let id = Self {
            way,
            publisher: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        (id.text() == text).then_some(id)
    }

    /// Whether it is published as raw bytes with the id in the topic, which the Firehose
    /// connector takes for its default stream.
    fn is_binary(self) -> bool {
        self.way == Way::Firehose
            && self.way.destination(self.publisher) == "even"
            && self.number.is_multiple_of(5)
            && self.kind() != Kind::Invalid
    }

    /// Whether the service refuses a record.
    pub(super) fn is_poison(record: &[u8]) -> bool {
        record.ends_with(b"-poison")
    }
}

/// The publishers of a way: a record is the id of its message.
impl Speech for Way {
    fn topic(&self, publisher: usize, number: u64) -> String {
        let id = Id {
            way: *self,
            publisher,
            number,
        };
        match self {
            Self::Firehose if id.is_binary() => {
                format!("kinesisfirehose/message/binary/{}", id.text())
            }
            Self::Firehose => "kinesisfirehose/message".to_owned(),
            Self::IotAnalytics => format!(
                "iotanalytics/channels/{}/messages/put",
                self.destination(publisher)
            ),
        }
    }

    fn payload(&self, publisher: usize, number: u64) -> Vec<u8> {
        let id = Id {
            way: *self,
            publisher,
            number,
        };
        if id.is_binary() {
            return id.text().into_bytes();
        }
        let record = match id.kind() {
            Kind::Invalid => json!(7),
            Kind::Good | Kind::Poison => json!(id.text()),
        };
        let request = match self {
            Self::Firehose => {
                json!({"data": record, "delivery_stream_arn": self.full_destination(publisher)})
            }
            Self::IotAnalytics => json!({"message": record}),
        };
        json!({"id": id.text(), "request": request})
            .to_string()
            .into_bytes()
    }
}
