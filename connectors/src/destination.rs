//! From a destination in the words of a contract to one in those of an upstream.

use std::borrow::Cow;

use crate::{
    Settings,
    delivery_stream::DeliveryStreamArn,
    template::{InvalidTemplate, Template},
};

/// What a template can take from a destination in the words of a contract.
const VARIABLES: &[&str] = &["destination", "channel", "stream", "region", "account"];

/// A template for a destination, such as `iot-${channel}`.
///
/// `${channel}` and `${stream}` are the name in the ARN of a delivery stream, and the whole
/// destination where it is no ARN. `${region}` and `${account}` are those of the ARN.
#[derive(Clone, Debug)]
pub(crate) struct DestinationTemplate(Template);

impl DestinationTemplate {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        Template::parse(text, VARIABLES).map(Self)
    }

    /// What is written under `key`, if anything is; `None` when an error was recorded.
    pub(crate) fn from_settings(
        key: &str,
        settings: &mut dyn Settings,
    ) -> Option<Option<DestinationTemplate>> {
        let Some(text) = settings.text(key) else {
            return Some(None);
        };
        match Self::parse(&text) {
            Ok(template) => Some(Some(template)),
            Err(error) => {
                settings.refuse(key, error.to_string());
                None
            }
        }
    }

    /// The text for `destination`, in the words of the contract.
    ///
    /// # Errors
    /// What the template needs and `destination` does not have, worded for a person.
    pub(crate) fn locate(&self, destination: &str) -> Result<String, String> {
        self.locate_with(destination, Cow::Borrowed)
    }

    /// As [`locate`](Self::locate), with what `write` makes of each value.
    pub(crate) fn locate_with<'a>(
        &self,
        destination: &'a str,
        write: impl Fn(&'a str) -> Cow<'a, str>,
    ) -> Result<String, String> {
        let words = Words::of(destination);
        if words.arn.is_none() && (self.0.uses("region") || self.0.uses("account")) {
            return Err(format!(
                "\"{destination}\" names no region and no account, which the template needs"
            ));
        }
        Ok(self.0.expand(|name| write(words.value(name))))
    }
}

/// A destination and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    destination: &'a str,
    arn: Option<DeliveryStreamArn<'a>>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(destination: &'a str) -> Self {
        Self {
            destination,
            arn: DeliveryStreamArn::parse(destination).ok(),
        }
    }

    /// The value of a variable; for one that is not in it the whole destination.
    pub(crate) fn value(&self, name: &str) -> &'a str {
        match (name, &self.arn) {
            ("channel" | "stream", Some(arn)) => arn.name(),
            ("region", Some(arn)) => arn.region(),
            ("account", Some(arn)) => arn.account(),
            _ => self.destination,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-a";

    fn locate(template: &str, destination: &str) -> Result<String, String> {
        DestinationTemplate::parse(template)
            .unwrap()
            .locate(destination)
    }

    #[test]
    fn a_name_is_channel_stream_and_destination() {
        let template = "${channel}/${stream}/${destination}";
        assert_eq!(
            locate(template, "telemetry").unwrap(),
            "telemetry/telemetry/telemetry"
        );
    }

    #[test]
    fn an_arn_is_taken_apart() {
        let template = "${region}/${account}/${stream}/${channel}";
        assert_eq!(
            locate(template, ARN).unwrap(),
            "eu-west-1/123456789012/stream-a/stream-a"
        );
        assert_eq!(locate("${destination}", ARN).unwrap(), ARN);
    }

    #[test]
    fn what_a_name_does_not_say_is_an_error() {
        for template in ["${region}", "${account}-x"] {
            assert_eq!(
                locate(template, "telemetry").unwrap_err(),
                "\"telemetry\" names no region and no account, which the template needs"
            );
        }
    }

    #[test]
    fn values_are_written_as_the_place_needs_it() {
        let template = DestinationTemplate::parse("a b/${channel}").unwrap();
        let upper = |value: &str| Cow::Owned(value.to_uppercase());
        assert_eq!(template.locate_with("c d", upper).unwrap(), "a b/C D");
    }
}
