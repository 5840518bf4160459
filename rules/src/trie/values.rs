//! The values at one node of the trie.

use std::slice;

use crate::levels::Reach;

/// The values filed under a path, apart for the path itself and for the path and `#`.
///
/// Nearly every node has one value or none, which takes no memory of its own.
#[derive(Clone)]
pub(super) enum Values<V> {
    Empty,
    Exact(V),
    Subtree(V),
    Many(Box<Lists<V>>),
}

#[derive(Clone)]
pub(super) struct Lists<V> {
    pub(super) exact: Vec<V>,
    pub(super) subtree: Vec<V>,
}

impl<V> Values<V> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The values of the path itself.
    pub(super) fn exact(&self) -> &[V] {
        match self {
            Self::Exact(value) => slice::from_ref(value),
            Self::Many(lists) => &lists.exact,
            Self::Empty | Self::Subtree(_) => &[],
        }
    }

    /// The values of the path and all below it.
    pub(super) fn subtree(&self) -> &[V] {
        match self {
            Self::Subtree(value) => slice::from_ref(value),
            Self::Many(lists) => &lists.subtree,
            Self::Empty | Self::Exact(_) => &[],
        }
    }

    pub(super) fn push(&mut self, reach: Reach, value: V) {
        if self.is_empty() {
            *self = match reach {
                Reach::Exact => Self::Exact(value),
                Reach::Subtree => Self::Subtree(value),
            };
            return;
        }
        let mut lists = self.take_lists();
        lists.of(reach).push(value);
        *self = Self::Many(lists);
    }

    /// Removes the `condemned` values of that reach; how many they were.
    pub(super) fn remove(&mut self, reach: Reach, mut condemned: impl FnMut(&V) -> bool) -> usize {
        match (&mut *self, reach) {
            (Self::Exact(value), Reach::Exact) | (Self::Subtree(value), Reach::Subtree) => {
                if !condemned(value) {
                    return 0;
                }
                *self = Self::Empty;
                1
            }
            (Self::Many(lists), _) => {
                let list = lists.of(reach);
                let before = list.len();
                list.retain(|value| !condemned(value));
                let removed = before - list.len();
                if list.len() < list.capacity() / 4 {
                    list.shrink_to(list.len() * 2);
                }
                if lists.exact.len() + lists.subtree.len() < 2 {
                    *self = self.take_lists().into_few();
                }
                removed
            }
            _ => 0,
        }
    }

    /// Takes all values as lists and leaves nothing.
    fn take_lists(&mut self) -> Box<Lists<V>> {
        let (exact, subtree) = match std::mem::replace(self, Self::Empty) {
            Self::Empty => (Vec::new(), Vec::new()),
            Self::Exact(value) => (vec![value], Vec::new()),
            Self::Subtree(value) => (Vec::new(), vec![value]),
            Self::Many(lists) => return lists,
        };
        Box::new(Lists { exact, subtree })
    }
}

impl<V> Lists<V> {
    fn of(&mut self, reach: Reach) -> &mut Vec<V> {
        match reach {
            Reach::Exact => &mut self.exact,
            Reach::Subtree => &mut self.subtree,
        }
    }

    /// The form for at most one value.
    fn into_few(mut self) -> Values<V> {
        match (self.exact.pop(), self.subtree.pop()) {
            (Some(value), _) => Values::Exact(value),
            (None, Some(value)) => Values::Subtree(value),
            (None, None) => Values::Empty,
        }
    }
}
