"""No output shows a secret of a URL, whatever is wrong with the URL and whoever complains of it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import EntryPoint, EntryPoints
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from collection_jobs import (
    InMemoryCollectionJobRepository,
    JobQuery,
    RepositoryError,
    open_repository,
)
from collection_jobs.cli.app import app
from collection_jobs.cli.jobs.completion import complete_ids
from collection_jobs.cli.verify_view import show_report
from collection_jobs.conformance import Finding, Report, TargetError, find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.report import LawReport
from collection_jobs.opening import Scheme, ScratchStores
from collection_jobs.urls import redacted, shown_url
from tests.secret_urls import HALF, HARMLESS, MISTYPED, OTHERS, RIGHT, SECRET

pytest_plugins = ["pytester"]

EVERY = (*RIGHT, *MISTYPED, *OTHERS)


def demand_hidden(*texts: str) -> None:
    for text in texts:
        for secret in (SECRET, *HALF):
            assert secret not in text


def everything_of(error: BaseException | None) -> Iterator[str]:
    """What can be seen of an error, and of those that it came from."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        yield from everything_of(error.__cause__)
        error = error.__context__


def test_the_corpus_is_large_and_each_url_of_it_holds_the_secret() -> None:
    assert len(set(EVERY)) >= 75
    for url in EVERY:
        assert all(half in unquote(url) for half in HALF)


# The masker


@pytest.mark.parametrize(("url", "shown"), [*RIGHT.items(), *OTHERS.items()])
def test_of_a_url_what_is_harmless_is_shown(url: str, shown: str | None) -> None:
    assert shown_url(url) == (shown or f"{url.partition(':')[0]}:***")


@pytest.mark.parametrize("url", EVERY)
def test_a_url_is_shown_without_its_secret_and_what_is_shown_is_shown_alike(url: str) -> None:
    demand_hidden(shown_url(url))
    assert shown_url(shown_url(url)) == shown_url(url)


@pytest.mark.parametrize("url", HARMLESS)
def test_a_url_without_a_secret_is_shown_as_it_is(url: str) -> None:
    assert shown_url(url) == url


_PASSWORDS = st.text(st.sampled_from("x@:/?#&=;%\\ \n[]é."), max_size=4)


@given(_PASSWORDS, _PASSWORDS, st.sampled_from(["pg", "postgresql", "memory", "redis"]))
def test_no_bare_password_is_shown_whatever_it_is_made_of(
    before: str, after: str, scheme: str
) -> None:
    demand_hidden(shown_url(f"{scheme}://me:{before}{SECRET}{after}@host:1/base?schema=x"))
    demand_hidden(shown_url(f"{scheme}://host/base?password={before}{SECRET}".replace("&", "")))


def test_a_short_password_garbles_no_word() -> None:
    said = "what opens postgres://u:p@h/d cannot be imported: see pip"
    assert redacted(said, "pg://u:p@h/d") == (
        "what opens postgres://u:***@h/d cannot be imported: see pip"
    )


# open_repository


