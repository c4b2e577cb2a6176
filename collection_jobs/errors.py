"""The errors of the contract: one root, each error with the ids that it is about."""

from __future__ import annotations

__all__ = [
    "CollectionJobError",
    "ForbiddenTransitionError",
    "JobNotFoundError",
    "LeaseLostError",
    "RepositoryClosedError",
    "RepositoryError",
    "StaleJobError",
    "UnknownSymbolError",
]

# Every error hands all its values to Exception.args and words them in __str__, so that it
# survives pickling: a worker process can send it to its parent.


class CollectionJobError(Exception):
    """The root of every error that this package defines."""


class JobNotFoundError(CollectionJobError, LookupError):
    """The repository has no job with this id."""

    job_id: str
    """The id that was asked for."""

    def __init__(self, job_id: str) -> None:
        """Remember the id that was asked for."""
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        """Say which job is unknown."""
        return f"there is no job {self.job_id!r}"


class UnknownSymbolError(CollectionJobError, ValueError):
    """The job does not collect this symbol."""

    job_id: str
    """The job."""
    symbol: str
    """The symbol that is not among the job's."""

    def __init__(self, job_id: str, symbol: str) -> None:
        """Remember the job and the symbol that it does not have."""
        super().__init__(job_id, symbol)
        self.job_id = job_id
        self.symbol = symbol

    def __str__(self) -> str:
        """Say which symbol is not among the job's."""
        return f"job {self.job_id!r} does not collect the symbol {self.symbol!r}"


class StaleJobError(CollectionJobError):
    """The job was changed or deleted in the repository after this copy of it was read.

    To resolve it, read the job again, repeat the change on the fresh copy, and save that.
    """

    job_id: str
    """The job."""
    expected: int
    """The revision that the copy was read at."""
    found: int | None
    """The revision that is stored; None if the job is no longer stored."""

    def __init__(self, job_id: str, expected: int, found: int | None) -> None:
        """Remember the copy's revision and the one that is stored (None: deleted)."""
        super().__init__(job_id, expected, found)
        self.job_id = job_id
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        """Say what the copy was based on and what the repository holds now."""
        now = (
            "it is no longer stored"
            if self.found is None
            else f"revision {self.found} is stored now"
        )
        return f"job {self.job_id!r} was read at revision {self.expected}, but {now}"


class LeaseLostError(CollectionJobError):
    """The lease is not current: the job was claimed again, left RUNNING, or was deleted.

    The worker stops its work on the job; what it recorded before stays.
    """

    job_id: str
    """The job."""
    worker: str
    """The worker that had leased it."""

    def __init__(self, job_id: str, worker: str) -> None:
        """Remember the job and the worker that had leased it."""
        super().__init__(job_id, worker)
        self.job_id = job_id
        self.worker = worker

    def __str__(self) -> str:
        """Say who lost which job."""
        return (
            f"worker {self.worker!r} no longer has job {self.job_id!r}: it was claimed again, left"
            " RUNNING, or was deleted"
        )


class ForbiddenTransitionError(CollectionJobError, ValueError):
    """The lifecycle does not permit this change of status."""

    job_id: str
    """The job."""
    current: str
    """The status that it has."""
    wanted: str
    """The status that was asked for."""

    def __init__(self, job_id: str, current: str, wanted: str) -> None:
        """Remember the job, the status that it has and the one that was asked for."""
        super().__init__(job_id, current, wanted)
        self.job_id = job_id
        self.current = current
        self.wanted = wanted

    def __str__(self) -> str:
        """Say which change is forbidden."""
        return f"job {self.job_id!r} is {self.current} and cannot become {self.wanted}"


class RepositoryError(CollectionJobError):
    """The engine behind a repository failed; the driver's own error is the ``__cause__``."""


class RepositoryClosedError(RepositoryError):
    """The repository is not open: it was closed, or not opened yet."""
