"""Each command loads what it needs and demands no more; what is missing is one sentence."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import requires
from pathlib import Path

import click
import pytest

from collection_jobs.cli.app import COMMANDS, app
from tests.cli.support import fill, one_of_each
from tests.conformance.support import command

VERIFY = "pip install 'collection-jobs[verify]'"

# What a bare environment lacks: an import of it is refused, as if it were not installed.
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {missing!r} else found(name, *rest)
sys.meta_path.insert(0, Missing())
sys.argv = ["collection-jobs", *{arguments!r}]
from collection_jobs.cli.entry import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr) if {loaded!r} else None
"""


def run(
    *arguments: str, missing: tuple[str, ...] = (), loaded: bool = False
) -> subprocess.CompletedProcess[str]:
    script = WITHOUT.format(missing=missing, arguments=arguments, loaded=loaded)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["jobs", "--help"], ["jobs", "{url}"]])
def test_help_and_jobs_need_click_and_rich_alone(tmp_path: Path, arguments: list[str]) -> None:
    url = fill(tmp_path, one_of_each())
    ran = run(
        *(word.format(url=url) for word in arguments),
        missing=("hypothesis", "jinja2", "mypy", "pytest"),
        loaded=True,
    )
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stderr.split())
    assert "click" in loaded
    assert not {"hypothesis", "jinja2", "collection_jobs.conformance"} & loaded
    if arguments == ["--help"]:
        assert not {"rich", "asyncio"} & loaded


@pytest.mark.parametrize(
    ("arguments", "missing", "message"),
    [
        (["--help"], ["click"], "collection-jobs needs click: pip install 'collection-jobs[cli]'"),
        (
            ["jobs"],
            ["click", "rich"],
            "collection-jobs needs click and rich: pip install 'collection-jobs[cli]'",
        ),
        (
            ["verify", "memory:"],
            ["hypothesis", "jinja2"],
            f"collection-jobs verify: needs hypothesis and jinja2: {VERIFY}",
        ),
        (
            ["new-adapter", "shop-jobs"],
            ["jinja2"],
            f"collection-jobs new-adapter: needs jinja2: {VERIFY}",
        ),
        (
            ["check", "collection_jobs:InMemoryCollectionJobRepository"],
            ["mypy"],
            "collection-jobs check: mypy is missing: pip install 'collection-jobs[check]'",
        ),
    ],
)
def test_a_missing_library_is_one_sentence_with_the_extra_that_brings_it(
    arguments: list[str], missing: list[str], message: str
) -> None:
    ran = run(*arguments, missing=tuple(missing))
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"{message}\n")


def test_check_needs_no_library_of_verify() -> None:
    target = "collection_jobs:InMemoryCollectionJobRepository"
    ran = run("check", target, missing=("hypothesis", "jinja2"))
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_says_of_itself_what_the_help_of_all_says(name: str) -> None:
    entry = COMMANDS[name]
    command: click.Command = getattr(import_module(entry.module), entry.name)
    assert command.name == name
    assert (command.help or "").partition("\n\n")[0].replace("\n", " ") == entry.summary


def test_the_extras_bring_what_the_commands_demand() -> None:
    declared = [line for line in requires("collection-jobs") or [] if "extra ==" in line]
    extras: dict[str, set[str]] = {}
    for line in declared:
        library, _, extra = line.partition("; extra == ")
        name = library.partition(">")[0].partition("[")[0].strip()
        extras.setdefault(extra.strip("'\""), set()).add(name)
    assert extras["cli"] == {"click", "rich"}
    for entry in COMMANDS.values():
        assert set(entry.needs) <= extras[entry.extra] | extras["cli"]
    assert app.name == "app"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("job", "No such command 'job'. Did you mean 'jobs'?"),
        ("memory:", "a URL follows a command, as in: collection-jobs jobs URL"),
        ("postgresql://user:hidden@host/db", "a URL follows a command, as in:"),
        ("unheard-of", "No such command 'unheard-of'."),
    ],
)
def test_a_word_that_is_no_command_is_answered(word: str, said: str) -> None:
    ran = command(word, "list")
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "hidden" not in ran.stderr
