"""Run an examination in a process of its own, with a progress bar, until a signal comes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from collection_jobs.cli.failure import Failure
from collection_jobs.conformance.isolated.messages import ExaminationRequest, Paced, Result
from collection_jobs.conformance.isolated.supervisor import (
    ProcessEnded,
    RunInterrupted,
    StoodStill,
    Supervisor,
)
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["INTERRUPTED", "RunOutcome", "run_isolated"]

INTERRUPTED = 130
"""The exit code of a run that Ctrl-C or SIGTERM ended."""

_WORTH_TELLING = 10.0
"""From how many seconds on it is said beforehand how long it will take."""
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of an examination.

    Attributes:
        result: The result, or how it ended without one.
        findings: What was found until then.
        done: How many checks had ended.
        total: Of how many.
        output: The file with what the adapter printed; None where it printed nothing.
    """

    result: Result | ProcessEnded | StoodStill | RunInterrupted
    findings: list[Finding]
    done: int
    total: int
    output: Path | None


def run_isolated(request: ExaminationRequest) -> RunOutcome:
    """Run it to its end; what it leaves behind is removed.

    Raises:
        Failure: There is no place for temporary files.
    """
    signals = _Signals()
    try:
        with ExitStack() as opened:
            opened.enter_context(signals.noted())
            request = replace(request, cache=opened.enter_context(_cache()))
            bars = opened.enter_context(_bars())
            task = bars.add_task("opening", total=None)

            def tell(check: str, done: int, total: int, methods: tuple[str, ...]) -> None:
                shown = f"{check} [dim]{', '.join(methods)}[/dim]" if methods else check
                bars.update(task, description=shown, completed=done, total=total)

            def say(paced: Paced) -> None:
                if paced.seconds >= _WORTH_TELLING:
                    bars.console.print(_estimate(paced), soft_wrap=True)

            supervisor = opened.enter_context(Supervisor(request, tell, signals.came, say))
            result = supervisor.watch()
    except OSError as error:
        raise Failure(f"nothing can be examined: {error}") from error
    output = supervisor.output if supervisor.output.exists() else None
    return RunOutcome(result, supervisor.findings, supervisor.done, supervisor.total, output)


def _estimate(paced: Paced) -> str:
    """Say beforehand how long it will take."""
    minutes, seconds = divmod(round(paced.seconds, -1 if paced.seconds > 20 else None), 60)
    shown = f"{minutes:.0f} min" if minutes >= 3 else f"{60 * minutes + seconds:.0f} s"
    costs = (f"{cost * 1e3:.1f} ms" for cost in (paced.opening, paced.call))
    return "This takes about {}: a store opens in {}, a call takes {}.".format(shown, *costs)


def _bars() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _Signals:
    """Ctrl-C and SIGTERM end the run; a second one ends it at once."""

    def __init__(self) -> None:
        self._came = False

    def came(self) -> bool:
        """Whether one came."""
        return self._came

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._came:
            os._exit(INTERRUPTED)
        self._came = True

    @contextmanager
    def noted(self) -> Generator[None]:
        """Note them in place of what they do otherwise."""
        former = {number: signal.signal(number, self._note) for number in _ENDING_SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


@contextmanager
def _cache() -> Generator[Path]:
    """Give a place for Hypothesis's tables: one that stays, where the user's cache can be written.

    Hypothesis would leave a directory of its own where the user stands otherwise, and its table of
    Unicode takes seconds to make.
    """
    cache = user_cache_path("collection-jobs", appauthor=False) / "hypothesis"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError:
        with tempfile.TemporaryDirectory(prefix="collection-jobs-cache-") as directory:
            yield Path(directory)
    else:
        yield cache
