"""The trials of the built wheel forget no extra; `nox -s wheel` makes them."""

from __future__ import annotations

import tomllib

from tests.documentation import ROOT
from tests.wheel import untried

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


def test_every_extra_has_a_trial() -> None:
    assert untried(list(EXTRAS)) == []


def test_an_extra_without_a_trial_is_named_and_so_is_a_trial_without_an_extra() -> None:
    assert untried([*EXTRAS, "oracle"]) == ["oracle"]
    assert untried([name for name in EXTRAS if name != "check"]) == ["check"]
