//! The nodes of the trie, and the changes that keep them few.
//!
//! Every node but the root has values or at least two children; `prune` restores that
//! after values went. Nodes are numbered and lie in one vector, so a walk climbs by
//! numbers and dropping them never recurses. One hash table finds the children of all
//! nodes by their first level; its seed is random, since levels come from the network.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use hashbrown::HashTable;

use super::values::Values;
use crate::levels;

/// A trie with fewer unused places than this is not worth packing.
pub(super) const FEW: usize = 64;

/// The number of a node.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct NodeId(NonZeroU32);

impl NodeId {
    pub(super) const ROOT: Self = Self(NonZeroU32::MIN);

    pub(super) fn at(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("four billion nodes do not fit into memory"))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Some levels in a row, what is filed under the last of them, and where they hang.
#[derive(Clone)]
pub(super) struct Node<V> {
    /// The levels from the parent to here, at least one; the root's are none.
    pub(super) path: Box<str>,
    pub(super) values: Values<V>,
    pub(super) parent: NodeId,
    /// The child whose first level is `+`.
    pub(super) plus: Option<NodeId>,
    /// How many children have a first level of text.
    pub(super) named: u32,
    /// The numbers of those children, combined by exclusive or: of one child, its number.
    named_xor: u32,
}

#[derive(Clone)]
pub(super) struct Nodes<V> {
    pub(super) nodes: Vec<Node<V>>,
    /// Places in `nodes` to be used again.
    pub(super) unused: Vec<NodeId>,
    /// The children with a first level of text, by their parent and that level.
    pub(super) named: HashTable<NodeId>,
    seed: RandomState,
}

impl<V> Nodes<V> {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::new("", NodeId::ROOT)],
            unused: Vec::new(),
            named: HashTable::new(),
            seed: RandomState::new(),
        }
    }

    /// The child of `id` whose first level is `level`; `+` is taken as it stands.
    pub(super) fn child(&self, id: NodeId, level: &str) -> Option<NodeId> {
        if level == "+" {
            return self[id].plus;
        }
        let only = self.only_named(id);
        if self[id].named < 2 {
            return only.filter(|&child| starts_with_level(&self[child].path, level));
        }
        self.named
            .find(hash(&self.seed, id, level), |&child| {
                self[child].parent == id && starts_with_level(&self[child].path, level)
            })
            .copied()
    }

    /// The only child of `id` with a first level of text.
    pub(super) fn only_named(&self, id: NodeId) -> Option<NodeId> {
        let node = &self[id];
        let only = NonZeroU32::new(node.named_xor).filter(|_| node.named == 1);
        only.map(NodeId)
    }

    /// Adds a child to `parent`, which has none with the first level of `path`.
    pub(super) fn add(&mut self, parent: NodeId, path: &str) -> NodeId {
        let node = Node::new(path, parent);
        let id = match self.unused.pop() {
            Some(id) => {
                self[id] = node;
                id
            }
            None => {
                self.nodes.push(node);
                NodeId::at(self.nodes.len() - 1)
            }
        };
        self.link(id);
        id
    }

    /// The node that ends behind the first `length` bytes of the path of `id`: `id`
    /// itself, or a new parent that takes those levels over.
    pub(super) fn split(&mut self, id: NodeId, length: usize) -> NodeId {
        if length == self[id].path.len() {
            return id;
        }
        self.unlink(id);
        let path = std::mem::take(&mut self[id].path);
        let upper = self.add(self[id].parent, &path[..length]);
        self[id].path = path[length + 1..].into();
        self[id].parent = upper;
        self.link(id);
        upper
    }

    /// Removes what is not needed for the sake of `id`, which lost values.
    pub(super) fn prune(&mut self, id: NodeId) {
        let mut id = id;
        if self.is_needless(id) && self.children(id) == 0 {
            let parent = self[id].parent;
            self.discard(id);
            id = parent;
        }
        if self.is_needless(id) && self.children(id) == 1 {
            self.join(id);
        }
        if self.unused.len() > FEW && self.unused.len() > self.nodes.len() / 4 * 3 {
            self.pack();
        }
    }

    fn is_needless(&self, id: NodeId) -> bool {
        id != NodeId::ROOT && self[id].values.is_empty()
    }

    fn children(&self, id: NodeId) -> u32 {
        self[id].named + u32::from(self[id].plus.is_some())
    }

    /// Gives the levels of `id` to its only child, which takes its place.
    fn join(&mut self, id: NodeId) {
        let Some(child) = self[id].plus.or_else(|| self.only_named(id)) else {
            return;
        };
        self.unlink(child);
        self[child].path = format!("{}/{}", self[id].path, self[child].path).into();
        self[child].parent = self[id].parent;
        self.discard(id);
        self.link(child);
    }

    fn discard(&mut self, id: NodeId) {
        self.unlink(id);
        self[id] = Node::new("", NodeId::ROOT);
        self.unused.push(id);
    }

    /// Lets the parent of `id` know its child.
    fn link(&mut self, id: NodeId) {
        let parent = self[id].parent;
        if levels::first(&self[id].path) == "+" {
            self[parent].plus = Some(id);
            return;
        }
        self[parent].named += 1;
        self[parent].named_xor ^= id.0.get();
        let Self { nodes, seed, .. } = self;
        let key = |id: &NodeId| key(seed, &nodes[id.index()]);
        self.named.insert_unique(key(&id), id, key);
    }

    /// Lets the parent of `id` forget it.
    fn unlink(&mut self, id: NodeId) {
        let parent = self[id].parent;
        if self[parent].plus == Some(id) {
            self[parent].plus = None;
            return;
        }
        self[parent].named -= 1;
        self[parent].named_xor ^= id.0.get();
        let key = key(&self.seed, &self[id]);
        if let Ok(entry) = self.named.find_entry(key, |&other| other == id) {
            entry.remove();
        }
    }

    /// Numbers the nodes anew, without unused places, and gives back the memory.
    fn pack(&mut self) {
        let mut unused = vec![false; self.nodes.len()];
        for id in std::mem::take(&mut self.unused) {
            unused[id.index()] = true;
        }
        let mut used = 0;
        let moved: Vec<NodeId> = unused
            .iter()
            .map(|unused| {
                let id = NodeId::at(used);
                used += usize::from(!unused);
                id
            })
            .collect();
        let old = std::mem::replace(&mut self.nodes, Vec::with_capacity(used));
        let in_use = old.into_iter().zip(&unused).filter(|(_, unused)| !**unused);
        self.nodes.extend(in_use.map(|(node, _)| Node {
            parent: moved[node.parent.index()],
            plus: None,
            named: 0,
            named_xor: 0,
            ..node
        }));
        self.named = HashTable::new();
        for index in 1..self.nodes.len() {
            self.link(NodeId::at(index));
        }
    }
}

impl<V> Node<V> {
    fn new(path: &str, parent: NodeId) -> Self {
        Self {
            path: path.into(),
            values: Values::Empty,
            parent,
            plus: None,
            named: 0,
            named_xor: 0,
        }
    }
}

impl<V> Index<NodeId> for Nodes<V> {
    type Output = Node<V>;

    fn index(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id.index()]
    }
}

impl<V> IndexMut<NodeId> for Nodes<V> {
    fn index_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id.index()]
    }
}

fn key<V>(seed: &RandomState, node: &Node<V>) -> u64 {
    hash(seed, node.parent, levels::first(&node.path))
}

fn hash(seed: &RandomState, parent: NodeId, level: &str) -> u64 {
    seed.hash_one((parent, level))
}

fn starts_with_level(path: &str, level: &str) -> bool {
    let behind = path.as_bytes().strip_prefix(level.as_bytes());
    matches!(behind, Some([] | [b'/', ..]))
}
