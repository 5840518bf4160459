//! What a topic cannot tell from outside: that the trie stays small.

use std::collections::HashSet;

use proptest::prelude::*;

use super::nodes::{Node, NodeId};
use super::*;

fn filter(text: &str) -> TopicFilter {
    text.parse().unwrap()
}

/// Checks what `nodes` promises of its nodes, and that all of them are in reach.
fn check<V>(trie: &FilterTrie<V>) {
    let nodes = &trie.nodes;
    let unused: HashSet<NodeId> = nodes.unused.iter().copied().collect();
    assert_eq!(unused.len(), nodes.unused.len(), "a place is unused twice");
    assert!(nodes.named.len() < nodes.nodes.len());
    let mut values = nodes[NodeId::ROOT].values.exact().len();
    assert_eq!(values, 0, "nothing is filed under no level at all");
    values += nodes[NodeId::ROOT].values.subtree().len();
    let mut named = 0;
    for id in (1..nodes.nodes.len()).map(NodeId::at) {
        if unused.contains(&id) {
            continue;
        }
        let node = &nodes[id];
        assert!(!unused.contains(&node.parent));
        let level = levels::first(&node.path);
        assert_eq!(nodes.child(node.parent, level), Some(id));
        named += usize::from(level != "+");
        let forks = node.named + u32::from(node.plus.is_some());
        assert!(forks >= 2 || !node.values.is_empty(), "{:?}", node.path);
        values += node.values.exact().len() + node.values.subtree().len();
    }
    assert_eq!(nodes.named.len(), named);
    assert_eq!(trie.len(), values);
}

fn used<V>(trie: &FilterTrie<V>) -> usize {
    trie.nodes.nodes.len() - trie.nodes.unused.len()
}

#[test]
fn a_node_with_a_shared_pointer_takes_48_bytes() {
    assert_eq!(size_of::<Node<std::sync::Arc<str>>>(), 56);
    assert_eq!(size_of::<Node<std::sync::Arc<u8>>>(), 48);
}

#[test]
fn a_filter_of_65535_levels_is_one_node_and_a_fork_in_it_two_more() {
    let mut trie = FilterTrie::new();
    trie.insert(&filter(&"/".repeat(65_534)), 'a');
    assert_eq!(used(&trie), 2);
    trie.insert(&filter(&format!("{}x/#", "/".repeat(30_000))), 'b');
    assert_eq!(used(&trie), 4);
    check(&trie);
    assert_eq!(trie.remove(&filter(&"/".repeat(65_534)), |_| true), 1);
    assert_eq!(used(&trie), 2);
    check(&trie);
}

#[test]
fn filters_that_came_and_went_leave_no_memory_behind() {
    let mut trie = FilterTrie::new();
    let filters: Vec<_> = (0..10_000)
        .flat_map(|thing| {
            [
                format!("fleet/{thing}/+/status"),
                format!("fleet/{thing}/log"),
            ]
        })
        .map(|text| filter(&text))
        .collect();
    for (value, filter) in filters.iter().enumerate() {
        trie.insert(filter, value);
    }
    assert!(used(&trie) > 30_000);
    let stays = |value: usize| value % 2_000 >= 1_998;
    for (value, filter) in filters.iter().enumerate() {
        assert_eq!(
            trie.remove(filter, |value| !stays(*value)),
            usize::from(!stays(value))
        );
    }
    check(&trie);
    assert_eq!(trie.len(), 20);
    assert_eq!(
        used(&trie),
        32,
        "the root, `fleet`, and a fork with two leaves ten times"
    );
    assert!(trie.nodes.nodes.capacity() <= 6 * nodes::FEW);
    assert!(trie.nodes.unused.capacity() <= 6 * nodes::FEW);
    assert!(trie.nodes.named.capacity() <= 6 * nodes::FEW);
    for (value, filter) in filters.iter().enumerate() {
        let mut seen = Vec::new();
        let topic = TopicName::parse(filter.as_str().replace('+', "x")).unwrap();
        trie.visit(&topic, |value| seen.push(*value));
        let expected: Vec<_> = Some(value)
            .filter(|value| stays(*value))
            .into_iter()
            .collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn many_values_under_one_filter_give_their_memory_back() {
    let mut trie = FilterTrie::new();
    let shared = filter("a/#");
    for value in 0..10_000 {
        trie.insert(&shared, value);
    }
    assert_eq!(trie.remove(&shared, |value| *value >= 10), 9_990);
    let id = trie.find(Some("a")).unwrap();
    let values::Values::Many(lists) = &trie.nodes[id].values else {
        panic!("ten values are many");
    };
    assert!(lists.subtree.capacity() <= 20);
    assert_eq!(trie.remove(&shared, |value| *value != 3), 9);
    assert!(matches!(trie.nodes[id].values, values::Values::Subtree(3)));
}

fn level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["", "+", "a", "b", "ab", "ä", "$x"][..])
}

fn any_filter() -> impl Strategy<Value = TopicFilter> {
    let levels = prop::collection::vec(level(), 1..6);
    (levels, any::<bool>()).prop_map(|(levels, subtree)| {
        let end = if subtree { "/#" } else { "" };
        // One level that is empty, alone, is no filter; `#` alone is reached from it.
        match levels.join("/") + end {
            text if text.is_empty() => filter("#"),
            text => filter(&text),
        }
    })
}

proptest! {
    #[test]
    fn the_trie_stays_compact_through_any_changes(
        changes in prop::collection::vec((any_filter(), any::<bool>()), 0..60),
    ) {
        let mut trie = FilterTrie::new();
        for (filter, insert) in &changes {
            if *insert {
                trie.insert(filter, ());
            } else {
                trie.remove(filter, |()| true);
            }
            check(&trie);
        }
        for (filter, _) in &changes {
            trie.remove(filter, |()| true);
            check(&trie);
        }
        prop_assert!(trie.is_empty());
        prop_assert_eq!(used(&trie), 1);
        prop_assert!(trie.nodes.named.is_empty());
    }
}
