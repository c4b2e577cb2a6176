"""Orders: the search for an order of concurrent operations on one job that the oracle accepts.

The algorithm is that of Wing and Gong ("Testing and verifying concurrent objects", JPDC 1993): take
any operation that began before the first of those not yet placed ended, place it if the state
permits, go on, and come back when nothing fits. Lowe's memory ("Testing for linearizability",
CCPE 2017) makes it quick: what was placed and the state that it led to are never tried twice.
These habits of our own keep the search from branching:

* a read that fits and teaches nothing new about the state is placed at once, for it would fit
  nowhere better; so is one whose revision any further change would exceed;
* an operation that overlaps none of those left is placed at once, or nothing fits;
* of changes that no read can tell apart only the first to end is tried (see `symmetry`);
* a change that leads to the next read is tried before one that does not (see `clock`);
* where a read is left that no change can make fit any more (see `pruning`), or that as many changes
  as its revision leaves room for do not reach (see `clock`), nothing is tried;
* what is a dead end is one at any later revision, too;
* an operation that may not have happened is tried only when nothing else goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from collection_jobs.conformance.history.clock import Clock
from collection_jobs.conformance.history.pruning import Prospects
from collection_jobs.conformance.history.sequential_spec import JobOperation
from collection_jobs.conformance.history.symmetry import Symmetry, is_plain_history
from collection_jobs.conformance.history.undecided import most_steps, note
from collection_jobs.conformance.spec.answers import DELETION
from collection_jobs.conformance.spec.model import JobState

__all__ = ["OutOfWork", "SearchWork", "Stuck", "find_order"]

_MOST_STUCK = 16
_PATIENCE = 16
"""How many dead ends are met on one spot before the clocks are asked, which takes its time."""


class _Node:
    """What was placed on the way here, and what may be tried next.

    The known operations are numbered by when they began. All those before ``base`` are placed, and
    ``base + i`` is when bit ``i`` of ``mask`` is set; ``maybe`` has a bit for each operation that
    may not have happened and was taken to. Options are tried from the last to the first; ``~i``
    stands for the maybe-operation ``i``, and a state that is None for one not tried yet.
    """

    __slots__ = (
        "base",
        "first_end",
        "mask",
        "maybe",
        "options",
        "parent",
        "placed",
        "state",
        "unreached",
    )

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
        self.unreached: int | None = None

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

        The revisions that reads have shown are not in it, for they follow from what was placed;
        nor is the least that the revision may be, which decides by how much it is (see `least`).
        """
        state = self.state
        return self.base, self.mask, self.maybe, state.facts, state.revision, state.lease

    @property
    def least(self) -> float:
        """The least that the revision may be: of two such nodes, the lower permits more."""
        least = self.state.least
        return -inf if least is None else least


class Stuck:
    """Where the search came furthest in time and found no way on.

    Attributes:
        open: The operations that had begun and were not placed; the first of them to end is first,
            or else the read that none of the changes left leads to.
    """

    def __init__(self, nodes: list[_Node], initial: JobState, left: list[JobOperation]) -> None:
        """Remember the point; the orders that led to it are told only when somebody asks."""
        self._nodes = nodes
        self._initial = initial
        self.open: list[JobOperation] = left

    @cached_property
    def states(self) -> list[JobState]:
        """Made again by the operations themselves: the search wrote one value for many unseen."""
        return [self._after(order) for order in self.orders]

    @property
    def state(self) -> JobState:
        """The state after the first of the orders."""
        return self.states[0]

    def _after(self, order: list[JobOperation]) -> JobState:
        state = self._initial
        for one in order:
            after = one.step(state)
            assert after is not None, one  # noqa: S101 - it was possible with any such value
            state = after
        return state

    @property
    def orders(self) -> list[list[JobOperation]]:
        """The orders that lead as far; the state after each is that in ``states``."""
        return [node.order() for node in self._nodes]


class OutOfWork(Exception):  # noqa: N818 - no error: what several searches may cost is spent
    """The work that several searches may make together is done."""


