"""check_class joins what the type checkers and a look at the class say into one report."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    ICollectionJobRepository,
    InMemoryCollectionJobRepository,
    JobStatus,
    Lease,
)
from collection_jobs.conformance.static import (
    CheckedClassError,
    CheckerRun,
    Fault,
    FaultKind,
    MethodReport,
    StaticReport,
    check_class,
)
from collection_jobs.conformance.static.check import methods_named
from collection_jobs.conformance.static.checked_class import CheckedClass
from collection_jobs.conformance.static.diagnostics import Diagnostic
from collection_jobs.query import JobQuery
from tests.conformance.static_modules import importable

RENAMED = "class Jobs:\n    async def save(self, work: CollectionJob) -> None: ...\n"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.getbasetemp() / "cache"  # one for all tests here: it starts cold once
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


def method_of(report: StaticReport, name: str) -> MethodReport:
    return next(method for method in report.methods if method.name == name)


def test_the_adapters_of_the_package_conform() -> None:
    report = check_class(InMemoryCollectionJobRepository)
    assert report.conforms, report
    assert [method.name for method in report.methods if method.faults] == []
    assert [(run.name, run.reason) for run in report.checkers] == [("mypy", None)]


def test_a_finding_says_where_what_and_what_to_change(tmp_path: Path) -> None:
    with importable(tmp_path, shop=RENAMED):
        report = check_class("shop:Jobs")
    save = method_of(report, "save")
    assert report.verdict == "findings"
    assert save.location is not None
    lines = Path(save.location.file).read_text(encoding="utf-8").splitlines()
    assert "async def save(self, work" in lines[save.location.line - 1]
    assert save.expected == "async def save(self, job: CollectionJob) -> None"
    assert save.found == "async def save(self, work: CollectionJob) -> None"
    assert save.rejected_by == ("mypy",)
    assert [(fault.kind, fault.change) for fault in save.faults] == [
        (FaultKind.PARAMETERS, "rename work to job")
    ]
    assert [method.name for method in report.methods if method.faults] == ["save"]


def test_what_types_cannot_see_is_found_all_the_same(tmp_path: Path) -> None:
    text = (
        "class Jobs:\n    async def list_recent(self, limit: int = 50,"
        " since: datetime | None = None) -> list[CollectionJob]: ...\n"
    )
    with importable(tmp_path, shop=text):
        report = check_class("shop:Jobs")
    method = method_of(report, "list_recent")
    assert method.rejected_by == ()
    assert [fault.kind for fault in method.faults] == [FaultKind.DEFAULT]


def test_a_wider_type_is_no_fault_and_a_narrower_one_is(tmp_path: Path) -> None:
    wider = "class Jobs:\n    async def save(self, job: object) -> None: ...\n"
    narrower = (
        "from typing import NewType\n"
        "_Small = NewType('_Small', CollectionJob)\n"
        "class Jobs:\n    async def save(self, job: _Small) -> None: ...\n"
    )
    with importable(tmp_path, wider=wider, narrower=narrower):
        assert check_class("wider:Jobs").conforms
        report = check_class("narrower:Jobs")
    assert [fault.message for fault in method_of(report, "save").faults] == [
        "job is _Small, not CollectionJob"
    ]


def test_a_wrapper_that_changes_the_parameters_is_left_to_the_type_checker(tmp_path: Path) -> None:
    text = (
        "from collections.abc import Callable, Coroutine\n"
        "from typing import Concatenate\n"
        "def with_session(method: Callable[[Any, object, CollectionJob], Coroutine[Any, Any, None]]"
        ") -> Any:\n"
        "    @functools.wraps(method)\n"
        "    async def call(self: Any, job: CollectionJob) -> None: ...\n"
        "    return call\n"
        "class Jobs:\n"
        "    @with_session\n"
        "    async def save(self, session: object, job: CollectionJob) -> None: ...\n"
    )
    with importable(tmp_path, shop=text):
        assert check_class("shop:Jobs").conforms


def test_where_only_the_checker_knows_its_words_are_given(tmp_path: Path) -> None:
    text = (
        "from collections.abc import Callable, Coroutine\n"
        "def plain(method: Callable[[Any, CollectionJob], Coroutine[Any, Any, None]]"
        ") -> Callable[[Any, CollectionJob], Coroutine[Any, Any, None]]:\n"
        "    return method\n"
        "class Jobs:\n"
        "    @plain\n"
        "    async def save(self, job: CollectionJob) -> None: ...\n"
    )
    with importable(tmp_path, shop=text):
        report = check_class("shop:Jobs")
    (fault,) = method_of(report, "save").faults
    assert fault.message.startswith("behind @plain, mypy sees another type: ")
    assert "\n" not in fault.message


def test_what_a_checker_says_of_the_class_alone_is_a_finding_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def says(text: str, roots: object) -> list[Diagnostic]:
        line = next(n for n, words in enumerate(text.splitlines(), 1) if "return Adapter0" in words)
        return [Diagnostic("<string>", line, "it builds an int\n  see there", "return-value")]

    monkeypatch.setattr("collection_jobs.conformance.static.check.run_mypy", says)
    report = check_class(InMemoryCollectionJobRepository)
    assert report.verdict == "findings"
    assert not any(method.faults for method in report.methods)
    assert [fault.message for fault in report.faults] == ["mypy says: it builds an int"]


def test_a_nested_class_in_a_package_is_checked(tmp_path: Path) -> None:
    nested = "class Outer:\n" + "".join(f"    {line}\n" for line in RENAMED.splitlines())
    with importable(tmp_path, **{"shop/stores/redis": nested}):
        report = check_class("shop.stores.redis:Outer.Jobs")
    assert [method.name for method in report.methods if method.rejected_by] == ["save"]


def test_a_module_that_mypy_cannot_find_is_incomplete_not_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_roots(self: CheckedClass) -> tuple[Path, ...]:
        return ()

    monkeypatch.setattr(CheckedClass, "import_roots", no_roots)
    with importable(tmp_path, hidden_from_mypy="class Jobs:\n    pass\n"):
        report = check_class("hidden_from_mypy:Jobs")
    assert report.verdict == "incomplete"
    assert report.checkers[0].reason is not None
    assert "cannot import" in report.checkers[0].reason


def test_a_checker_that_is_not_installed_makes_the_report_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(name: str) -> None: ...

    monkeypatch.setattr("collection_jobs.conformance.static.checkers.installed_program", none)
    report = check_class(InMemoryCollectionJobRepository, checkers=["mypy", "ty"])
    assert report.verdict == "incomplete"
    assert not report.conforms
    assert report.checkers[1].reason == "ty is not installed: pip install ty"


def test_without_any_checker_a_report_is_incomplete() -> None:
    assert check_class(InMemoryCollectionJobRepository, checkers=()).verdict == "incomplete"


def test_an_unknown_checker_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'mypyy'.*mypy, pyright"):
        check_class(InMemoryCollectionJobRepository, checkers=["mypyy"])


def test_what_is_made_inside_a_function_cannot_be_checked() -> None:
    class Inner: ...

    with pytest.raises(CheckedClassError, match="inside a function"):
        check_class(Inner)


def test_a_report_in_text_has_every_fault(tmp_path: Path) -> None:
    with importable(tmp_path, shop=RENAMED):
        text = str(check_class("shop:Jobs"))
    assert text.startswith("shop:Jobs: findings\n")
    assert "rename work to job" in text
    assert "expected: async def save(self, job: CollectionJob) -> None" in text


def test_a_report_as_json_has_every_method(tmp_path: Path) -> None:
    with importable(tmp_path, shop=RENAMED):
        report = json.loads(json.dumps(check_class("shop:Jobs").to_json()))
    assert report["verdict"] == "findings"
    assert len(report["methods"]) == 9
    save = report["methods"][0]
    assert save["name"] == "save"
    assert save["verdict"] == "wrong"
    assert save["rejected_by"] == ["mypy"]
    assert save["findings"] == [
        {
            "kind": "parameters",
            "message": "the parameter job is named work",
            "change": "rename work to job",
        }
    ]
    assert report["methods"][1]["verdict"] == "right"


def test_the_verdict_prefers_a_finding_to_a_missing_voice() -> None:
    run = CheckerRun(name="ty", version=None, reason="it is not installed", seconds=0.0)
    fault = Fault(FaultKind.TYPES, "wrong", "mend it")
    report = StaticReport(target="a:B", location=None, methods=(), faults=(fault,), checkers=(run,))
    assert report.verdict == "findings"
    assert "ty gave no verdict: it is not installed" in str(report)


class OffersMany(InMemoryCollectionJobRepository):
    """Has the method of an optional Protocol, with a signature of its own."""

    async def save_many(self, *jobs: CollectionJob) -> None:  # type: ignore[override] # the fault
        return None


class OffersNothing(InMemoryCollectionJobRepository):
    """Hides what it inherits."""

    add_completed_symbol = save_many = list_after = None  # type: ignore[assignment] # as the docs say
    add = add_many = claim_next = claim = renew = get_lease = None  # type: ignore[assignment] # likewise
    add_failure = set_cursor = find = count = delete_finished = None  # type: ignore[assignment] # likewise


def test_a_method_of_an_optional_protocol_is_held_against_it() -> None:
    report = check_class(OffersMany)
    wrong = {method.name: method.faults for method in report.methods if method.faults}
    assert set(wrong) == {"save_many"}
    assert report.verdict == "findings"
    method = next(method for method in report.methods if method.name == "save_many")
    assert method.expected == "async def save_many(self, jobs: Iterable[CollectionJob]) -> None"


def test_what_a_class_does_not_have_beyond_the_nine_is_not_asked_for() -> None:
    report = check_class(OffersNothing, checkers=())
    assert not [method for method in report.methods if method.faults]
    assert len(report.methods) == 9


class LeasesWithoutFences(InMemoryCollectionJobRepository):
    """Has all that leases need, and changes that take none."""

    async def update_status(  # type: ignore[override] # the fault
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        return True

    async def add_failed_symbol(  # type: ignore[override] # the fault
        self, job_id: str, symbol: str, error: str, lease: Lease | None
    ) -> None:
        return None

    async def claim_next(  # type: ignore[override] # the fault
        self, worker: str, ttl: timedelta, *, exchange: str | None = None
    ) -> Lease | None:
        return None


class ClaimsOnly(ICollectionJobRepository):
    """Has one method of leases, which is right, and so none of its changes need take a lease."""

    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        return None


class TakesMore(InMemoryCollectionJobRepository):
    """Takes by position what needs to be taken by keyword only: a caller does not mind."""

    @override
    async def claim_next(  # pyright: ignore[reportIncompatibleMethodOverride] # it takes them as well
        self,
        worker: str,
        ttl: timedelta,
        source: str | None = None,
        most_running: int | None = None,
    ) -> Lease | None:
        return None


def test_a_method_that_leases_need_is_held_against_what_they_declare() -> None:
    report = check_class(LeasesWithoutFences)
    wrong = {method.name: method for method in report.methods if method.faults}
    assert set(wrong) == {"update_status", "add_failed_symbol", "claim_next"}
    assert all("mypy" in method.rejected_by for method in wrong.values())
    assert [str(fault.message) for fault in wrong["update_status"].faults] == [
        "it does not take lease"
    ]
    assert wrong["update_status"].faults[0].change == (
        "add the parameter lease: Lease | None = None"
    )
    assert [fault.message for fault in wrong["add_failed_symbol"].faults] == [
        "lease has no default"
    ]
    assert [fault.message for fault in wrong["claim_next"].faults] == [
        "it does not take source",
        "it does not take most_running",
    ]
    assert wrong["update_status"].expected == (
        "async def update_status(self, job_id: str, status: JobStatus,"
        " error_message: str | None = None, *, lease: Lease | None = None) -> bool"
    )


class RecordsWithoutFences(InMemoryCollectionJobRepository):
    """Has leases, and records failures and cursors past them."""

    async def add_failure(  # type: ignore[override] # the fault
        self, job_id: str, symbol: str, error: str, *, permanent: bool = False
    ) -> None:
        return None

    async def set_cursor(  # type: ignore[override] # the fault
        self, job_id: str, symbol: str, until: datetime
    ) -> None:
        return None


class RecordsWithoutLeases(RecordsWithoutFences):
    """The same, where there are no leases."""

    claim_next = claim = renew = get_lease = None  # type: ignore[assignment] # as the docs say


def test_what_records_beside_leases_takes_one_and_without_leases_none() -> None:
    wrong = {one.name: one for one in check_class(RecordsWithoutFences).methods if one.faults}
    assert set(wrong) == {"add_failure", "set_cursor"}
    for method in wrong.values():
        assert [fault.message for fault in method.faults] == ["it does not take lease"]
    report = check_class(RecordsWithoutLeases, checkers=())
    assert not [method for method in report.methods if method.faults]
    expected = {method.name: method.expected for method in report.methods}
    assert "lease" not in expected["add_failure"]
    assert "= (JobStatus.COMPLETED, JobStatus.CANCELLED)" in expected["delete_finished"]


class FindsWrongly(InMemoryCollectionJobRepository):
    """Has a fault in each method of finding and purging."""

    async def find(  # type: ignore[override] # the fault
        self, text: str, limit: int = 100, after: tuple[datetime, str] | None = None
    ) -> list[CollectionJob]:
        return []

    async def count(self, query: JobQuery) -> int:  # type: ignore[override] # the fault
        return 0

    async def delete_finished(self, before: datetime) -> int:  # type: ignore[override] # the fault
        return 0


def test_what_finds_and_purges_is_held_against_the_protocols() -> None:
    wrong = {one.name: one for one in check_class(FindsWrongly).methods if one.faults}
    assert set(wrong) == {"find", "count", "delete_finished"}
    assert all("mypy" in method.rejected_by for method in wrong.values())
    assert [fault.message for fault in wrong["delete_finished"].faults] == [
        "it does not take statuses",
        "it does not take limit",
    ]


def test_a_part_of_a_protocol_asks_for_no_more_of_the_nine() -> None:
    expected = {method.name: method.expected for method in check_class(ClaimsOnly).methods}
    assert "lease" not in expected["update_status"]
    assert "claim" in expected


def test_a_parameter_by_keyword_may_be_taken_by_position() -> None:
    report = check_class(TakesMore)
    assert report.verdict == "conforms", str(report)


def test_without_a_checker_leases_are_seen_at_run_time() -> None:
    report = check_class(LeasesWithoutFences, checkers=())
    wrong = {method.name for method in report.methods if method.faults}
    assert wrong == {"update_status", "add_failed_symbol", "claim_next"}


# What hides a method from a type checker: the checker accepts it, and the class itself decides.
_HIDING = """
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, NoReturn, ParamSpec, TypeVar
P = ParamSpec("P")
T = TypeVar("T")
def untyped(method):
    @functools.wraps(method)
    async def call(*args, **kwargs):
        return await method(*args, **kwargs)
    return call
