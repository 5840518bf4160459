//! The walk of one topic through the trie, without recursion and without a stack.
//!
//! At a node the topic goes on through the child named like its next level and through
//! the child `+`. The walk takes the first and counts the second as open; at a dead end
//! it climbs by the parents' numbers to the nearest open branch. With none open it ends.

use super::nodes::{NodeId, Nodes};
use crate::levels;

pub(super) struct Walk<'a, V> {
    nodes: &'a Nodes<V>,
    topic: &'a str,
    node: NodeId,
    /// Where in the topic the walk stands: behind the levels that led to `node`.
    at: usize,
    /// How many nodes above were left through a named child and have a child `+` too.
    open: usize,
    /// Wildcards at the root do not match a topic that starts with `$` (MQTT-4.7.2-1).
    hidden: bool,
}

impl<'a, V> Walk<'a, V> {
    pub(super) fn new(nodes: &'a Nodes<V>, topic: &'a str) -> Self {
        Self {
            nodes,
            topic,
            node: NodeId::ROOT,
            at: 0,
            open: 0,
            hidden: topic.starts_with('$'),
        }
    }

    /// The values of this node that the topic matches.
    pub(super) fn matching(&self) -> impl Iterator<Item = &'a V> + use<'a, V> {
        let values = &self.nodes[self.node].values;
        let subtree = if self.hides_wildcards(self.node) {
            &[]
        } else {
            values.subtree()
        };
        let exact = if self.is_at_the_end() {
            values.exact()
        } else {
            &[]
        };
        subtree.iter().chain(exact)
    }

    /// Goes to the next node that the topic reaches; whether there is one.
    pub(super) fn advance(&mut self) -> bool {
        self.descend() || self.climb()
    }

    fn descend(&mut self) -> bool {
        if self.is_at_the_end() {
            return false;
        }
        let plus = self.plus(self.node);
        if let Some(child) = self.named()
            && self.enter(child)
        {
            self.open += usize::from(plus.is_some());
            return true;
        }
        plus.is_some_and(|plus| self.enter(plus))
    }

    fn climb(&mut self) -> bool {
        while self.open > 0 {
            let left = self.node;
            let node = &self.nodes[left];
            self.at = levels::rewind(&node.path, self.topic, self.at);
            self.node = node.parent;
            if let Some(plus) = self.plus(self.node)
                && plus != left
            {
                self.open -= 1;
                if self.enter(plus) {
                    return true;
                }
            }
        }
        false
    }

    /// Goes to `child` if the topic takes all its levels.
    fn enter(&mut self, child: NodeId) -> bool {
        let behind = levels::follow(&self.nodes[child].path, self.topic, self.at);
        if let Some(at) = behind {
            self.node = child;
            self.at = at;
        }
        behind.is_some()
    }

    /// The child that may be named like the next level; `enter` looks closer.
    fn named(&self) -> Option<NodeId> {
        match self.nodes[self.node].named {
            0 => None,
            1 => self.nodes.only_named(self.node),
            _ => {
                let level = levels::level_at(self.topic, self.at);
                self.nodes.child(self.node, level)
            }
        }
    }

    fn plus(&self, id: NodeId) -> Option<NodeId> {
        let plus = self.nodes[id].plus;
        plus.filter(|_| !self.hides_wildcards(id))
    }

    fn hides_wildcards(&self, id: NodeId) -> bool {
        self.hidden && id == NodeId::ROOT
    }

    fn is_at_the_end(&self) -> bool {
        self.at == levels::end(self.topic)
    }
}
