//! Milliseconds since the Unix epoch, in JSON as RFC 3339 has them.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// `1_795_169_700_250` as `2026-11-20T10:15:00.250Z`.
#[must_use]
pub fn rfc_3339(millis: u64) -> String {
    // Beyond it are years that have five digits.
    let millis = millis.min(253_402_300_799_999);
    let time = UNIX_EPOCH + Duration::from_millis(millis);
    humantime::format_rfc3339_millis(time).to_string()
}

pub(super) fn serialize<S: Serializer>(
    time: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(rfc_3339).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let time = text.map(|text| super::moment(&text, 0).map_err(D::Error::custom));
    time.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_is_read() {
        #[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
        struct Row(#[serde(with = "super")] Option<u64>);

        let row = Row(Some(1_795_169_700_250));
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, "\"2026-11-20T10:15:00.250Z\"");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
        assert_eq!(serde_json::to_string(&Row(None)).unwrap(), "null");
        assert_eq!(serde_json::from_str::<Row>("null").unwrap(), Row(None));
        assert_eq!(rfc_3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
