"""The README keeps its word: in a module of its own, for its verdicts take long."""

from __future__ import annotations

from tests.documentation import ROOT, comparable, rendered


def test_every_block_runs_and_prints_what_the_readme_shows() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert comparable(rendered(text)) == comparable(text)
