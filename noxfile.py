"""One session per check; `nox` alone runs those that every change must pass."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "tests", "newest", "docs"]
# A session is only skipped where it says so itself.
nox.options.error_on_missing_interpreters = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
ADAPTERS = [path.parent.name for path in sorted(Path("examples/adapters").glob("*/pyproject.toml"))]
# By files: a worker keeps what a module's tests share, such as a verdict. tests/conftest.py has the
# longest of them begin first.
# Two, for two cores: a third saves some seconds and disturbs the tests of time-outs.
WORKERS = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"


VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
FREE_THREADED = ["3.14t"]
# What can differ between versions of Python, in a minute: the contract; the adapters in memory and
# on SQLite, which use asyncio's futures, threads and sqlite3; the kit's own event loops, the look
# at classes at run time, and the processes that are started.
ON_THE_NEWEST = [
    *(
        "tests/test_contract.py",
        "tests/test_job.py",
        "tests/test_documents.py",
        "tests/test_lease.py",
    ),
    *("tests/test_plain_values.py", "tests/test_opening.py", "tests/test_protocol_drift.py"),
    *("tests/adapters/test_memory.py", "tests/adapters/test_leases.py"),
    *("tests/adapters/test_sqlite_jobs.py", "tests/adapters/test_sqlite_engine.py"),
    *("tests/adapters/test_sqlite_group_commit.py", "tests/adapters/test_sqlite_handles.py"),
    *("tests/conformance/test_runner.py", "tests/conformance/test_schedule.py"),
    *("tests/conformance/test_early_timers.py", "tests/conformance/test_thread_steps.py"),
    *("tests/conformance/test_ill_formed.py", "tests/conformance/test_static_check.py"),
    *("tests/conformance/test_multi_key.py", "tests/windows/test_windows.py"),
]


def interpreter(version: str) -> str | None:
    """Return the path of an interpreter that runs, unlike a shim for one that is not installed."""
    for folder in os.get_exec_path():
        path = Path(folder) / f"python{version}"
        if path.is_file():
            tried = subprocess.run([path, "-c", ""], capture_output=True, check=False)  # noqa: S603 - what is on the path
            if not tried.returncode:
                return str(path)
    return None


FOUND = {version: interpreter(version) for version in VERSIONS + FREE_THREADED}
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
NEWEST = next((FOUND[one] for one in reversed(VERSIONS) if FOUND[one] and one != OWN), None)


def install(session: nox.Session, *groups: str, extras: str = "verify,postgres") -> None:
    """Install the package with its extras, and the dependency groups of the session."""
    needed = nox.project.dependency_groups(PYPROJECT, *groups)
    # Uncompiled: most of what is installed is never imported.
    session.install("--no-compile", "-e", f".[{extras}]", *needed)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format, the lint rules and the types."""
    install(session, "lint", "types")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    # Beside each other: each uses one core. What is silent is shown where it fails.
    checks = (
        ("mypy",),
        ("pyright",),
        ("pyright", "--verifytypes", "collection_jobs", "--ignoreexternal"),
    )
    with ThreadPoolExecutor() as pool:
        for ran in [pool.submit(session.run, *check, silent=True) for check in checks]:
            ran.result()


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments are passed to pytest instead of the workers."""
    _run_tests(session)


def _run_tests(session: nox.Session, *selected: str) -> None:
    install(session, "test")
    # For the candles that it ships; what it needs to run is no need of ours.
    session.install("--no-deps", "backtesting>=0.6")
    session.run("pytest", *selected, *(session.posargs or WORKERS))


def tests_of(session: nox.Session) -> None:
    """Run the tests with the interpreter that the session is named after."""
    _run_tests(session)


for _version, _path in FOUND.items():
    # nox says of a name alone that no such interpreter is found, and fails.
    nox.session(name=f"tests-{_version}", python=_path or f"python{_version}")(tests_of)


@nox.session(python=NEWEST or False)
def newest(session: nox.Session) -> None:
    """Run some tests with the newest interpreter besides the one that runs nox."""
    if NEWEST is None:
        others = ", ".join(f"python{version}" for version in VERSIONS if version != OWN)
        session.skip(f"no other Python is found: {others} on the PATH would be used")
    install(session, "run")
    session.run("pytest", *ON_THE_NEWEST, *(session.posargs or WORKERS))


@nox.session
def everything(session: nox.Session) -> None:
    """Run all tests, including the long ones, before a release."""
    _run_tests(session, "-m", "release or not release")


@nox.session
def types(session: nox.Session) -> None:
    """Run six type checkers on the corpus, with the built wheel and with the stubs alone.

    And on the Python of the documentation; and what an editor shows, asked of the five that are
    language servers; and mypy on the package as for other systems: what has no name there stands
    behind a question about the system.
    """
    install(session, "checkers", "types")
    for system in ("win32", "darwin"):
        cache = f".mypy_cache/{system}"
        session.run("mypy", "--platform", system, "--cache-dir", cache, "collection_jobs")
    wheels = [_wheel(session, "."), _wheel(session, "stubs")]
    wheel, stubs = (
        _environment(session, name, one)
        for name, one in zip(("wheel", "stubs"), wheels, strict=True)
    )
    settings = [f"wheel={wheel}", f"stubs={stubs}"]
    session.run("python", "-m", "tests.typing.matrix", *settings)
    session.run("python", "-m", "tests.typing.pages")
    both = _environment(session, "both", *wheels)
    session.run("python", "-m", "tests.typing.hover", *settings, f"both={both}")
    # What is annotated from the stubs alone runs where there is no package.
    session.run(stubs, "tests/typing/without_runtime.py", external=True)


@nox.session
def stubs(session: nox.Session) -> None:
    """Check that the stubs are up to date and match the package."""
    install(session, "checkers")
    session.run("python", "stubs/generate.py", "--check")
    session.run("python", "-m", "tests.typing.stubs_gate")


def _wheel(session: nox.Session, source: str) -> Path:
    """Build one wheel and return its path."""
    out = Path(session.create_tmp()) / f"wheel-{Path(source).resolve().name}"
    out.mkdir(exist_ok=True)
    for old in out.glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "build", "--wheel", f"--outdir={out}", source, silent=True)
    return next(out.glob("*.whl"))


def _environment(session: nox.Session, name: str, *wheels: Path) -> str:
    """Create an environment with only these wheels and return its interpreter."""
    home = Path(session.create_tmp()) / f"env-{name}"
    session.run("python", "-m", "venv", "--clear", "--without-pip", str(home), silent=True)
    python = str(home / PROGRAMS / "python")
    session.run("python", "-m", "pip", f"--python={python}", "install", "-q", *map(str, wheels))
    return python


@nox.session
def power(session: nox.Session) -> None:
    """Measure how reliably and how quickly the kit finds planted bugs; write docs/power.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.power", "--write", *session.posargs)


