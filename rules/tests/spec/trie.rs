//! The trie against a plain list of filters and values.

use perennial_rules::{FilterTrie, TopicFilter, TopicName};
use proptest::prelude::*;

use crate::{filters, naive};

/// What happens to a trie and its model; values are numbered as they come.
#[derive(Clone, Debug)]
enum Step {
    Insert(TopicFilter),
    /// Removes the values with this remainder by three under the filter of an earlier
    /// step, or under all values with none.
    Remove(prop::sample::Index, Option<usize>),
    RemoveUnknown(TopicFilter),
    Visit(TopicName),
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>();
    let remainder = prop::option::of(0_usize..3);
    prop_oneof![
        6 => filters::filter().prop_map(Step::Insert),
        3 => (which, remainder).prop_map(|(which, rest)| Step::Remove(which, rest)),
        1 => filters::filter().prop_map(Step::RemoveUnknown),
        4 => filters::topic().prop_map(Step::Visit),
    ]
}

fn visited(trie: &FilterTrie<usize>, topic: &TopicName) -> Vec<usize> {
    let mut values = Vec::new();
    trie.visit(topic, |value| values.push(*value));
    values.sort_unstable();
    values
}

/// The same filters and values as a list, and how they are matched.
#[derive(Default)]
struct Model(Vec<(TopicFilter, usize)>);

impl Model {
    fn remove(&mut self, filter: &TopicFilter, condemned: impl Fn(&usize) -> bool) -> usize {
        let before = self.0.len();
        self.0
            .retain(|(other, value)| other.pattern() != filter.pattern() || !condemned(value));
        before - self.0.len()
    }

    fn visited(&self, topic: &TopicName) -> Vec<usize> {
        let matching = self.0.iter();
        matching
            .filter(|(filter, _)| naive::matches(filter.pattern(), topic))
            .map(|(_, value)| *value)
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_trie_finds_what_a_list_finds(
        steps in prop::collection::vec(step(), 1..120),
        topics in prop::collection::vec(filters::topic(), 1..20),
    ) {
        let mut trie = FilterTrie::new();
        let mut model = Model::default();
        for (value, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(filter) => {
                    trie.insert(&filter, value);
                    model.0.push((filter, value));
                }
                Step::Remove(which, remainder) if !model.0.is_empty() => {
                    let filter = which.get(&model.0).0.clone();
                    let condemned =
                        |value: &usize| remainder.is_none_or(|remainder| value % 3 == remainder);
                    let removed = trie.remove(&filter, condemned);
                    prop_assert_eq!(removed, model.remove(&filter, condemned));
                }
                Step::Remove(..) => {}
                Step::RemoveUnknown(filter) => {
                    let removed = trie.remove(&filter, |_| true);
                    prop_assert_eq!(removed, model.remove(&filter, |_| true));
                }
                Step::Visit(topic) => {
                    prop_assert_eq!(visited(&trie, &topic), model.visited(&topic));
                }
            }
            prop_assert_eq!(trie.len(), model.0.len());
            prop_assert_eq!(trie.is_empty(), model.0.is_empty());
        }
        let copy = trie.clone();
        for topic in &topics {
            prop_assert_eq!(visited(&trie, topic), model.visited(topic));
        }
        for (filter, value) in std::mem::take(&mut model.0) {
            prop_assert_eq!(trie.remove(&filter, |other| *other == value), 1);
            model.0.push((filter, value));
        }
        prop_assert!(trie.is_empty());
        for topic in &topics {
            prop_assert_eq!(visited(&trie, topic), Vec::<usize>::new());
            prop_assert_eq!(visited(&copy, topic), model.visited(topic));
        }
    }
}

fn filter(text: &str) -> TopicFilter {
    text.parse().expect("the filter is valid")
}

#[test]
fn a_value_under_several_matching_filters_is_visited_for_each() {
    let mut trie = FilterTrie::new();
    for text in ["a/b", "a/+", "+/b", "+/+", "a/#", "a/b/#", "#", "+/#"] {
        trie.insert(&filter(text), 7);
    }
    trie.insert(&filter("a/b"), 7);
    trie.insert(&filter("$share/g/a/b"), 8);
    for text in ["b/#", "a", "a/b/c", "+", "+/+/+", "a/b/+"] {
        trie.insert(&filter(text), 9);
    }
    let seen = visited(&trie, &TopicName::parse("a/b").unwrap());
    assert_eq!(seen, [7, 7, 7, 7, 7, 7, 7, 7, 7, 8]);
}

/// The deepest topics there are, in a thread whose stack would not hold a frame for
/// each level.
#[test]
fn the_deepest_topics_need_no_stack() {
    let run = || {
        let levels = 65_535 / 2;
        let topic = TopicName::parse("a/".repeat(levels)).unwrap();
        let deep = [
            "a/".repeat(levels),
            "+/".repeat(levels),
            "a/+/".repeat(levels / 2) + "#",
            "+/a/".repeat(levels / 2) + "#",
            "+/".repeat(levels - 1) + "a/#",
        ];
        let mut trie = FilterTrie::new();
        for (value, text) in deep.iter().enumerate() {
            trie.insert(&filter(text), value);
            assert!(filter(text).matches(&topic), "{value}");
        }
        for depth in 1..2_000 {
            trie.insert(&filter(&("a/".repeat(depth) + "+/b")), 5);
        }
        assert_eq!(visited(&trie, &topic), [0, 1, 2, 3, 4]);
        let slashes = TopicName::parse("/".repeat(65_535)).unwrap();
        trie.insert(&filter(&"/".repeat(65_535)), 6);
        trie.insert(&filter("#"), 7);
        assert_eq!(visited(&trie, &slashes), [6, 7]);
        drop(trie.clone());
        for text in &deep {
            assert_eq!(trie.remove(&filter(text), |_| true), 1);
        }
        assert_eq!(visited(&trie, &topic), [7]);
    };
    let thread = std::thread::Builder::new().stack_size(64 * 1024);
    thread.spawn(run).unwrap().join().unwrap();
}
