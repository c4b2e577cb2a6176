"""The API reference: every name that a module offers to users has an entry."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[1] / "docs" / "api"
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.rst")))
NAMED = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)", TEXT, re.MULTILINE))
WHOLE = set(re.findall(r"^\.\. automodule:: ([\w.]+)\n   :members:", TEXT, re.MULTILINE))
OFFERING = (
    *("", "base", "base_capabilities", "base_leases", "capabilities", "conformance", "documents"),
    *("errors", "fields", "lease", "leasing", "observability", "observability.observing"),
    *("openable", "opening", "protocol", "query"),
    *("repository", "stats", "status", "urls", "validation"),
)
"""The modules that users import from; what they are not to use is in no ``__all__`` of these."""


OF_OUR_ADAPTERS = {"check_job", "check_jobs", "restore_job"}
"""What builds jobs unchecked, or looks at none of their fields."""


def entries_of(module: str, name: str) -> set[str]:
    """The full names under which a name may stand in the reference."""
    value = getattr(import_module(module), name)
    home = getattr(value, "__module__", module)
    return {f"{one}.{name}" for one in (module, home, "collection_jobs")}


@pytest.mark.parametrize("part", OFFERING)
def test_every_name_has_an_entry(part: str) -> None:
    module = f"collection_jobs.{part}".rstrip(".")
    if module in WHOLE:
        return
    names: list[str] = import_module(module).__all__
    missing = [
        name
        for name in names
        if not entries_of(module, name) & NAMED and name not in OF_OUR_ADAPTERS
    ]
    assert not missing, f"docs/api has no entry of {missing} of {module}"