@dataclass(slots=True)
class SearchWork:
    """What several searches for orders may cost together.

    Attributes:
        left: How many more operations and ways on may be looked at.
    """

    left: float

    def spend(self, work: float) -> None:
        """Take some of it.

        Raises:
            OutOfWork: Nothing is left.
        """
        self.left -= work
        if self.left < 0:
            raise OutOfWork


def find_order(
    operations: Sequence[JobOperation],
    state: JobState,
    *,
    at_most: float | None = None,
    work: SearchWork | None = None,
) -> Stuck | None:
    """Find an order of the operations that is possible, and keeps to who was done before whom.

    Args:
        operations: All the operations on one job, in any sequence.
        state: What is known of the job before them.
        at_most: How many ways on to look at; None: as many as `undecided` says.
        work: What this search and others may cost together, instead.

    Returns:
        None when there is such an order, else where the search got stuck. Also None when there are
        more ways on than ``at_most``: that is noted, see `undecided`.

    Raises:
        OutOfWork: There are more ways on than there is work left.
    """
    if work is None:
        search = _Search(operations, most_steps(len(operations)) if at_most is None else at_most)
        return search.run(state)
    work.spend(len(operations))
    search = _Search(operations, inf)
    search.work = work
    return search.run(state)


class _Search:
    """One search: the operations by when they began, and the nodes known to be dead ends."""

    def __init__(self, operations: Sequence[JobOperation], at_most: float) -> None:
        self.steps_left = self.at_most = at_most
        self.work: SearchWork | None = None
        ordered = sorted(operations, key=_began)
        self.known = [one for one in ordered if one.ended is not None]
        self.maybe = [one for one in ordered if one.ended is None and not one.reads]
        self.began = [one.began for one in self.known]
        self.ended = [one.ended for one in self.known if one.ended is not None]
        self.reads = [one.reads for one in self.known]
        self.steps = [one.step for one in self.known]
        # Not strict: in an empty history none follows.
        pairs = zip(self.ended, (*self.began[1:], inf), strict=False)
        lone = [end < following and not self.maybe for end, following in pairs]
        self.lone = [*lone, False]
        self.dead: dict[object, float] = {}
        self.dead_here = 0
        self.stuck: list[_Node] = []

    @cached_property
    def prospects(self) -> Prospects:
        """Made when it is first needed: where nothing overlaps, never."""
        return Prospects(self.known, self.maybe)

    @cached_property
    def clock(self) -> Clock:
        """Made when it is first needed."""
        return Clock(self.known, self.maybe, self.prospects)

    @cached_property
    def kinds(self) -> list[int | None]:
        """Made when it is first needed; from then on those of one kind make the same step."""
        symmetry = Symmetry(self.known)
        self.steps = symmetry.steps
        return symmetry.kinds

    @cached_property
    def is_plain(self) -> bool:
        """Whether to know more of a job makes no answer but that of a read impossible."""
        return is_plain_history(self.known) and is_plain_history(self.maybe)

    def run(self, state: JobState) -> Stuck | None:
        node = _Node(None, 0, 0, 0, state)
        self.initial = state
        self._settle(node)
        while node.base < len(self.known):
            if self.steps_left <= 0:
                note(self.known, self.at_most)
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
        if len(left) > 1 and self._is_hopeless(node, left):
            return
        changes = [at for at in left if not self.reads[at]]
        options: list[tuple[int, JobState | None]] = [
            (at, None) for at in (self._ordered(changes, node) if len(changes) > 1 else changes)
        ]
        least = node.state.least
        for at, after in learnt:
            shown = self.known[at].shown
            # Where a store counts one by one, other changes come before a read that skips some.
            is_early = shown is None or least is None or shown.revision == least
            options.insert(len(options) if is_early else 0, (at, after))
        if self.maybe:
            options[:0] = [(~at, None) for at in self._maybe(node)]
        node.options = options

    def _is_hopeless(self, node: _Node, left: list[int]) -> bool:
        """Whether a read is left that no way from here leads to."""
        state, base, mask = node.state, node.base, node.mask
        if self.prospects.none_for(left, state, base, mask):
            return True
        if self.dead_here < _PATIENCE:
            return False
        node.unreached = self.clock.against(state, base, mask)
        if node.unreached is None:
            return False
        node.first_end = max(node.first_end, self.ended[node.unreached])
        return True

    def _ordered(self, changes: list[int], node: _Node) -> list[int]:
        """Return the changes, the best to try last, and of those of one kind only one."""
        kinds = self.kinds
        changes.sort(key=self.ended.__getitem__)
        met = set[int]()
        first: list[int] = []
        for at in changes:
            kind = kinds[at]
            if kind is None:
                first.append(at)
            elif kind not in met:
                met.add(kind)
                first.append(at)
        ranks = self.clock.ranks(node.state, first, node.base, node.mask)
        if ranks:
            first = [at for _, at in sorted(zip(ranks, first, strict=True), key=_rank)]
        first.reverse()
        return first

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
        known, reads, steps = self.known, self.reads, self.steps
        learnt: dict[int, JobState | None] = {}
        while True:
            placed = False
            if not node.mask and not learnt:
                self._place_lone(node)
            left = self._open(node)
            for at in left:
                if not reads[at] or at in learnt:
                    continue
                after = steps[at](node.state)
                if after is not None and _same(after, node.state):
                    node.state = after
                    node.place(at, known[at])
                    placed = True
                elif after is not None and self._is_due(at, node):
                    node.state = after
                    learnt.clear()  # it was of the state before
                    node.place(at, known[at])
                    placed = True
                else:
                    learnt[at] = after
            if not placed:
                return left, [(at, after) for at, after in learnt.items() if after is not None]

    def _is_due(self, at: int, node: _Node) -> bool:
        """Whether a read that fits would fit behind no change: each raises its revision.

        A save of the job as it is may not; but it leaves the read as right as it was. Behind a
        deletion, the read could be one of the next job of that id.
        """
        shown, least = self.known[at].shown, node.state.least
        if shown is None or least is None or shown.revision != least or not self.is_plain:
            return False
        return not self.prospects.is_left(DELETION, at, node.base, node.mask)

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
                after = (self.steps[at] if at >= 0 else operation.step)(node.state)
            if after is None:
                continue
            self.steps_left -= 1
            if self.work is not None:
                self.work.spend(1)
            child = _Node(node, node.base, node.mask, node.maybe, after)
            if at >= 0:
                child.place(at, operation)
            else:
                child.placed.append(operation)
                child.maybe |= 1 << ~at
            self._settle(child)
            if not self.dead or self.dead.get(self._key(child), inf) > child.least:
                return child
        return None

    def _key(self, node: _Node) -> object:
        """Return what decides what can come after, but by how much the revision is the least."""
        return node.key() if self.is_plain else (node.key(), node.least)

    def _bury(self, node: _Node) -> None:
        key = self._key(node)
        self.dead[key] = min(node.least, self.dead.get(key, inf))
        self.dead_here += 1
        if self.stuck and node.first_end < self.stuck[0].first_end:
            return
        if self.stuck and node.first_end > self.stuck[0].first_end:
            self.stuck.clear()
            self.dead_here = 0
        if len(self.stuck) < _MOST_STUCK:
            self.stuck.append(node)

    def _furthest(self) -> Stuck:
        node = self.stuck[0]
        left = sorted((self.known[at] for at in self._open(node)), key=_ended)
        if node.unreached is not None:
            culprit = self.known[node.unreached]
            left = [culprit, *(one for one in left if one is not culprit)]
        return Stuck(self.stuck, self.initial, left)


def _began(operation: JobOperation) -> int:
    return operation.began


def _rank(ranked: tuple[int, int]) -> int:
    return ranked[0]


def _ended(operation: JobOperation) -> int:
    return operation.ended or 0


def _same(after: JobState, before: JobState) -> bool:
    """Whether nothing is known after an operation that was not known before it."""
    return (
        after.facts is before.facts
        and after.revision == before.revision
        and after.lease is before.lease
    )
