"""The README keeps its word: its programs run, and print what it shows."""

from __future__ import annotations

from tests.readme import README, rendered


def test_every_program_and_command_prints_what_the_readme_shows() -> None:
    text = README.read_text()
    assert rendered(text) == text
