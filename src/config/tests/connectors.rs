//! What is wrong with connectors and rules.

use super::*;

#[test]
fn unknown_kinds_are_answered_with_those_that_there_are() {
    let text = "[[connector]]\nname = \"a\"\ncontract = \"firehos\"\nupstream = \"fil\"\n\
                parameters = { anything = 1 }\n";
    assert_eq!(
        problems(text),
        "p.toml:3:12: unknown contract \"firehos\"; there are: \"firehose\", \"iot-analytics\", \"plain\"\n\
         p.toml:4:12: unknown upstream \"fil\"; there are: \"file\", \"firehose\", \"http\", \"iot-analytics\", \"kinesis\", \"s3\", \"sqs\""
    );
}

#[test]
fn a_connector_needs_a_name_a_contract_and_an_upstream() {
    assert_eq!(
        problems("\n  [[connector]]\n"),
        "p.toml:2:3: `contract` is missing in `connector`; right would be: contract = \"firehose\"\n\
         p.toml:2:3: `name` is missing in `connector`; right would be: name = \"firehose\"\n\
         p.toml:2:3: `upstream` is missing in `connector`; right would be: upstream = \"file\""
    );
}

#[test]
fn a_connectors_name_is_its_own_and_fits_into_a_metric() {
    let text = format!("{ARCHIVE_RULE}{CONNECTORS}")
        .replace("\"firehose\"\ncontract", "\"archive\"\ncontract");
    assert_eq!(
        problems(&text),
        "p.toml:13:8: `name`: a connector above is called \"archive\"; each has its own name"
    );
    let long = "n".repeat(65);
    for (name, found) in [
        ("a b", "a b"),
        ("", ""),
        (long.as_str(), &format!("{}...", &long[..60])),
    ] {
        let text = format!("{ARCHIVE_RULE}{CONNECTORS}")
            .replace("\"firehose\"\ncontract", &format!("\"{name}\"\ncontract"));
        assert_eq!(
            problems(&text),
            format!(
                "p.toml:6:8: `name`: a name has 1 to 64 letters, digits, '-' and '_', found \"{found}\""
            )
        );
    }
}

