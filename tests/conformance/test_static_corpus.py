"""The corpus of adapters: what mypy and the look at run time say of each, in the ordinary tests.

The other five type checkers, and the stubs alone, are asked by `nox -s types`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collection_jobs.conformance.static.checkers import CHECKERS, Job
from collection_jobs.conformance.static.probe import make_probe
from tests.typing.cases import Case, write_corpus
from tests.typing.matrix import Verdicts, compare, deviation, read_verdicts, run_time_deviation

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Case]]]:
    directory = tmp_path_factory.mktemp("corpus")
    cases = write_corpus(directory)
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    yield directory, cases
    sys.path.remove(str(directory))
    for module in {case.module for case in cases}:
        sys.modules.pop(module, None)


def test_the_corpus_is_large_enough(corpus: tuple[Path, list[Case]]) -> None:
    classes = {(case.group, case.module.rpartition("_")[0], case.qualname) for case in corpus[1]}
    groups = [group for group, _, _ in classes]
    assert groups.count("wrong") >= 60
    assert groups.count("right") >= 20


def test_every_kind_of_wrong_adapter_names_one_of_the_nine_methods(
    corpus: tuple[Path, list[Case]],
) -> None:
    assert len({case.method for case in corpus[1] if case.group == "wrong"}) == 9


def test_mypy_rejects_every_wrong_adapter_by_its_method_and_accepts_every_right_one(
    corpus: tuple[Path, list[Case]],
) -> None:
    directory, cases = corpus
    probe = make_probe((case.module, case.qualname) for case in cases)
    (directory / "probe.py").write_text(probe.text, encoding="utf-8")
    job = Job(directory, ("probe.py",), (ROOT,), cache=directory / "cache")
    verdicts = read_verdicts(CHECKERS["mypy"].run(job), probe)
    found = {str(case): deviation(case, "mypy", verdicts) for case in cases}
    assert {case: how for case, how in found.items() if how is not None} == {}


def test_the_look_at_run_time_finds_what_it_can_at_its_line(
    corpus: tuple[Path, list[Case]],
) -> None:
    found = {str(case): run_time_deviation(case) for case in corpus[1]}
    assert {case: how for case, how in found.items() if how is not None} == {}


def test_most_of_what_types_cannot_see_is_found_at_run_time(
    corpus: tuple[Path, list[Case]],
) -> None:
    invisible = [case for case in corpus[1] if case.group == "invisible"]
    assert sum(not case.unseen for case in invisible) >= 0.6 * len(invisible)


WRONG = Case("m", "Jobs", "wrong", "save", 3)
SAVE = frozenset({"save"})


@pytest.mark.parametrize(
    ("case", "named", "lines", "expected"),
    [
        (WRONG, {"m:Jobs": SAVE}, set[tuple[str, int]](), None),
        (WRONG, {}, set[tuple[str, int]](), "accepted"),
        (WRONG, {}, {("m.py", 3)}, "accepted"),
        (replace(WRONG, own_file=frozenset({"ty"})), {}, {("m.py", 3)}, None),
        (replace(WRONG, own_file=frozenset({"ty"})), {}, {("m.py", 4)}, "accepted"),
        (WRONG, {"m:Jobs": frozenset({"delete"})}, set[tuple[str, int]](), "rejected for"),
        (WRONG, {"m:Jobs": SAVE | {"delete"}}, set[tuple[str, int]](), "rejected for"),
        (Case("m", "Jobs", "right"), {}, {("m.py", 3)}, None),
        (Case("m", "Jobs", "right"), {"m:Jobs": SAVE}, set[tuple[str, int]](), "rejected, for"),
        (Case("m", "Jobs", "invisible"), {"m:Jobs": SAVE}, set[tuple[str, int]](), "seen: True"),
        (
            Case("m", "Jobs", "invisible", seen_by=frozenset({"ty"})),
            {},
            set[tuple[str, int]](),
            "seen: False",
        ),
    ],
)
def test_the_matrix_tells_a_deviation(
    case: Case, named: dict[str, frozenset[str]], lines: set[tuple[str, int]], expected: str | None
) -> None:
    found = deviation(case, "ty", Verdicts(named, frozenset(lines), 0.0))
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(expected)


def test_the_matrix_tells_lines_that_only_one_setting_has() -> None:
    wheel = Verdicts({}, frozenset({("a.py", 1), ("a.py", 2)}), 0.0)
    stubs = Verdicts({}, frozenset({("a.py", 2), ("b.py", 3)}), 0.0)
    assert list(compare({"wheel": wheel, "stubs": stubs})) == [
        "a.py:1 is an error from the wheel only",
        "b.py:3 is an error from the stubs only",
    ]
    assert list(compare({"wheel": wheel, "stubs": wheel})) == []
