//! Subscription identifiers (3.3.2.3.8, 3.8.2.1.2).

use super::{
    build::{Publish, subscribe},
    client::Client,
    prop, read,
    reason::PROTOCOL_ERROR,
};
use crate::support::gateway::Gateway;

/// The copies of a message on `a/b` that `client` gets, which it has published itself.
#[track_caller]
fn copies(client: &mut Client) -> Vec<read::Publish> {
    client.sends(Publish::new("a/b", ""), 0);
    client.sends(Publish::new("marker", ""), 0);
    std::iter::from_fn(|| Some(client.take()).filter(|publish| publish.topic != "marker")).collect()
}

/// All subscription identifiers in `copies`, in ascending order.
fn ids(copies: &[read::Publish]) -> Vec<u32> {
    let mut ids: Vec<u32> = copies
        .iter()
        .flat_map(|publish| publish.properties.subscription_ids())
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn mqtt_3_3_4_3_and_3_3_4_4_and_3_3_4_5_deliveries_name_the_subscriptions_that_caused_them() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.subscribe("marker", 0);
    client.subscribe_with(&prop::subscription_id(7), &[("a/b", 0), ("c", 0)]);
    assert_eq!(ids(&copies(&mut client)), [7]);
    client.subscribe_with(&prop::subscription_id(268_435_455), &[("a/+", 0)]);
    client.subscribe("a/#", 0);
    client.subscribe_with(&prop::subscription_id(9), &[("+/b/c", 0)]);

    let copies_of_three = copies(&mut client);
    assert_eq!(ids(&copies_of_three), [7, 268_435_455]);
    // One copy has both; of several each has its own.
    match copies_of_three.as_slice() {
        [_] => {}
        [_, _, _] => assert!(copies_of_three.iter().all(|copy| ids_of(copy) <= 1)),
        other => panic!("{other:?}"),
    }
}

fn ids_of(copy: &read::Publish) -> usize {
    copy.properties.subscription_ids().len()
}

#[test]
fn mqtt_3_3_4_3_a_subscription_that_is_replaced_has_the_identifier_of_the_new_one() {
    let gateway = Gateway::start("");
    let (mut client, _) = Client::resume(&gateway, "client");
    client.subscribe("marker", 0);
    client.subscribe_with(&prop::subscription_id(1), &[("a/b", 0)]);
    client.subscribe_with(&prop::subscription_id(2), &[("a/b", 0)]);
    assert_eq!(ids(&copies(&mut client)), [2]);
    client.leave();
    let (mut client, _) = Client::resume(&gateway, "client");
    assert_eq!(ids(&copies(&mut client)), [2]);
    client.subscribe("a/b", 0);
    assert_eq!(ids(&copies(&mut client)), [0_u32; 0]);
}

#[test]
fn mqtt_3_3_4_3_a_retained_message_names_the_subscription_that_it_is_sent_for() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.sends(Publish::new("t", "kept").retained(), 1);
    client.subscribe_with(&prop::subscription_id(5), &[("t", 0)]);
    assert_eq!(client.take().properties.subscription_ids(), [5]);
}

#[test]
fn mqtt_4_13_1_1_a_subscription_identifier_of_zero_is_a_protocol_error() {
    let gateway = Gateway::start("");
    let mut client = Client::connect(&gateway, "client");
    client.send(&subscribe(1, &prop::subscription_id(0), &[("t", 0)]));
    client.is_disconnected(&[PROTOCOL_ERROR]);
}
