//! Shared subscriptions: each message goes to one member, in turn, and to one that is there.

use crate::support::{
    client::{Client, MARKER},
    gateway::Gateway,
    hello::Hello,
    version::Version::{V5, V311},
};

const GROUP: &str = "$share/group/t";

fn member(gateway: &Gateway, hello: &Hello) -> Client {
    let mut client = hello.connect(gateway.address());
    client.subscribe(GROUP, 1);
    client
}

fn publisher(gateway: &Gateway) -> Client {
    Hello::new(V5, "publisher").connect(gateway.address())
}

fn publish(gateway: &Gateway, numbers: std::ops::Range<usize>) {
    let mut publisher = publisher(gateway);
    for number in numbers {
        publisher.publish(1, "t", &number.to_string());
    }
}

/// What has come to a client before a message to it alone, which QoS 1 keeps in order.
pub(super) fn taken(client: &mut Client, name: &str) -> Vec<usize> {
    client.subscribe(name, 1);
    client.publish(1, name, MARKER);
    let taken = client.take_until_marker();
    client.unsubscribe(name);
    taken
        .iter()
        .map(|payload| payload.parse().unwrap())
        .collect()
}

fn sorted(parts: &[Vec<usize>]) -> Vec<usize> {
    let mut all = parts.concat();
    all.sort_unstable();
    all
}

#[test]
fn three_members_get_a_third_each_and_every_message_once_in_all() {
    for kind in [Hello::new, Hello::lasting] {
        let gateway = Gateway::start("");
        let mut members = [
            member(&gateway, &kind(V311, "one")),
            member(&gateway, &kind(V5, "two")),
            member(&gateway, &kind(V5, "three")),
        ];
        publish(&gateway, 0..90);
        let parts = members.each_mut().map(|member| taken(member, "own"));
        assert_eq!(sorted(&parts), (0..90).collect::<Vec<_>>());
        assert_eq!(parts.each_ref().map(Vec::len), [30; 3]);
        // Each has its part in order.
        assert!(parts.iter().all(|part| part.is_sorted()));
    }
}

#[test]
fn who_is_away_is_passed_over_and_the_others_share_evenly() {
    let gateway = Gateway::start("");
    let away = Hello::lasting(V5, "away");
    member(&gateway, &away).disconnect();
    let mut members = [
        member(&gateway, &Hello::lasting(V5, "one")),
        member(&gateway, &Hello::new(V311, "two")),
        member(&gateway, &Hello::lasting(V311, "three")),
    ];
    publish(&gateway, 0..90);
    let parts = members.each_mut().map(|member| taken(member, "own"));
    assert_eq!(sorted(&parts), (0..90).collect::<Vec<_>>());
    assert_eq!(parts.each_ref().map(Vec::len), [30; 3]);
    assert!(taken(&mut away.connect(gateway.address()), "own").is_empty());
}

#[test]
fn the_last_member_that_is_away_finds_what_came_meanwhile() {
    for version in [V311, V5] {
        let mut gateway = Gateway::start("");
        let hello = Hello::lasting(version, "only");
        member(&gateway, &hello).disconnect();
        publish(&gateway, 0..20);
        gateway.kill9();
        gateway.restart();
        publish(&gateway, 20..30);
        let mut only = hello.connect(gateway.address());
        assert_eq!(taken(&mut only, "own"), (0..30).collect::<Vec<_>>());
    }
}

#[test]
fn a_member_with_a_subscription_of_its_own_gets_its_share_beside_all() {
    for kind in [Hello::new, Hello::lasting] {
        let gateway = Gateway::start("");
        let mut both = member(&gateway, &kind(V5, "both"));
        both.subscribe("t", 1);
        let mut other = member(&gateway, &kind(V5, "other"));
        publish(&gateway, 0..40);
        let (both, other) = (taken(&mut both, "own"), taken(&mut other, "own"));
        assert_eq!((both.len(), other.len()), (60, 20));
        let twice = both
            .iter()
            .filter(|number| both.iter().filter(|other| other == number).count() == 2);
        let shared: Vec<usize> = twice.copied().collect();
        assert_eq!(
            sorted(&[shared, other.clone(), other]),
            (0..40).flat_map(|number| [number; 2]).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_group_whose_members_have_all_gone_keeps_nothing() {
    let gateway = Gateway::start("");
    member(&gateway, &Hello::new(V5, "passing")).disconnect();
    let hello = Hello::lasting(V5, "lasting");
    let mut lasting = member(&gateway, &hello);
    lasting.unsubscribe(GROUP);
    publish(&gateway, 0..5);
    assert!(taken(&mut lasting, "own").is_empty());
    let mut again = member(&gateway, &Hello::new(V5, "passing"));
    publish(&gateway, 5..6);
    assert_eq!(taken(&mut again, "own"), [5]);
}
