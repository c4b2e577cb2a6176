"""Orders: the search for an order of concurrent operations on one job that the oracle accepts.

The algorithm is that of Wing and Gong ("Testing and verifying concurrent objects", JPDC 1993): take
any operation that began before the first of those not yet placed ended, place it if the state
permits, go on, and come back when nothing fits. Lowe's memory ("Testing for linearizability",
CCPE 2017) makes it quick: what was placed and the state that it led to are never tried twice.
Five habits of our own keep the search from branching:

* a read that fits and teaches nothing new about the state is placed at once, for it would fit
  nowhere better;
* an operation that overlaps none of those left is placed at once, or nothing fits;
* a read that teaches something is tried before a change;
* where a read is left that no change can make fit any more (see `prospects`), nothing is tried;
* an operation that may not have happened is tried only when nothing else goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import inf

from collection_jobs.conformance.history.pruning import Prospects
from collection_jobs.conformance.history.sequential_spec import JobOperation
from collection_jobs.conformance.history.undecided import MOST_STEPS, note
from collection_jobs.conformance.spec.model import JobState

__all__ = ["Stuck", "find_order"]

_MOST_STUCK = 16


class _Node:
    """What was placed on the way here, and what may be tried next.

    The known operations are numbered by when they began. All those before ``base`` are placed, and
    ``base + i`` is when bit ``i`` of ``mask`` is set; ``maybe`` has a bit for each operation that
    may not have happened and was taken to. Options are tried from the last to the first; ``~i``
    stands for the maybe-operation ``i``, and a state that is None for one not tried yet.
    """

    __slots__ = ("base", "first_end", "mask", "maybe", "options", "parent", "placed", "state")

    def __init__(
        self, parent: _Node | None, base: int, mask: int, maybe: int, state: JobState
    ) -> None:
        self.parent = parent
        self.base = base
        self.mask = mask
        self.maybe = maybe
        self.state = state
        self.placed: list[JobOperation] = []
        self.options: list[tuple[int, JobState | None]] = []
        self.first_end: float = inf

    def place(self, at: int, operation: JobOperation) -> None:
        """Place a known operation."""
        self.placed.append(operation)
        mask = self.mask | 1 << (at - self.base)
        while mask & 1:
            mask >>= 1
            self.base += 1
        self.mask = mask

    def order(self) -> list[JobOperation]:
        """Everything that was placed on the way here."""
        order: list[JobOperation] = []
        node: _Node | None = self
        while node is not None:
            order.extend(reversed(node.placed))
            node = node.parent
        order.reverse()
        return order

    def key(self) -> object:
        """Return what decides all that can come after: a node with the same key is its equal.

        The revisions that reads have shown are not in it, for they follow from what was placed.
        """
        state = self.state
        known = state.facts, state.revision, state.least, state.lease
        return self.base, self.mask, self.maybe, *known


class Stuck:
    """Where the search came furthest in time and found no way on.

    Attributes:
        state: What is known of the job there.
        states: What would be known after each of the orders that lead as far.
        open: The operations that had begun and were not placed; the first of them to end is first.
    """

    __slots__ = ("_nodes", "open", "state", "states")

    def __init__(self, nodes: list[_Node], left: list[JobOperation]) -> None:
        """Remember the point; the orders that led to it are told only when somebody asks."""
        self._nodes = nodes
        self.state: JobState = nodes[0].state
        self.states: list[JobState] = [node.state for node in nodes]
        self.open: list[JobOperation] = left

    @property
    def orders(self) -> list[list[JobOperation]]:
        """The orders that lead as far; the state after each is that in ``states``."""
        return [node.order() for node in self._nodes]


def find_order(
    operations: Sequence[JobOperation], state: JobState, *, at_most: float = MOST_STEPS
) -> Stuck | None:
    """Find an order of the operations that is possible, and keeps to who was done before whom.

    Args:
        operations: All the operations on one job, in any sequence.
        state: What is known of the job before them.
        at_most: How many ways on to look at.

    Returns:
        None when there is such an order, else where the search got stuck. Also None when there are
        too many ways on: that is noted, see `undecided`.
    """
    return _Search(operations, at_most).run(state)


class _Search:
    """One search: the operations by when they began, and the nodes known to be dead ends."""

    def __init__(self, operations: Sequence[JobOperation], at_most: float) -> None:
        self.steps_left = at_most
        ordered = sorted(operations, key=_began)
        self.known = [one for one in ordered if one.ended is not None]
        self.maybe = [one for one in ordered if one.ended is None and not one.reads]
        self.began = [one.began for one in self.known]
        self.ended = [one.ended for one in self.known if one.ended is not None]
        self.reads = [one.reads for one in self.known]
        # Not strict: in an empty history none follows.
        pairs = zip(self.ended, (*self.began[1:], inf), strict=False)
        lone = [end < following and not self.maybe for end, following in pairs]
        self.lone = [*lone, False]
        self.dead: set[object] = set()
        self.stuck: list[_Node] = []

    @cached_property
    def prospects(self) -> Prospects:
        """Made when it is first needed: where nothing overlaps, never."""
        return Prospects(self.known, self.maybe)

    def run(self, state: JobState) -> Stuck | None:
        node = _Node(None, 0, 0, 0, state)
        self._settle(node)
        while node.base < len(self.known):
            if self.steps_left <= 0:
                note(self.known)
                return None
            child = self._next_child(node)
            if child is not None:
                node = child
                continue
            self._bury(node)
            if node.parent is None:
                return self._furthest()
            node = node.parent
        return None

    def _settle(self, node: _Node) -> None:
        """Place what may as well come next as later, then list what else may come next."""
        left, learnt = self._place_reads(node)
        if len(left) > 1 and self.prospects.none_for(left, node.state, node.base, node.mask):
            return
        reads = self.reads
        changes = [at for at in left if not reads[at]]
        if len(changes) > 1:
            changes.sort(key=self.ended.__getitem__, reverse=True)
        options: list[tuple[int, JobState | None]] = [(at, None) for at in changes]
        if learnt:
            options += learnt
        if self.maybe:
            options[:0] = [(~at, None) for at in self._maybe(node)]
        node.options = options

    def _place_lone(self, node: _Node) -> None:
        """Place operations for as long as only one may come next, and fits: nothing to choose."""
        lone, at, state = self.lone, node.base, node.state
        while lone[at] and not node.mask:
            operation = self.known[at]
            after = operation.step(state)
            if after is None:
                break
            state = after
            at += 1
            node.placed.append(operation)
        node.base, node.state = at, state

    def _place_reads(self, node: _Node) -> tuple[list[int], list[tuple[int, JobState | None]]]:
        """Place what teaches nothing; return what is left, and the reads that fit and do teach."""
        known, reads = self.known, self.reads
        learnt: dict[int, JobState | None] = {}
        while True:
            placed = False
            if not node.mask and not learnt:
                self._place_lone(node)
            left = self._open(node)
            for at in left:
                if not reads[at] or at in learnt:
                    continue
                after = known[at].step(node.state)
                if after is not None and _same(after, node.state):
                    node.state = after
                    node.place(at, known[at])
                    placed = True
                else:
                    learnt[at] = after
            if not placed:
                return left, [(at, after) for at, after in learnt.items() if after is not None]

    def _open(self, node: _Node) -> list[int]:
        """Return the operations that may come next: begun before the first of those left ended."""
        began, ended = self.began, self.ended
        left: list[int] = []
        first_end: float = inf
        at, mask, total = node.base, node.mask, len(began)
        while at < total and began[at] <= first_end:
            if not mask & 1:
                left.append(at)
                end = ended[at]
                if end < first_end:  # quicker than min() where every operation passes by
                    first_end = end
            mask >>= 1
            at += 1
        node.first_end = first_end
        return left

    def _maybe(self, node: _Node) -> list[int]:
        return [
            at
            for at, one in enumerate(self.maybe)
            if one.began <= node.first_end and not node.maybe >> at & 1
        ]

    def _next_child(self, node: _Node) -> _Node | None:
        """Return the next way on from here that is not known to be a dead end."""
        while node.options:
            at, after = node.options.pop()
            operation = self.known[at] if at >= 0 else self.maybe[~at]
            if after is None:
                after = operation.step(node.state)
            if after is None:
                continue
            self.steps_left -= 1
            child = _Node(node, node.base, node.mask, node.maybe, after)
            if at >= 0:
                child.place(at, operation)
            else:
                child.placed.append(operation)
                child.maybe |= 1 << ~at
            self._settle(child)
            if not self.dead or child.key() not in self.dead:
                return child
        return None

    def _bury(self, node: _Node) -> None:
        self.dead.add(node.key())
        if self.stuck and node.first_end < self.stuck[0].first_end:
            return
        if self.stuck and node.first_end > self.stuck[0].first_end:
            self.stuck.clear()
        if len(self.stuck) < _MOST_STUCK:
            self.stuck.append(node)

    def _furthest(self) -> Stuck:
        left = [self.known[at] for at in self._open(self.stuck[0])]
        return Stuck(self.stuck, sorted(left, key=_ended))


def _began(operation: JobOperation) -> int:
    return operation.began


def _ended(operation: JobOperation) -> int:
    return operation.ended or 0


def _same(after: JobState, before: JobState) -> bool:
    """Whether nothing is known after an operation that was not known before it."""
    return (
        after.facts is before.facts
        and after.revision == before.revision
        and after.lease is before.lease
    )
