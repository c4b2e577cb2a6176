"""What docs/static-conformance.md counts is what the corpus of adapters gives."""

from __future__ import annotations

from pathlib import Path

from tests.typing.cases import write_corpus

PAGE = (Path(__file__).parents[2] / "docs" / "static-conformance.md").read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_corpus(tmp_path: Path) -> None:
    cases = write_corpus(tmp_path)
    for group in ("wrong", "right", "invisible"):
        count = sum(case.group == group for case in cases)
        assert f"of {count} |" in PAGE, f"{count} {group} ones: run nox -s types, and write it down"
    caught = sum(case.group == "invisible" and not case.unseen for case in cases)
    assert f"| {caught} of " in PAGE
