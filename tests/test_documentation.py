"""The documentation keeps its word: every block runs, and prints what its page shows."""

from __future__ import annotations

import pytest

from tests.documentation import PAGES, ROOT, PageError, blocks, comparable, rendered


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_every_block_runs_and_prints_what_the_page_shows(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert comparable(rendered(text)) == comparable(text)


def test_an_output_that_is_no_longer_right_is_noticed() -> None:
    page = "```python\nprint('new')\n```\n\n```text\nold\n```\n"
    assert rendered(page) == page.replace("old", "new")


def test_a_number_that_is_no_longer_right_is_noticed_unless_the_page_says_that_they_vary() -> None:
    assert comparable("3 copied in 0.5s") == comparable("3 copied in 12.25s (0:00:12)")
    assert comparable("3 copied") != comparable("2 copied")
    why = "<!-- numbers vary: by the test -->\n"
    assert comparable(f"{why}3 copied") == comparable(f"{why}2 copied")


def test_a_command_sees_the_files_of_the_page() -> None:
    page = "```python\n# made.py\nprint(6 * 7)\n```\n\n```console\n$ python made.py\n?\n```\n"
    assert rendered(page) == page.replace("?", "42")


@pytest.mark.parametrize(
    "page",
    [
        "```python\nraise SystemExit(3)\n```\n",
        "```python\nprint('nobody shows this')\n```\n",
        "```text\nan output of nothing\n```\n",
        "```toml\nnot = toml = at all\n```\n",
        "```cobol\nSTOP RUN.\n```\n",
    ],
)
def test_a_block_that_cannot_be_run_is_an_error(page: str) -> None:
    with pytest.raises((PageError, ValueError)):
        rendered(page)
    assert rendered(f"<!-- not run: the test of exemptions -->\n\n{page}")
    assert blocks(f"<!-- no block is run: the test of exemptions -->\n\n{page}")[0].exempt