@nox.session
@nox.parametrize("adapter", ADAPTERS, ids=ADAPTERS)
def examples(session: nox.Session, adapter: str) -> None:
    """Verify an adapter of examples/adapters, with its own requirements."""
    home = Path("examples/adapters") / adapter
    project = nox.project.load_toml(home / "pyproject.toml")
    needed = nox.project.dependency_groups(project, "test", "types")
    # First, so that what the adapter says it requires is this checkout.
    session.install("-e", ".[check]")
    session.install("-e", str(home), *needed)
    entry_points = project["project"]["entry-points"]["collection_jobs.repositories"]
    adapter_class = next(iter(entry_points.values())).removesuffix(".from_url")
    session.chdir(home)
    session.run("mypy")
    session.run("pyright")
    session.run("collection-jobs", "check", adapter_class)
    session.run("pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the speed of each method; write docs/benchmarks.md."""
    install(session, "test", "bench")
    session.run("python", "-m", "benchmarks.speed", *(session.posargs or ["--write"]))


@nox.session
def claims(session: nox.Session) -> None:
    """Measure how many jobs many workers claim a second on PostgreSQL, beside other ways."""
    install(session, "test", "bench")
    session.run("python", "-m", "benchmarks.claims", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """Kill, cut off and move the primary of a cluster of PostgreSQL, 50 times, under load.

    It takes some twenty minutes, on Linux, and Debian packages that it names where they are
    missing; `nox -s cluster -- --faults 3` takes one.
    """
    install(session)
    session.run("python", "-m", "benchmarks.cluster", *session.posargs)


@nox.session
def race_finders(session: nox.Session) -> None:
    """Compare the kit's explorer with frontrun and with plain stress on planted races."""
    install(session, "test", "bench")
    session.run("python", "benchmarks/race_finders.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site in site/, with warnings as errors."""
    install(session, "docs", "test", extras="check,postgres")
    session.run("python", "-m", "tests.pictures")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-c", "docs/site", ".", "site")


@nox.session
def wheel(session: nox.Session) -> None:
    """Test the wheel alone, and with each extra alone."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "wheel"))
    session.run("python", "-m", "tests.wheel", str(_wheel(session, ".")))


@nox.session
def release(session: nox.Session) -> None:
    """Build what a release consists of into dist/, check it, and try each part by itself."""
    # And ruff: the tutorial is followed as by a reader whose editor sorts imports.
    session.install(*nox.project.dependency_groups(PYPROJECT, "wheel", "release", "lint"))
    dist = Path("dist")
    for old in dist.glob("collection_jobs*"):
        old.unlink()
    for source in (".", "stubs"):
        session.run("python", "-m", "build", f"--outdir={dist}", source, silent=True)
    built = sorted(map(str, dist.glob("collection_jobs*")))
    session.run("twine", "check", "--strict", *built)
    wheels = [path for path in built if path.endswith(".whl")]
    session.run("check-wheel-contents", *wheels)
    for path in built:
        stubs = "stubs" in path
        part = "stubs" if stubs else "sdist" if path.endswith(".gz") else "wheel"
        python = _environment(session, part, Path(path))
        program = ["tests/typing/without_runtime.py"] if stubs else ["-c", "import collection_jobs"]
        session.run(python, *program, external=True)
    (wheel,) = (path for path in wheels if "stubs" not in path)
    session.run("python", "-m", "tests.wheel", wheel)
    session.run("python", "-m", "tests.newcomer", wheel)


@nox.session
def house(session: nox.Session) -> None:
    """Count modules and functions, and compare the sizes with the goals."""
    session.install("-e", ".")
    session.run("python", "-m", "tests.house")


@nox.session
def hooks(session: nox.Session) -> None:
    """Run the hooks of .pre-commit-config.yaml on all files."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "hooks"))
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")
