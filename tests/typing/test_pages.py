"""The pages' Python is checked whole, and an error names its place on the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.documentation import PAGES, ROOT, blocks
from tests.tutorial import PAGE
from tests.typing import pages


def test_every_block_of_python_is_a_module_at_its_own_lines() -> None:
    made = list(pages.modules())
    for page in PAGES:
        if ROOT / page == PAGE:
            continue
        lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
        found = [block for block in blocks("\n".join(lines)) if block.language == "python"]
        of_page = [module for module in made if module.page == page]
        assert len(of_page) == len(found)
        for block, module in zip(found, of_page, strict=True):
            last = block.first + block.text.count("\n")
            written = module.text.splitlines()[block.first : last]
            assert [line.strip() for line in written] == [
                line.strip() for line in lines[block.first : last]
            ]


def test_an_error_names_the_page_and_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.md").write_text(
        "A page.\n\n```python\n# one.py\nNUMBER = 1\n```\n\n"
        "<!-- not run: a fragment -->\n```python\nfrom one import NUMBER\n\nNUMBER.upper()\n```\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "PAGES", ["page.md"])
    monkeypatch.setattr(pages, "_THEIRS", {})
    sheet = {module.path: module for module in pages.modules()}
    (error,) = pages.errors("mypy", sheet, sys.executable)
    assert error.place == "page.md:12"
    assert error.message == '"int" has no attribute "upper" [attr-defined]'


def test_the_tutorial_ends_in_a_module_with_all_that_it_shows() -> None:
    text = pages.tutorial()
    page = PAGE.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language == "python" and block.text.startswith("from "):
            assert block.text.partition("import ")[2].strip() in text
    assert "async def _add_failed_symbol" in text
