"""What is named is found, or one line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from collection_jobs import InMemoryCollectionJobRepository
from collection_jobs.conformance.static import CheckedClassError
from collection_jobs.conformance.static.checked_class import CheckedClass, load_class
from tests.conformance.static_modules import importable


def test_a_class_is_found_by_its_name() -> None:
    found = load_class("collection_jobs:InMemoryCollectionJobRepository")
    assert found.cls is InMemoryCollectionJobRepository
    assert str(found) == "collection_jobs:InMemoryCollectionJobRepository"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shop", "a class is named module:Class, as in shop.jobs:RedisJobs: 'shop'"),
        (":Jobs", "a class is named module:Class, as in shop.jobs:RedisJobs: ':Jobs'"),
        ("shop:", "a class is named module:Class, as in shop.jobs:RedisJobs: 'shop:'"),
        ("shoop:Jobs", "there is no module 'shoop' to import shoop:Jobs from"),
        ("shop.jobs:Jobs", "there is no module 'shop.jobs' to import shop.jobs:Jobs from"),
        ("shop:Job", "shop has no 'Job'; near to it: Jobs"),
        ("shop:Nothing", "shop has no 'Nothing'; it defines Jobs"),
        ("shop:Jobs.Inner", "shop has no 'Inner'"),
        ("shop:number", "shop:number is not a class but an int: 3"),
        (
            "needs:Jobs",
            "needs cannot be imported: ModuleNotFoundError: No module named 'no_such_driver'",
        ),
        ("fails:Jobs", "fails cannot be imported: ZeroDivisionError: division by zero"),
        ("leaves:Jobs", "leaves cannot be imported: SystemExit: 4"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(
    name: str, message: str, tmp_path: Path
) -> None:
    with (
        importable(
            tmp_path,
            shop="number = 3\nclass Jobs:\n    pass\n",
            needs="import no_such_driver\n",
            fails="1 / 0\n",
            leaves="raise SystemExit(4)\n",
        ),
        pytest.raises(CheckedClassError) as caught,
    ):
        load_class(name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_class_of_the_program_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CheckedClass, "__module__", "__main__")
    with pytest.raises(CheckedClassError, match="defined in the main program"):
        CheckedClass.of(CheckedClass)


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(CheckedClassError, match="a class is checked, not an int: 3"):
        CheckedClass.of(3)  # type: ignore[arg-type] # what a caller without a type checker may give


def test_the_roots_are_where_modules_are_imported_from(tmp_path: Path) -> None:
    with importable(tmp_path, **{"shop/stores/redis": "class Jobs:\n    pass\n"}):
        assert tmp_path.resolve() in load_class("shop.stores.redis:Jobs").import_roots()


def test_what_pip_installed_needs_no_root() -> None:
    roots = load_class("pytest:Item").import_roots()
    assert not any("site-packages" in str(root) for root in roots)
