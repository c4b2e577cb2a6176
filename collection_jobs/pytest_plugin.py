"""The pytest plugin: one test per law, for a target on the command line or for a class.

``pytest --collection-jobs TARGET`` adds a test for each law, for any target that
``collection-jobs verify`` takes. A class derived from :class:`RepositoryConformance` does the same
inside a test module. Neither loads the kit, and with it Hypothesis, before it is asked for.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from collection_jobs.protocol import CollectionJobRepository

if TYPE_CHECKING:
    from collection_jobs.conformance import LawReport, Report

__all__ = ["RepositoryConformance"]

_PROFILES = ("quick", "standard", "thorough")


class RepositoryConformance:
    """The laws as tests: derive from it in a test module and override ``open_repository``.

    Example::

        class TestMyRepository(RepositoryConformance):
            def open_repository(self, directory):
                return MyRepository(directory / "jobs.db")

    Attributes:
        profile: How thoroughly to look: ``quick``, ``standard`` or ``thorough``.
        seed: Seed of all random choices; the same seed makes the same programs.
        deadline: After how many seconds a call that has not returned is a finding; None: what
            ``--collection-jobs-deadline`` or the ini option ``collection_jobs_deadline`` says.
    """

    profile: ClassVar[str] = "standard"
    seed: ClassVar[int] = 0
    deadline: ClassVar[float | None] = None

    def open_repository(
        self, directory: Path
    ) -> AbstractAsyncContextManager[CollectionJobRepository]:
        """Open the store in a directory; the same directory always gives the same store."""
        raise TypeError(f"{type(self).__name__} must say in open_repository how a store is opened")

    def test_law(
        self, law: str, conformance_report: Report, request: pytest.FixtureRequest
    ) -> None:
        """The law holds."""
        judged = next(it for it in conformance_report.laws if it.id == law)
        _demand(judged, cast("pytest.Item", request.node))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("collection-jobs", "conformance of collection-job repositories")
    group.addoption(
        "--collection-jobs",
        metavar="TARGET",
        help="verify a repository, given as a URL or module:factory, with one test per law",
    )
    group.addoption(
        "--collection-jobs-profile",
        choices=_PROFILES,
        default="standard",
        help="how thoroughly to look (default: %(default)s)",
    )
    group.addoption(
        "--collection-jobs-seed",
        type=int,
        default=0,
        help="seed of all random choices (default: %(default)s)",
    )
    about = "after how many seconds a call that has not returned is a finding"
    group.addoption("--collection-jobs-deadline", type=float, metavar="SECONDS", help=about)
    parser.addini("collection_jobs_deadline", f"{about} (default: 10)", default="10")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each class that derives from RepositoryConformance a test for each law."""
    judge = cast("type[object] | None", getattr(metafunc, "cls", None))
    mine = judge is not None and issubclass(judge, RepositoryConformance)
    if mine and "law" in metafunc.fixturenames:
        _demand_kit()
        from collection_jobs.conformance import LAWS

        metafunc.parametrize("law", list(LAWS))


@pytest.fixture(scope="class")
def conformance_report(request: pytest.FixtureRequest) -> Report:
    """Return the verdict on every law, made once for all tests of a RepositoryConformance class."""
    from collection_jobs.conformance import Target, verify

    judge = cast("type[RepositoryConformance]", getattr(request, "cls", None))
    # Under this name, if it is one, worker processes find the class again.
    by_name = getattr(sys.modules.get(judge.__module__), judge.__name__, None)
    spec = f"{judge.__module__}:{judge.__name__}" if by_name is judge else None
    target = Target(judge.__name__, judge().open_repository, spec=spec)
    given = _deadline(request.config) if judge.deadline is None else judge.deadline
    return verify(target, profile=judge.profile, seed=judge.seed, deadline=given)


