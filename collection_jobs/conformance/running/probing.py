"""The first look at a target: whether it gives a repository, and what that lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from collection_jobs.conformance.running.early_endings import Overdue
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.runner import answered
from collection_jobs.conformance.running.targets import Target, TargetError
from collection_jobs.conformance.running.watchdog import until_overdue
from collection_jobs.conformance.spec.calls import Call
from collection_jobs.conformance.spec.capabilities import DECLARED, NETWORK, NINE, protocols_of
from collection_jobs.conformance.spec.operations import OPERATIONS, operations
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.validation import shown

__all__ = ["Probed", "plainest_call", "probe"]


@dataclass(frozen=True, slots=True)
class Probed:
    """What one look at a target tells.

    Attributes:
        capabilities: What its adapter declares of itself, and whether it has a server.
        unwritten: The methods that it does not have yet.
        adapter: The class of its repository, as ``module:Class``.
        overdue: The calls that did not return, one of each such method; the opening or the closing
            of a store among them.
    """

    capabilities: frozenset[str] = frozenset()
    unwritten: tuple[str, ...] = ()
    adapter: str = ""
    overdue: tuple[Overdue, ...] = ()


@dataclass(slots=True)
class _Look:
    """What is known so far: a call that blocks its thread ends the look, and another goes on."""

    target: Target
    new_store: Callable[[], OpenStore]
    capabilities: frozenset[str] = frozenset()
    adapter: str = ""
    asked: list[Call] = field(default_factory=list[Call])
    unwritten: list[str] = field(default_factory=list[str])
    overdue: list[Overdue] = field(default_factory=list[Overdue])

    def go_on(self) -> bool:
        """Make the calls that were not made; whether there is nothing more to ask.

        Raises:
            NoAnswer: The store does not open, or does not close.
            Overdue: Likewise, or a call blocks its thread.
            TargetError: It is no repository.
        """
        with self.new_store() as store:
            repository: object = store.repository
            if not isinstance(repository, CollectionJobRepository):
                raise TargetError(_no_repository(self.target, repository))
            self._note(repository)
            for operation in operations(self.capabilities):
                call = plainest_call(operation.name)
                if call in self.asked:
                    continue
                self.asked.append(call)
                outcome = store.run(answered(call, repository))
                if isinstance(outcome.error, NotImplementedError) and call.method in NINE:
                    self.unwritten.append(call.method)
        return True

    def _note(self, repository: CollectionJobRepository) -> None:
        declared = frozenset[str](getattr(repository, "capabilities", ()))
        unknown = sorted(declared.difference(DECLARED))
        if unknown:
            raise TargetError(
                f"{self.target.name} declares the unknown capability {unknown[0]!r}; known are"
                f" {', '.join(DECLARED)}"
            )
        network = frozenset[str]() if self.target.proxied is None else {NETWORK}
        self.capabilities = declared | protocols_of(repository) | network
        adapter = type(repository)
        self.adapter = f"{adapter.__module__}:{adapter.__qualname__}"

    def result(self) -> Probed:
        """Return what is known."""
        unwritten = tuple(method for method in NINE if method in self.unwritten)
        return Probed(self.capabilities, unwritten, self.adapter, tuple(self.overdue))


def probe(target: Target, new_store: Callable[[], OpenStore]) -> Probed:
    """Open a store, see that it is a repository, and make the plainest call of each method.

    Args:
        target: Whose store it is.
        new_store: Opens a new, empty store.

    Raises:
        TargetError: It cannot be opened, or is no repository.
        Escaped: The adapter ended the event loop.
    """
    look = _Look(target, new_store)
    while True:
        try:
            until_overdue(look.go_on)
        except Overdue as overdue:
            look.overdue.append(overdue)
            if overdue.ends_all:
                return look.result()
        else:
            return look.result()


def plainest_call(method: str) -> Call:
    """Return a call of a method as its callers make it most."""
    # It deletes another job, so that those that come after it still have theirs.
    return OPERATIONS[method].call("b" if method == "delete" else "a")


def _no_repository(target: Target, given: object) -> str:
    lacking = [name for name in sorted(NINE) if not hasattr(given, name)]
    return f"{target.name} does not give a repository: {shown(given)} lacks {', '.join(lacking)}"
