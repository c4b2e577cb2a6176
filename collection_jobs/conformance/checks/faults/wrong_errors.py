"""What no call may end with when its engine fails (ERROR-1)."""

from __future__ import annotations

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.processes import WorkerFailed
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.errors import CollectionJobError

__all__ = ["wrong_answer", "wrong_failure"]


def wrong_answer(event: Event) -> str | None:
    """Return what is wrong with how a call ended while its engine failed, or None.

    What it returned is not looked at: only an error must be one of the contract's, with its cause,
    and there must be an end.
    """
    outcome = event.outcome
    if outcome is None or outcome.error is None:
        return None
    if isinstance(outcome.error, NoAnswer):
        return f"{event.call} gave no answer"
    if not isinstance(outcome.error, CollectionJobError):
        return f"{event.call} {outcome}"
    return None if outcome.hidden is None else f"{event.call} {outcome}{_hides(outcome.hidden)}"


def wrong_failure(what: str, error: WorkerFailed) -> str | None:
    """Return what is wrong with the error of an opening or a closing, or None."""
    if error.hidden is not None:
        return f"{what} raised {error}{_hides(error.hidden)}"
    return None if error.ours else f"{what} raised {error}"


def _hides(cause: str) -> str:
    return f", whose __cause__ is None and should be {cause}"