#[test]
fn an_invalid_arn_is_refused_with_the_part_that_is_wrong() {
    let text = format!("{CONNECTORS}{ARCHIVE_RULE}").replace(":123456789012:", ":1234:");
    let told = problems(&text);
    let why = told.strip_prefix("p.toml:7:31: `default_delivery_stream_arn`: ");
    let why = why.unwrap_or_else(|| panic!("{told}"));
    assert!(
        why.contains("its account is \"1234\"; it has twelve digits"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    let text = format!("{CONNECTORS}{ARCHIVE_RULE}").replace("default_delivery", "delivery");
    assert_eq!(
        problems(&text),
        "p.toml:6:1: `default_delivery_stream_arn` is missing in `connector.parameters`; right would be: \
         default_delivery_stream_arn = \"arn:aws:firehose:us-east-1:123456789012:deliverystream/my-stream\"\n\
         p.toml:7:1: unknown key `delivery_stream_arn`; did you mean `default_delivery_stream_arn`?"
    );
}

#[test]
fn a_destination_that_the_upstream_cannot_send_to_is_refused() {
    let text = CONNECTORS
        .replace("upstream = \"file\"", "upstream = \"firehose\"")
        .replace(
            "destination = \"archive\"",
            "destination = \"not a stream\"",
        )
        .replace("path = \"archive\"", "");
    let told = problems(&format!("{text}{ARCHIVE_RULE}"));
    let begin = "p.toml:12:12: `upstream`: it cannot send where the contract does: ";
    let why = told.strip_prefix(begin);
    assert!(
        why.is_some_and(|why| why.contains("\"not a stream\"")),
        "{told}"
    );
}

#[test]
fn two_connectors_do_not_write_to_one_path() {
    let text = CONNECTORS.replacen(
        "upstream = \"firehose\"",
        "upstream = \"file\"\nupstream_parameters.path = \"archive\"",
        1,
    );
    assert_eq!(
        problems(&format!("{text}{ARCHIVE_RULE}")),
        "p.toml:17:8: `path`: connector \"firehose\" writes there; each needs its own path"
    );
}

#[test]
fn waiting_does_not_shrink_between_retries() {
    let text = CONNECTORS.replace(
        "contract = \"plain\"",
        "contract = \"plain\"\nretry = { initial = 2, max = 1 }",
    );
    assert_eq!(
        problems(&format!("{text}{ARCHIVE_RULE}")),
        "p.toml:12:30: `max`: it is less than `initial`; waiting grows from `initial` to `max`"
    );
    let text = text.replace("initial = 2, max = 1", "initial = 60");
    let config = read(&format!("{text}{ARCHIVE_RULE}"));
    let retry = config.connectors[1].delivery.retry;
    assert_eq!(
        (retry.initial, retry.max),
        (Duration::from_secs(60), Duration::from_secs(60))
    );
}

#[test]
fn an_invalid_filter_is_refused_with_what_is_wrong_with_it() {
    let rule = |filter| ARCHIVE_RULE.replace("a/#", filter);
    for filter in ["sensors/#/x", "+a", ""] {
        let error = filter.parse::<TopicFilter>().unwrap_err();
        assert_eq!(
            problems(&format!("{CONNECTORS}{}", rule(filter))),
            format!("p.toml:19:10: `filter`: {error}")
        );
    }
    assert_eq!(
        problems(&format!("{CONNECTORS}{}", rule("$share/group/sensors/#"))),
        "p.toml:19:10: `filter`: a rule shares its publishes with nobody; write \"sensors/#\""
    );
    assert_eq!(
        problems(&format!("{CONNECTORS}{ARCHIVE_RULE}{ARCHIVE_RULE}")),
        "p.toml:22:10: `filter`: a rule above has the same filter and connector; one is enough"
    );
}

#[test]
fn a_rule_for_a_connector_that_is_not_there_is_answered_with_those_that_are() {
    let rule = "[[rule]]\nfilter = \"b/#\"\nconnector = \"firehos\"\n";
    assert_eq!(
        problems(&format!("{CONNECTORS}{ARCHIVE_RULE}{rule}")),
        "p.toml:23:13: unknown connector \"firehos\"; defined are: \"firehose\", \"archive\""
    );
    assert_eq!(
        problems(rule),
        "p.toml:3:13: unknown connector \"firehos\"; no [[connector]] is defined"
    );
    assert_eq!(
        problems("rule = [{}]"),
        "p.toml:1:9: `connector` is missing in `rule`; right would be: connector = \"firehose\"\n\
         p.toml:1:9: `filter` is missing in `rule`; right would be: filter = \"sensors/#\""
    );
}

#[test]
fn a_rule_for_a_connector_with_an_error_is_not_called_wrong_too() {
    let text = CONNECTORS.replace("\"plain\"", "\"plane\"");
    assert_eq!(
        problems(&format!("{text}{ARCHIVE_RULE}")),
        "p.toml:11:12: unknown contract \"plane\"; there are: \"firehose\", \"iot-analytics\", \"plain\""
    );
}

#[test]
fn a_connector_that_gets_nothing_is_refused() {
    assert_eq!(
        problems(CONNECTORS),
        "p.toml:9:1: connector \"archive\" gets nothing, because contract \"plain\" has no topics of \
         its own; right would be: [[rule]] with a filter and connector = \"archive\""
    );
}

const ANALYTICS: &str = r#"
[[connector]]
name = "analytics"
contract = "iot-analytics"
parameters = { PublishRegion = "eu-west-1" }
upstream = "iot-analytics"
"#;

#[test]
fn a_region_among_the_parameters_of_a_contract_and_another_one_for_its_upstream_are_refused() {
    let same = format!("{ANALYTICS}upstream_parameters = {{ region = \"eu-west-1\" }}\n");
    read(&same);
    let other = format!("{ANALYTICS}upstream_parameters = {{ region = \"us-east-1\" }}\n");
    assert_eq!(
        problems(&other),
        "p.toml:7:34: `region`: it is \"us-east-1\", and the region among the contract's \
         parameters is \"eu-west-1\"; one is enough"
    );
}
