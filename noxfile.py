"""One session per question. `nox` alone asks those that every change must answer."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, extras: str = "verify") -> None:
    """Install the package with its extras, and the dependency groups of the session."""
    needed = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install("-e", f".[{extras}]", *needed)


@nox.session
def lint(session: nox.Session) -> None:
    """Is the code in order: formatted, linted, strictly typed?"""
    install(session, "lint", "types")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("pyright")


@nox.session
def tests(session: nox.Session) -> None:
    """Does everything keep its promises? Arguments go to pytest."""
    install(session, "test")
    session.run("pytest", *session.posargs)