def _deadline(config: pytest.Config) -> float:
    """Return the deadline of the command line or, failing that, of the configuration."""
    given = config.getoption("--collection-jobs-deadline")
    text = str(config.getini("collection_jobs_deadline") if given is None else given)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise pytest.UsageError(
            f"collection_jobs_deadline is a positive number of seconds, not {text!r}"
        )
    return seconds


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """After everything else, the laws of the target on the command line."""
    target: str | None = session.config.getoption("--collection-jobs")
    if target is not None:
        _demand_kit()
        _deadline(session.config)
        from collection_jobs.conformance.running.targets import shown_target

        # The name stands in lists of tests and in reports.
        name = shown_target(target)
        judged = cast("_Judged", _new(_Judged, session, name=name, nodeid="collection-jobs"))
        items.extend(judged.collect())


class _Judged(pytest.Collector):
    """The target on the command line."""

    @cached_property
    def report(self) -> Report:
        """The verdict on every law, made once, when the first test asks for it."""
        from collection_jobs.conformance import TargetError, find_target, verify

        option = self.config.getoption
        try:
            return verify(
                find_target(self._target()),
                profile=str(option("--collection-jobs-profile")),
                seed=int(str(option("--collection-jobs-seed"))),
                deadline=_deadline(self.config),
            )
        except TargetError as error:
            pytest.exit(f"--collection-jobs: {error}", returncode=pytest.ExitCode.USAGE_ERROR)

    def _target(self) -> str:
        return str(self.config.getoption("--collection-jobs"))

    def collect(self) -> Iterator[pytest.Item]:
        """One test per law."""
        from collection_jobs.conformance import LAWS

        for law in LAWS:
            yield cast("_LawItem", _new(_LawItem, self, name=law))


class _LawItem(pytest.Item):
    """The test of one law."""

    def runtest(self) -> None:
        """Pass if the law holds."""
        judged = self.parent
        assert isinstance(judged, _Judged)  # noqa: S101 - it is the only collector of these
        _demand(next(law for law in judged.report.laws if law.id == self.name), self)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> Any:  # what pytest shows of it has no public type
        """Say what went wrong, without the arguments of the calls, one of which may be a URL."""
        if isinstance(excinfo.value, pytest.fail.Exception):
            return super().repr_failure(excinfo)
        from collection_jobs.conformance.running.targets import said_of_target

        text = "".join(traceback.format_exception(excinfo.value))
        return said_of_target(text, str(self.config.getoption("--collection-jobs")))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the test stands in a report."""
        return self.path, None, f"{self.parent.name if self.parent else ''} {self.name}"


def _new(kind: type[pytest.Item | pytest.Collector], parent: object, **values: object) -> object:
    """Make a new node: pytest's own constructor of them takes untyped keywords."""
    from_parent: Callable[..., object] = getattr(kind, "from_parent")  # noqa: B009 - its type is unknown to checkers
    return from_parent(parent, **values)


def _demand_kit() -> None:
    """Say in one line which extra brings what the kit needs."""
    if find_spec("hypothesis") is None:
        raise pytest.UsageError(
            "verifying the laws needs hypothesis: pip install 'collection-jobs[verify]'"
        )


def _demand(law: LawReport, test: pytest.Item) -> None:
    """Pass, fail or skip as the verdict on a law says.

    While methods are unwritten, the test of ERROR-1 fails and says which: a law that waits for
    them is expected to fail, and adds no noise. Where that test is not among those that run, the
    law's own fails.
    """
    from collection_jobs.conformance import LawBroken

    if law.finding is not None:
        # The finding says it all; where the kit noticed it is of no interest to its reader.
        pytest.fail(str(LawBroken(law.finding)), pytrace=False)
    if law.verdict == "not applicable":
        pytest.skip(f"not applicable: {law.reason}")
    if law.waits_for and _is_told(test):
        pytest.xfail(str(law.reason))
    if law.verdict == "not checked":
        pytest.fail(f"{law.id} applies and went unchecked: {law.reason}", pytrace=False)


def _is_told(test: pytest.Item) -> bool:
    """Whether the test of ERROR-1 on the same repository runs, too."""
    return any(
        other.parent is test.parent and "ERROR-1" in other.name for other in test.session.items
    )
