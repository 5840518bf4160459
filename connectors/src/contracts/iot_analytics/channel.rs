//! Which channel a topic means.

/// What a topic says of its messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target<'a> {
    /// They are JSON requests for a channel, which may not be called so.
    Message(&'a str),
    /// They are raw bytes for a channel, which may not be called so.
    Binary(&'a str),
    /// Nothing: they are for the default channel.
    Default,
}

impl<'a> Target<'a> {
    /// Reads a topic. V1's two are read as they stand; one that merely ends like them is
    /// a rule's, and its messages can be anything.
    pub(super) fn of(topic: &'a str) -> Self {
        let below = topic.strip_prefix("iotanalytics/channels/");
        match below.and_then(|below| below.split_once('/')) {
            Some((channel, "messages/put")) => Self::Message(channel),
            Some((channel, "messages/binary/put")) => Self::Binary(channel),
            _ => Self::Default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_of_v1_names_its_channel_and_no_other_does() {
        for (topic, target) in [
            ("iotanalytics/channels/a/messages/put", Target::Message("a")),
            (
                "iotanalytics/channels/a/messages/binary/put",
                Target::Binary("a"),
            ),
            ("iotanalytics/channels//messages/put", Target::Message("")),
            (
                "iotanalytics/channels/messages/messages/put",
                Target::Message("messages"),
            ),
            ("site/iotanalytics/channels/a/messages/put", Target::Default),
            ("iotanalytics/channels/a/messages/put/", Target::Default),
            ("iotanalytics/channels/a/b/messages/put", Target::Default),
            ("iotanalytics/channels/a/messages/PUT", Target::Default),
            ("iotanalytics/channels/a/messages/binary", Target::Default),
            ("iotanalytics/channels/a", Target::Default),
            ("iotanalytics/channels/", Target::Default),
            ("iotanalytics/messages/put/status", Target::Default),
            ("sensors/1", Target::Default),
        ] {
            assert_eq!(Target::of(topic), target, "{topic}");
        }
    }
}