def of_anything(
    method: Callable[..., Coroutine[Any, Any, T]]
) -> Callable[..., Coroutine[Any, Any, T]]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> T:
        return await method(*args, **kwargs)
    return call
def with_timeout(method) -> Any:
    @functools.wraps(method)
    async def call(self, job_id: str) -> bool: ...
    return call
class _InThread:
    def __init__(self, function: Callable[..., T]) -> None:
        self._function = function
        functools.update_wrapper(self, function)
    def __get__(self, instance: object, owner: object = None) -> Any:
        return functools.partial(self.__call__, instance)
    async def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
"""


def _fault_messages(directory: Path, text: str) -> list[str]:
    with importable(directory, hidden=_HIDING + text):
        report = check_class("hidden:Jobs")
    return [fault.message for method in report.methods for fault in method.faults]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@untyped\n    async def delete(self, id: str) -> bool: ...", "job_id is named id"),
        ("@untyped\n    async def delete(self, job_id: str) -> str: ...", "returns str, not bool"),
        (
            "@untyped\n    async def get_running_jobs(self) -> list[str]: ...",
            "returns list[str], not list[CollectionJob]",
        ),
        ("@of_anything\n    async def delete(self, id: str) -> bool: ...", "job_id is named id"),
        (
            "@of_anything\n    async def get_by_id(self, job_id: int) -> CollectionJob | None: ...",
            "job_id is int, not str",
        ),
        (
            "@untyped\n    @of_anything\n    async def delete(self, id: str) -> bool: ...",
            "job_id is named id",
        ),
        ("async def delete(self, job_id: str) -> NoReturn: ...", "never returns (NoReturn)"),
    ],
)
def test_a_wrong_method_that_no_checker_sees_is_found(
    tmp_path: Path, text: str, message: str
) -> None:
    (found,) = _fault_messages(tmp_path, f"class Jobs:\n    {text}\n")
    assert message in found


@pytest.mark.parametrize(
    "text",
    [
        "@untyped\n    async def delete(self, job_id: str) -> bool: ...",
        "@of_anything\n    async def delete(self, job_id: str) -> bool: ...",
        "@with_timeout\n    async def delete(self, job_id: str, session: int) -> bool: ...",
        "@_InThread\n    def delete(self, job_id: str) -> bool: ...",
        "async def delete(self, job_id: Annotated[str, 'an id']) -> Annotated[bool, 1]: ...",
    ],
)
def test_a_right_method_that_no_checker_sees_is_accepted(tmp_path: Path, text: str) -> None:
    assert _fault_messages(tmp_path, f"class Jobs:\n    {text}\n") == []


def test_annotated_is_seen_through_when_annotations_are_evaluated(tmp_path: Path) -> None:
    # The modules of `importable` have their annotations as text.
    text = (
        "from typing import Annotated, Any\n"
        "from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobStatus\n"
        "class Jobs(InMemoryCollectionJobRepository):\n"
        "    async def list_by_status(self, status: JobStatus, limit: Annotated[int, 'gt 0'] = 100,"
        " offset: int = 0) -> Annotated[list[CollectionJob], 'sorted']: ...\n"
    )
    (tmp_path / "evaluated.py").write_text(text, encoding="utf-8")
    with importable(tmp_path):
        assert check_class("evaluated:Jobs").conforms


@pytest.mark.parametrize(
    "making",
    [
        "def make():\n    return Wrong\nJobs = make()\n",
        "def make() -> type[Wrong]:\n    return Wrong\nJobs = make()\n",
        "def __getattr__(name: str) -> Any:\n    if name == 'Jobs': return Wrong\n",
    ],
)
def test_a_class_that_is_any_to_the_checker_is_inspected(tmp_path: Path, making: str) -> None:
    wrong = "class Wrong:\n    async def delete(self, id: str) -> bool: ...\n"
    with importable(tmp_path, lazy=wrong + making):
        report = check_class("lazy:Jobs")
    messages = [fault.message for method in report.methods for fault in method.faults]
    assert "the parameter job_id is named id" in messages
    assert all("Adapter0" not in message for message in messages)


def test_a_retry_that_returns_an_awaitable_is_named(tmp_path: Path) -> None:
    text = (
        "def retried(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:\n"
        "    @functools.wraps(method)\n"
        "    async def call(*args: P.args, **kwargs: P.kwargs) -> T: ...\n"
        "    return call\n"
        "class Jobs:\n"
        "    @retried\n"
        "    async def delete(self, job_id: str) -> bool: ...\n"
    )
    with importable(tmp_path, hidden=_HIDING + text):
        (fault,) = method_of(check_class("hidden:Jobs"), "delete").faults
    assert fault.message.startswith("behind @retried, mypy sees another type: ")
    assert "the contract's delete" in fault.message
    assert "Callable[P, Coroutine[Any, Any, T]]" in fault.change


def test_types_that_read_the_same_are_told_apart_by_their_modules(tmp_path: Path) -> None:
    text = (
        "class CollectionJob:\n    name: str\n"
        "class Jobs:\n    async def save(self, job: CollectionJob) -> None: ...\n"
    )
    with importable(tmp_path, shop=text):
        (fault,) = method_of(check_class("shop:Jobs"), "save").faults
    assert fault.message == "job is shop.CollectionJob, not collection_jobs.job.CollectionJob"


def test_none_is_none_in_a_capability_too(tmp_path: Path) -> None:
    right, wrong = (
        "class Jobs:\n    async def add_completed_symbol(self, job_id: str, symbol: str,"
        f" candles: int) -> {result}: ...\n"
        for result in ("None", "int")
    )
    assert _fault_messages(tmp_path, right) == []
    assert _fault_messages(tmp_path, wrong) == ["it returns int, not None"]


def test_a_near_miss_of_a_capability_is_a_hint_and_no_fault(tmp_path: Path) -> None:
    text = (
        "class Jobs:\n    async def add_completed_symbols(self, job_id: str, symbol: str,"
        " candles: int) -> None: ...\n"
    )
    with importable(tmp_path, shop=text):
        report = check_class("shop:Jobs")
    assert report.conforms
    (hint,) = report.hints
    assert hint.startswith("add_completed_symbols is almost the name of add_completed_symbol: ")


def test_a_helper_that_has_the_name_of_a_method_beyond_the_nine_is_a_hint(tmp_path: Path) -> None:
    helper = "class Jobs:\n    def find(self, row: int) -> int: return row\n"
    wrong = f"{helper}    async def count(self, query: object) -> int: return 0\n"
    with importable(tmp_path, shop=helper):
        report = check_class("shop:Jobs")
    assert {method.name for method in report.methods}.isdisjoint({"find", "count"})
    (hint,) = report.hints
    assert hint.startswith("find is not taken for the method of FindsJobs: ")
    with importable(tmp_path, shop=wrong):
        report = check_class("shop:Jobs")
    assert method_of(report, "find").faults


def test_an_allowed_deviation_is_shown_and_is_no_finding(tmp_path: Path) -> None:
    with importable(tmp_path, shop=RENAMED):
        report = check_class("shop:Jobs", allowed={"save": "the old name", "delete": "to be sure"})
        with pytest.raises(ValueError, match="'remove' cannot be allowed"):
            check_class("shop:Jobs", allowed={"remove": "it has another name"})
    assert report.conforms
    save = method_of(report, "save")
    assert save.faults
    assert save.allowed == "the old name"
    assert report.hints == ("delete has no fault: it need not be allowed",)
    assert "the old name" in str(report)


@pytest.mark.parametrize(
    "message",
    [
        '"list_recent" is an incompatible type: Parameter name mismatch: "limit" versus "count"',
        'Method "list_recent" differs: base parameter is named "limit", override is named "count"',
        "Signature of 'list_recent' lacks keyword parameter `find`",
    ],
)
def test_a_parameter_that_has_the_name_of_a_method_is_no_method(message: str) -> None:
    assert methods_named(message) == ["list_recent"]
