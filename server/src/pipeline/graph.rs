//! The pipeline's graph: what follows what, and who has to be waited for at a join.
//!
//! A step that is due waits for every other token that may still come by. In a loop everything reaches
//! everything, so the rule needs a direction: a depth-first walk from the start, in the order in which the
//! paths are declared, tells forward paths from those that lead back. Token *u* is waited for at *t* if it
//! reaches *t* without crossing a step that itself comes after *t*, and so would wait for *t*.

/// The graph with everything precomputed that a run asks after each step.
#[derive(Clone, Debug)]
pub struct Graph {
    outgoing: Vec<Vec<usize>>,
    back: Vec<bool>,
    after: Vec<BitSet>,
    awaited: Vec<BitSet>,
    reachable: Vec<bool>,
}

impl Graph {
    /// The graph of `steps` steps; an edge is a path from a step to a step, or to an end.
    pub fn new(steps: usize, start: usize, edges: &[(usize, Option<usize>)]) -> Self {
        let mut outgoing = vec![Vec::new(); steps];
        for (path, (from, _)) in edges.iter().enumerate() {
            if let Some(paths) = outgoing.get_mut(*from) {
                paths.push(path);
            }
        }
        let walk = Walk::new(&outgoing, edges, start);
        let after = descendants(&walk, &outgoing, edges);
        let awaited = awaited(&walk, &after, edges);
        Self {
            outgoing,
            back: walk.back,
            after,
            awaited,
            reachable: walk.reachable,
        }
    }

    /// How many steps there are.
    pub fn size(&self) -> usize {
        self.outgoing.len()
    }

    /// The paths out of a step, in the order of declaration.
    pub fn outgoing(&self, step: usize) -> &[usize] {
        self.outgoing.get(step).map_or(&[], Vec::as_slice)
    }

    /// Whether a path leads back to where a loop begins.
    pub fn is_back(&self, path: usize) -> bool {
        self.back.get(path).copied().unwrap_or_default()
    }

    /// Whether a run can come to a step at all.
    pub fn is_reachable(&self, step: usize) -> bool {
        self.reachable.get(step).copied().unwrap_or_default()
    }

    /// Whether a step that is due has to wait, given which are running and which are due themselves.
    pub fn waits(&self, step: usize, running: &BitSet, due: &BitSet) -> bool {
        let (Some(awaited), Some(after)) = (self.awaited.get(step), self.after.get(step)) else {
            return false;
        };
        running.contains(step)
            || awaited
                .words()
                .zip(running.words().zip(due.words().zip(after.words())))
                .any(|(awaited, (running, (due, after)))| awaited & (running | (due & !after)) != 0)
    }
}

/// A set of steps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BitSet(Vec<u64>);

impl BitSet {
    /// The empty set, with room for `size` members.
    pub fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    /// Adds a member; whether it is new.
    pub fn insert(&mut self, member: usize) -> bool {
        let new = !self.contains(member);
        if let Some(word) = self.0.get_mut(member / 64) {
            *word |= 1 << (member % 64);
        }
        new
    }

    /// Removes a member.
    pub fn remove(&mut self, member: usize) {
        if let Some(word) = self.0.get_mut(member / 64) {
            *word &= !(1 << (member % 64));
        }
    }

    /// Whether it is one of them.
    pub fn contains(&self, member: usize) -> bool {
        self.0
            .get(member / 64)
            .is_some_and(|word| word & (1 << (member % 64)) != 0)
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    fn union(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// What a depth-first walk finds: the paths that lead back, and the order of leaving the steps.
struct Walk {
    back: Vec<bool>,
    left: Vec<usize>,
    reachable: Vec<bool>,
    size: usize,
}

impl Walk {
    fn new(outgoing: &[Vec<usize>], edges: &[(usize, Option<usize>)], start: usize) -> Self {
        let size = outgoing.len();
        let mut walk = Self {
            back: vec![false; edges.len()],
            left: Vec::with_capacity(size),
            reachable: vec![false; size],
            size,
        };
        let (mut entered, mut open) = (BitSet::new(size), BitSet::new(size));
        for root in std::iter::once(start).chain(0..size) {
            walk.from(root, outgoing, edges, &mut entered, &mut open);
            if root == start {
                walk.reachable = (0..size).map(|step| entered.contains(step)).collect();
            }
        }
        walk
    }

    fn from(
        &mut self,
        root: usize,
        outgoing: &[Vec<usize>],
        edges: &[(usize, Option<usize>)],
        entered: &mut BitSet,
        open: &mut BitSet,
    ) {
        let paths = |step: usize| outgoing.get(step).map_or(&[][..], Vec::as_slice).iter();
        if root >= self.size || !entered.insert(root) {
            return;
        }
        open.insert(root);
        let mut stack = vec![(root, paths(root))];
        while let Some((step, rest)) = stack.last_mut() {
            let Some(path) = rest.next() else {
                open.remove(*step);
                self.left.push(*step);
                stack.pop();
                continue;
            };
            let Some(to) = edges.get(*path).and_then(|(_, to)| *to) else {
                continue;
            };
            if open.contains(to) {
                if let Some(back) = self.back.get_mut(*path) {
                    *back = true;
                }
            } else if entered.insert(to) {
                open.insert(to);
                stack.push((to, paths(to)));
            }
        }
    }
}

/// Per step, what comes after it on forward paths.
fn descendants(
    walk: &Walk,
    outgoing: &[Vec<usize>],
    edges: &[(usize, Option<usize>)],
) -> Vec<BitSet> {
    let mut after = vec![BitSet::new(walk.size); walk.size];
    for &step in &walk.left {
        let mut set = BitSet::new(walk.size);
        for &path in outgoing.get(step).into_iter().flatten() {
            let forward = !walk.back.get(path).copied().unwrap_or_default();
            if let (true, Some((_, Some(to)))) = (forward, edges.get(path)) {
                set.insert(*to);
                if let Some(more) = after.get(*to) {
                    set.union(more);
                }
            }
        }
        if let Some(slot) = after.get_mut(step) {
            *slot = set;
        }
    }
    after
}

/// Per step, the others from which a token may come without crossing a step that comes after it.
fn awaited(walk: &Walk, after: &[BitSet], edges: &[(usize, Option<usize>)]) -> Vec<BitSet> {
    let mut incoming = vec![Vec::new(); walk.size];
    for (from, to) in edges {
        if let Some(froms) = to.and_then(|to| incoming.get_mut(to)) {
            froms.push(*from);
        }
    }
    after
        .iter()
        .enumerate()
        .map(|(target, after)| {
            let mut set = BitSet::new(walk.size);
            let mut open = vec![target];
            while let Some(step) = open.pop() {
                for &from in incoming.get(step).into_iter().flatten() {
                    if from != target && set.insert(from) && !after.contains(from) {
                        open.push(from);
                    }
                }
            }
            set
        })
        .collect()
}
