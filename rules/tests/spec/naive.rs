//! Matching as MQTT 4.7 puts it, clause by clause and with no thought of speed.

use perennial_rules::TopicName;

/// Whether the topic filter `pattern` (no `$share`) matches `topic`.
pub(crate) fn matches(pattern: &str, topic: &TopicName) -> bool {
    // [MQTT-4.7.2-1] The Server MUST NOT match Topic Filters starting with a wildcard
    // character (# or +) with Topic Names beginning with a $ character.
    let starts_with_wildcard = pattern.starts_with('#') || pattern.starts_with('+');
    if starts_with_wildcard && topic.as_str().starts_with('$') {
        return false;
    }
    // 4.7.1.1: The forward slash is used to separate each level within a topic tree.
    let filter_levels: Vec<&str> = pattern.split('/').collect();
    let topic_levels: Vec<&str> = topic.as_str().split('/').collect();
    levels_match(&filter_levels, &topic_levels)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    if filter.is_empty() || topic.is_empty() {
        // 4.7.1.2: The multi-level wildcard represents the parent and any number of
        // child levels.
        return filter == ["#"] || (filter.is_empty() && topic.is_empty());
    }
    if filter[0] == "#" {
        return true;
    }
    // 4.7.1.3: The single-level wildcard matches only one topic level.
    // [MQTT-4.7.3-4] Each non-wildcarded level in the Topic Filter has to match the
    // corresponding level in the Topic Name character for character.
    (filter[0] == "+" || filter[0].chars().eq(topic[0].chars()))
        && levels_match(&filter[1..], &topic[1..])
}

/// Whether `text` is a topic filter without `$share`, by MQTT 4.7.
pub(crate) fn is_pattern(text: &str) -> bool {
    // [MQTT-4.7.3-1] At least one character long; [MQTT-4.7.3-2] no null character.
    if text.is_empty() || text.contains('\0') {
        return false;
    }
    let levels: Vec<&str> = text.split('/').collect();
    levels.iter().enumerate().all(|(index, level)| {
        // [MQTT-4.7.1-1] The multi-level wildcard character MUST be specified either on
        // its own or following a topic level separator. In either case it MUST be the
        // last character specified in the Topic Filter.
        let hash = !level.contains('#') || (*level == "#" && index == levels.len() - 1);
        // [MQTT-4.7.1-2] Where it is used, the single-level wildcard MUST occupy an
        // entire level of the filter.
        let plus = !level.contains('+') || *level == "+";
        hash && plus
    })
}

/// Whether `text` is a topic filter, by MQTT 4.7 and 4.8.2.
pub(crate) fn is_filter(text: &str) -> bool {
    let Some(shared) = text.strip_prefix("$share/") else {
        return is_pattern(text);
    };
    // [MQTT-4.8.2-1] A Shared Subscription's Topic Filter MUST start with $share/ and
    // MUST contain a ShareName that is at least one character long. [MQTT-4.8.2-2] The
    // ShareName MUST NOT contain the characters "/", "+" or "#", but MUST be followed by
    // a "/" character. This "/" character MUST be followed by a Topic Filter.
    match shared.split_once('/') {
        Some((group, pattern)) => {
            !group.is_empty() && !group.contains(['+', '#', '\0']) && is_pattern(pattern)
        }
        None => false,
    }
}
