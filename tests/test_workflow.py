"""The workflow for a code-hosting site runs what there is, on what the project is for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
JOBS: dict[str, Any] = yaml.safe_load(TEXT)["jobs"]
NOXFILE = (ROOT / "noxfile.py").read_text("utf-8")


def _matrix(job: str) -> dict[str, Any]:
    matrix: dict[str, Any] = JOBS[job]["strategy"]["matrix"]
    return matrix


def test_each_job_is_run_on_three_systems() -> None:
    for job in JOBS:
        assert {one.partition("-")[0] for one in _matrix(job)["os"]} == {
            "ubuntu",
            "macos",
            "windows",
        }


def test_the_tests_run_on_each_version_that_the_noxfile_and_the_metadata_name() -> None:
    (named,) = re.findall(r"^VERSIONS = \[(.*)\]", NOXFILE, re.MULTILINE)
    versions = _matrix("tests")["python"]
    assert versions == re.findall(r'"([\d.]+)"', named)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert classifiers
    assert set(classifiers) <= set(versions)


def test_each_session_is_one_of_the_noxfile() -> None:
    sessions = {"tests", *_matrix("lint-and-docs")["session"]}
    run = {step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step}
    assert run == {"python -m pip install nox", "nox -s ${{ matrix.session }}", "nox -s tests"}
    assert sessions <= set(re.findall(r"^def (\w+)\(session", NOXFILE, re.MULTILINE))
    assert {"lint", "docs", "tests"} == sessions


def test_it_has_no_secret_and_may_only_read() -> None:
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    assert "secrets." not in TEXT
