"""The adapters among the examples are what is said of them; `nox -s examples` runs them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parents[2] / "examples" / "adapters"
PROJECTS = sorted(path.parent for path in ADAPTERS.glob("*/pyproject.toml"))
CAPABILITIES = ("durable", "shared", "scales")


def test_there_are_four_adapters() -> None:
    assert [path.name for path in PROJECTS] == ["files", "lmdb", "redis", "sqlalchemy"]
    assert {path.name for path in ADAPTERS.iterdir() if path.is_dir()} >= {
        path.name for path in PROJECTS
    }


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_each_is_a_project_of_one_module_with_a_conformance_test(project: Path) -> None:
    described = tomllib.loads((project / "pyproject.toml").read_text())
    module = f"collection_jobs_{project.name}"
    assert described["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == [
        f"{module}.py"
    ]
    schemes = described["project"]["entry-points"]["collection_jobs.repositories"]
    assert all(target.startswith(f"{module}:") for target in schemes.values())
    assert described["tool"]["mypy"]["strict"] is True
    assert described["tool"]["pyright"]["typeCheckingMode"] == "strict"
    assert "(RepositoryConformance)" in (project / "test_conformance.py").read_text()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_each_says_of_every_capability_whether_its_engine_promises_it(project: Path) -> None:
    promised, _, not_promised = (project / "README.md").read_text().partition("It does not promise")
    source = (project / f"collection_jobs_{project.name}.py").read_text()
    declared = source.partition("capabilities: ")[2].partition("\n")[0]
    for name in CAPABILITIES:
        where = promised if f'"{name}"' in declared else not_promised
        assert f"- **{name}**:" in where, name


def test_the_table_is_what_its_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, ADAPTERS / "compare.py"], capture_output=True, text=True, check=True
    ).stdout
    assert f"<!-- compare.py -->\n{printed}<!-- end -->" in (ADAPTERS / "README.md").read_text()
