//! The filter trie: which values are filed under the filters that match a topic.
//!
//! - A match walks only the branches that the topic takes. It costs the same with ten
//!   unrelated filters as with a hundred thousand, and allocates nothing.
//! - Levels that lie between two forks are one node, so a filter adds its own text and
//!   at most two nodes, however many levels it has.
//! - Nothing recurses: the depth of a topic is bounded by the packet, not by the stack.
//! - What is removed leaves nothing behind: no nodes, and no room kept for many more.

mod nodes;
#[cfg(test)]
mod tests;
mod values;
mod walk;

use std::fmt;

use self::nodes::{NodeId, Nodes};
use self::walk::Walk;
use crate::levels;
use crate::{TopicFilter, TopicName};

/// Values filed under topic filters, found by topic.
///
/// A filter counts by its [pattern](TopicFilter::pattern): filters that differ only in
/// their share group are one here, and a value may hold the group it belongs to. How many
/// filters there may be is for the owner to bound; the trie takes what it is given.
#[derive(Clone)]
pub struct FilterTrie<V> {
    nodes: Nodes<V>,
    len: usize,
}

impl<V> FilterTrie<V> {
    /// An empty trie.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: Nodes::new(),
            len: 0,
        }
    }

    /// Files `value` under the pattern of `filter`, beside what is already there.
    pub fn insert(&mut self, filter: &TopicFilter, value: V) {
        let (path, reach) = filter.path();
        let id = self.make(path);
        self.nodes[id].values.push(reach, value);
        self.len += 1;
    }

    /// Removes the values under the pattern of `filter` that are `condemned`; how many
    /// they were.
    pub fn remove(&mut self, filter: &TopicFilter, condemned: impl FnMut(&V) -> bool) -> usize {
        let (path, reach) = filter.path();
        let Some(id) = self.find(path) else {
            return 0;
        };
        let removed = self.nodes[id].values.remove(reach, condemned);
        if removed > 0 {
            self.len -= removed;
            self.nodes.prune(id);
        }
        removed
    }

    /// Shows `visit` each value whose filter matches `topic`, in no particular order.
    ///
    /// A value filed under several filters that match is shown once for each.
    pub fn visit(&self, topic: &TopicName, mut visit: impl FnMut(&V)) {
        let mut walk = Walk::new(&self.nodes, topic);
        loop {
            walk.matching().for_each(&mut visit);
            if !walk.advance() {
                return;
            }
        }
    }

    /// How many values are filed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no value is filed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The node at the end of `path`, which is made if need be.
    fn make(&mut self, path: Option<&str>) -> NodeId {
        let mut id = NodeId::ROOT;
        let mut rest = path;
        while let Some(path) = rest {
            let Some(child) = self.nodes.child(id, levels::first(path)) else {
                return self.nodes.add(id, path);
            };
            let shared = levels::shared(&self.nodes[child].path, path);
            id = self.nodes.split(child, shared);
            rest = path.get(shared + 1..);
        }
        id
    }

    /// The node at the end of `path`, if there is one.
    fn find(&self, path: Option<&str>) -> Option<NodeId> {
        let mut id = NodeId::ROOT;
        let mut rest = path;
        while let Some(path) = rest {
            id = self.nodes.child(id, levels::first(path))?;
            let behind = path.strip_prefix(&*self.nodes[id].path)?;
            rest = match behind.strip_prefix('/') {
                None if behind.is_empty() => None,
                rest => Some(rest?),
            };
        }
        Some(id)
    }
}

impl<V> Default for FilterTrie<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for FilterTrie<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterTrie")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
