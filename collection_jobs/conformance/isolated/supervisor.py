"""The process that watches: it starts the one that examines, and tells what came of it.

It never imports the target. It owns what has to be removed: the directory of the stores, and the
processes.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from collection_jobs.conformance.isolated.messages import (
    CheckEnded,
    CheckProgress,
    DirectoryMade,
    DirectoryWanted,
    ExaminationRequest,
    NotExamined,
    Paced,
    Reproduced,
    Result,
    Verified,
)
from collection_jobs.conformance.isolated.process import ChildProcess
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["ProcessEnded", "RunInterrupted", "StoodStill", "Supervisor"]

IMPORT_LIMIT: float = 60.0
"""Seconds for importing the target: no deadline of a call applies to that."""

_POLL = 0.05
_STANDSTILL = 5.0
"""Seconds beyond the deadline for which an interpreter may stand still."""
_DISCARDING = 30.0
"""Seconds for removing what the stores of a process that ended have left elsewhere."""
_PREFIX = "collection-jobs-verify-"


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """The examining process ended without a result.

    Attributes:
        how: How, as the end of the sentence "the examination ...".
        where: What was under way, as the end of that sentence.
    """

    how: str
    where: str


@dataclass(frozen=True, slots=True)
class StoodStill:
    """The interpreter stood still for longer than a call may take, and was killed.

    Attributes:
        finding: The call during which it did.
    """

    finding: Finding


@dataclass(frozen=True, slots=True)
class RunInterrupted:
    """The user asked for the end."""


@dataclass(slots=True)
class Supervisor:
    """One examination, watched; a context manager that leaves no process and no store behind.

    Attributes:
        findings: What was found so far.
        done: How many checks have ended.
        total: Of how many; 0 while that is not known.
        output: The file with all that the adapter printed, logged or warned.
    """

    request: ExaminationRequest
    tell: Callable[[str, int, int, tuple[str, ...]], None]
    interrupted: Callable[[], bool]
    paced: Callable[[Paced], None] = lambda paced: None
    findings: list[Finding] = field(default_factory=list[Finding])
    done: int = 0
    total: int = 0
    output: Path = field(init=False)
    _child: ChildProcess = field(init=False)
    _stores: Path | None = None
    _made: list[Path] = field(default_factory=list[Path])
    _progress: CheckProgress = field(default_factory=lambda: CheckProgress("opening", 0, 1))
    _cleanly: bool = False

    def __enter__(self) -> Self:
        """Start the process.

        Raises:
            OSError: There is no place for temporary files.
        """
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".log")
        self.output = Path(name)
        self._child = ChildProcess(self.request, descriptor)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.end(leniently=self._cleanly, seconds=self.request.deadline)
        if not self._cleanly and self._made:
            self._discard()
        if self._stores is not None:
            shutil.rmtree(self._stores, ignore_errors=True)
        with suppress(FileNotFoundError):  # who cleans up temporary files may have been here
            if not self.output.stat().st_size:
                self.output.unlink()

    def watch(self) -> Result | ProcessEnded | StoodStill | RunInterrupted:
        """Wait until there is a result, or none is to be expected any more."""
        standing, beats, waited = 0, -1, 0
        most = (self.request.deadline + _STANDSTILL) / _POLL
        while not self.interrupted():
            message = self._child.receive(_POLL)
            if isinstance(message, NotExamined | Verified | Reproduced):
                self._cleanly = True
                return message
            if message is not None:
                self._follow(message)
                waited = -1  # the target is imported
                continue
            if self._child.ended:
                return self._ended()
            if waited >= 0:
                waited += 1
                if waited > IMPORT_LIMIT / _POLL:
                    how = f"was ended, because it came to no end within {IMPORT_LIMIT:g} s"
                    return ProcessEnded(how, self._where())
            # Counted in looks, not in seconds: while this process was suspended, so was that one.
            standing = standing + 1 if self._child.status.beats == beats else 0
            beats = self._child.status.beats
            if standing > most and beats:
                return StoodStill(self._standstill())
            self._show()
        return RunInterrupted()

    def _follow(self, message: object) -> None:
        match message:
            case DirectoryWanted(parent):
                self._make_directory(parent)
            case DirectoryMade(directory):
                self._made.append(directory)
            case CheckProgress():
                self._progress = message
                self._show()
            case Paced():
                self.paced(message)
            case CheckEnded(_, findings, done, total):
                self.findings += findings
                self.done, self.total = done, total
            case _:  # whatever an adapter wrote there
                pass

    def _make_directory(self, parent: Path) -> None:
        try:
            self._stores = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError as error:
            self._child.send(f"no directory for its stores can be made in {parent}: {error}")
        else:
            self._child.send(self._stores)

    def _show(self) -> None:
        _, methods = self._child.status.read()
        self.tell(self._progress.check, self._progress.done, self._progress.total, methods)

    def _where(self) -> str:
        """Say what was under way, as the end of a sentence."""
        where, methods = self._child.status.read()
        if not methods:
            return f"during {where or 'its start'}"
        verb = "was" if len(methods) == 1 else "were"
        return f"while {' and '.join(methods)} {verb} running, during {where}"

    def _ended(self) -> ProcessEnded:
        code = self._child.code
        if code >= 0:
            return ProcessEnded(f"ended with exit code {code}", self._where())
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = " (as the system does when memory runs out)" if name == "SIGKILL" else ""
        return ProcessEnded(f"was ended by {name}{hint}", self._where())

    def _standstill(self) -> Finding:
        self._child.abort()
        _, methods = self._child.status.read()
        named = " and ".join(methods) or "the adapter"
        text = f"{named} did not return within {self.request.deadline:g} s, and no other thread of"
        text += " Python could run meanwhile: it blocks in code that holds the interpreter's lock"
        return Finding("ATOMIC-1", text, (f"# {text}.",))

    def _discard(self) -> None:
        """Have another process remove what the stores have left outside of their directories."""
        request = replace(self.request, discard=tuple(self._made))
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".log")
        child = ChildProcess(request, descriptor)
        until = time.monotonic() + _DISCARDING
        while time.monotonic() < until and not child.ended:
            if isinstance(child.receive(_POLL), NotExamined | Reproduced):
                break
        child.end(leniently=False, seconds=0)
        Path(name).unlink()
