"""The pictures show what is so."""

from __future__ import annotations

from collection_jobs import TRANSITIONS, JobStatus
from tests import lifecycle, pictures


def test_the_lifecycle_is_drawn_as_the_table_has_it() -> None:
    assert lifecycle.PICTURE.read_text("utf-8") == lifecycle.drawn(), "python -m tests.lifecycle"
    for status in JobStatus:
        for other in TRANSITIONS[status]:
            assert f"{status} may become {other}" in lifecycle.drawn()
    assert lifecycle.drawn().count("<path d=") == 2 + sum(map(len, TRANSITIONS.values()))


def test_the_terminal_shows_what_the_command_prints() -> None:
    picture, report = pictures.made()
    drawn = pictures.PICTURE.read_text("utf-8")
    assert not pictures.differ(drawn, picture), "python -m tests.pictures"
    assert "STATUS-2" in report