@pytest.mark.parametrize("url", MISTYPED)
def test_a_mistyped_url_is_one_sentence_without_the_secret(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        open_repository(url)
    demand_hidden(*everything_of(caught.value), *traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", RIGHT)
async def test_a_server_that_is_not_there_is_an_error_without_the_secret(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises((RepositoryError, ValueError), match=r"^[^\n]+$") as caught:
        async with open_repository(url) as repository:
            pytest.fail(f"{repository} is open")
    demand_hidden(*everything_of(caught.value), *traceback.format_exception(caught.value))
    demand_hidden(caplog.text)


# The command line


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("jobs", "URL"),
    ("jobs", "list", "URL", "--json"),
    ("jobs", "show", "URL", "a"),
    ("jobs", "show", "a", "URL"),
    ("jobs", "show", "URL", "URL", "URL"),
    ("jobs", "stats", "URL"),
    ("jobs", "watch", "URL", "--interval", "URL"),
    ("jobs", "--limit", "URL"),
    ("jobs", "--limit=URL"),
    ("jobs", "--since", "URL"),
    ("jobs", "--status=URL"),
    ("jobs", "cancel", "URL", "a"),
    ("jobs", "show", "memory:", "URL"),
    ("jobs", "show", "sqlite:///HERE/jobs.db", "URL"),
    ("verify", "URL", "URL"),
    ("verify", "--profile", "URL"),
    ("verify", "--json", "URL/x", "memory:"),
    ("verify", "memory:", "--reproduce", "URL"),
    ("check", "URL"),
    ("check", "json", "--checker", "URL"),
    ("new-adapter", "URL"),
    ("URL",),
    ("--URL",),
)


@pytest.mark.parametrize("url", EVERY)
def test_no_command_shows_the_secret(
    url: str,
    installed: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed("BROKEN")
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        words = [word.replace("URL", url).replace("HERE", str(tmp_path)) for word in command]
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, SystemExit | None), (command, result.exception)
        # It opens nothing, and the class that a URL of ours names conforms.
        assert result.exit_code in ((0, 2) if command == ("check", "URL") else (1, 2))
        demand_hidden(result.output, caplog.text)
    for command in (("jobs",), ("jobs", "show", "a"), ("jobs", "stats")):
        result = CliRunner().invoke(app, command, env={"COLLECTION_JOBS_URL": url})
        assert result.exit_code == 2
        demand_hidden(result.output)
    assert not list(tmp_path.iterdir())


# Of each of which a process is started.
@pytest.mark.parametrize("url", [*list(RIGHT)[::6], *MISTYPED[::6], *list(OTHERS)[::3]])
def test_verify_shows_no_secret(url: str, installed: Callable[[str], None]) -> None:
    installed("BROKEN")
    result = CliRunner().invoke(app, ("verify", url))
    assert result.exit_code == 2
    demand_hidden(result.output)


def test_a_shell_that_completes_ids_is_told_nothing_of_a_url_that_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for url in EVERY:
        context: Any = type("Context", (), {"params": {"words": (url,)}})
        parameter: Any = type("Parameter", (), {"name": "words"})
        assert complete_ids()(context, parameter, "") == []
    captured = capfd.readouterr()
    demand_hidden(captured.out, captured.err)


# The pytest plugin


@pytest.mark.parametrize("url", [*list(RIGHT)[::5], *MISTYPED[::6]])
def test_pytest_shows_no_secret_of_its_target(pytester: pytest.Pytester, url: str) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    for options in (["--collect-only"], ["-vv", "--showlocals", "--junit-xml=report.xml"]):
        result = pytester.runpytest("--collection-jobs", url, *options)
        demand_hidden(str(result.stdout), str(result.stderr))
    for path in pytester.path.rglob("*"):
        if path.is_file():
            demand_hidden(path.read_text(errors="replace"))


# Other packages, whose errors repeat what they were given


class Loose(InMemoryCollectionJobRepository):
    """A repository whose errors hold its URL, and the password by itself."""

    def __init__(self, url: str) -> None:
        super().__init__()
        password = SECRET if SECRET in unquote(url) else url
        self.said = f"{url} hung up on {password!r}: was {unquote(url)} right?"

    async def list_recent(self, limit: int = 100, since: datetime | None = None) -> Any:
        raise RepositoryError(self.said)

    async def count(self, query: JobQuery) -> Any:
        raise RepositoryError(self.said)


def open_loose(url: str) -> Loose:
    return Loose(url)


def open_broken(url: str) -> Loose:
    raise OSError(Loose(url).said)


def scratch(url: str) -> ScratchStores:
    return ScratchStores(lambda directory: f"{url}&{directory.name}")


def broken_scratch(url: str) -> ScratchStores:
    raise ValueError(Loose(url).said)


SCHEMES = {
    "loose": Scheme(open_loose, scratch),
    "broken": Scheme(open_broken, scratch),
    "unfit": Scheme(open_broken, broken_scratch),
}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let another package open ``pg:``."""

    def install(scheme: str) -> None:
        point = EntryPoint("pg", f"{__name__}:{scheme}", "collection_jobs.repositories")

        def entry_points(**wanted: Any) -> EntryPoints:
            return EntryPoints([point]).select(**wanted)

        monkeypatch.setattr("importlib.metadata.entry_points", entry_points)

    return install


LOOSE, BROKEN, UNFIT = SCHEMES.values()


@pytest.mark.parametrize("scheme", ["LOOSE", "BROKEN", "UNFIT"])
@pytest.mark.parametrize("url", OTHERS)
def test_no_command_shows_what_another_package_says_of_its_url(
    url: str, scheme: str, installed: Callable[[str], None]
) -> None:
    installed(scheme)
    for command in (("jobs", url), ("jobs", "list", url, "--json")):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2
        demand_hidden(result.output)
        assert shown_url(url) in result.output
    if scheme != "LOOSE":
        # In this process: the one in which the command examines knows no such package.
        with pytest.raises(TargetError) as raised:
            verify(find_target(url), profile="quick")
        demand_hidden(str(raised.value))
        # This one reads as module:factory to the kit.
        assert shown_url(url) in str(raised.value) or url == f"pg:{SECRET}"


@pytest.mark.parametrize("url", [f"pg://me:{SECRET}@host/b?x=1", f"pg://a@b:{SECRET}@host/b?x=1"])
def test_no_report_shows_what_another_package_says_of_its_url(
    url: str, installed: Callable[[str], None], tmp_path: Path
) -> None:
    installed("LOOSE")
    one_caller = [check for check in CHECKS if check.name == "one caller"]
    report = verify(find_target(url), profile="quick", checks=one_caller)
    assert report.findings
    demand_hidden(repr(report), json.dumps(report.to_json()), repr(find_target(url)))


def test_a_target_that_is_no_url_is_named_as_it_is() -> None:
    with pytest.raises(TargetError, match=r"'jobs\.db' is not a target"):
        find_target("jobs.db")


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("shop.jobs:open_store", "shop.jobs:open_store"),
        (f"pg://me:{SECRET}@host/base", "'pg://me:***@host/base'"),
    ],
)
def test_a_finding_is_made_again_on_the_target_as_it_may_be_shown(target: str, named: str) -> None:
    finding = Finding("GET-1", "it is gone", ("await repository.get_by_id('a')",), token="TOKEN")  # noqa: S106 - of a finding
    laws = (LawReport("GET-1", "broken", finding=finding),)
    console = Console(file=StringIO(), width=200)
    show_report(Report(shown_url(target), "1", "quick", 0, laws), target, console)
    file: Any = console.file
    assert f"reproduce: collection-jobs verify {named} --reproduce TOKEN" in file.getvalue()
    demand_hidden(file.getvalue())
