"""collection-jobs new-adapter: what it writes is in order from the start, and nothing is lost."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from collection_jobs import CheckedRepository, ICollectionJobRepository, open_repository
from collection_jobs.cli.app import app
from collection_jobs.cli.names import find_names
from collection_jobs.cli.new_adapter import BASES, HOOKS, Base, methods_of, steps
from collection_jobs.conformance import LAWS
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from tests.environment import of_a_reader

NINE = [name for name in vars(ICollectionJobRepository) if not name.startswith("_")]
ROOT = Path(__file__).parents[2]


def new_adapter(name: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["new-adapter", name, *options])


def in_project(
    project: Path, *command: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=of_a_reader(PYTHONWARNINGS="ignore", **environment),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    result = new_adapter("shop-jobs")
    assert result.exit_code == 0, result.output
    return tmp_path / "shop-jobs"


@pytest.fixture
def over_the_abc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    result = new_adapter("abc-jobs", "--base", "abc")
    assert result.exit_code == 0, result.output
    return tmp_path / "abc-jobs"


def loaded(project: Path) -> ModuleType:
    path = project / project.name.replace("-", "_") / "repository.py"
    spec = importlib.util.spec_from_file_location("generated_repository", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_project_is_complete(project: Path) -> None:
    files = sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())
    assert files == [
        ".gitignore",
        "README.md",
        "noxfile.py",
        "pyproject.toml",
        "shop_jobs/__init__.py",
        "shop_jobs/py.typed",
        "shop_jobs/repository.py",
        "tests/test_conformance.py",
    ]
    for path in files:
        text = (project / path).read_text()
        assert "{{" not in text
        assert text.endswith("\n") or not text


def has_the_methods_of(written: type, base: type, names: list[str]) -> None:
    assert written.__bases__ == (base,)
    for name in names:
        ours, theirs = getattr(base, name), getattr(written, name)
        assert name in vars(written)
        assert theirs.__doc__ == ours.__doc__
        assert inspect.signature(theirs) == inspect.signature(ours)
        assert inspect.iscoroutinefunction(theirs)


def test_the_skeleton_s_hooks_are_the_base_s_to_the_letter(project: Path) -> None:
    assert list(HOOKS) == sorted(CheckedRepository.__abstractmethods__, key=list(HOOKS).index)
    assert len(methods_of("checked")) == 7
    has_the_methods_of(loaded(project).ShopJobsRepository, CheckedRepository, list(HOOKS))


def test_the_skeleton_s_methods_are_the_contract_s_to_the_letter(over_the_abc: Path) -> None:
    assert len(methods_of("abc")) == len(NINE) == 9
    written = loaded(over_the_abc).AbcJobsRepository
    has_the_methods_of(written, ICollectionJobRepository, NINE)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        *(("shop-jobs", "checked"), ("a", "abc")),
        *(
            pytest.param(*case, marks=pytest.mark.release)
            for case in (("a", "checked"), ("Z" * 30, "checked"), ("a-" * 14 + "b", "checked"))
        ),
        pytest.param("Z" * 30, "abc", marks=pytest.mark.release),
    ],
)
def test_what_is_written_passes_its_own_linter_and_type_checker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, base: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = new_adapter(name, "--base", base)
    assert result.exit_code == 0, result.output
    (project,) = tmp_path.iterdir()
    for check in (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy", "--strict"]):
        ran = in_project(project, *check)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.release
def test_its_sessions_ask_what_the_readme_says(project: Path) -> None:
    """Each nox session but for its environment: what it would install is installed here."""
    sessions = ["--no-venv", "--no-install", "-s"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = in_project(project, "nox", *sessions, "lint", "types", PATH=path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "shop_jobs:ShopJobsRepository: conforms" in ran.stdout + ran.stderr
    ran = in_project(project, "nox", *sessions, "tests", PATH=path)
    assert ran.returncode != 0
    assert "1 failed, 28 skipped, 24 xfailed" in ran.stdout + ran.stderr


def test_its_tests_are_red_with_one_finding_that_says_what_to_write(project: Path) -> None:
    ran = in_project(project, "pytest", "-q")
    assert ran.returncode == 1
    assert "1 failed, 28 skipped, 24 xfailed" in ran.stdout
    assert "Write save and get_by_id next: SAVE-1, SAVE-2 and GET-1 can then" in ran.stdout
    assert "test_law[SAVE-1] - waits for save and get_by_id" in ran.stdout
    alone = in_project(project, "pytest", "-q", "-k", "SAVE-1")
    assert alone.returncode == 1, "a law that waits is not green where nothing else is asked"


@pytest.mark.release
def test_no_option_of_pytest_makes_a_law_that_waits_green(project: Path) -> None:
    for options in (["--runxfail"], ["-k", "SAVE"]):
        assert "passed" not in in_project(project, "pytest", "-q", *options).stdout


@pytest.mark.release
def test_over_the_abc_its_tests_are_red_with_the_same_finding(over_the_abc: Path) -> None:
    ran = in_project(over_the_abc, "pytest", "-q")
    assert "1 failed, 28 skipped, 24 xfailed" in ran.stdout
    assert "Write save and get_by_id next: SAVE-1, SAVE-2 and GET-1 can then" in ran.stdout
    readme = (over_the_abc / "README.md").read_text()
    assert "| save, get_by_id | SAVE-1, SAVE-2, GET-1 |\n| delete | SAVE-3, SAVE-5" in readme
    assert "`check_name`" in readme
    assert "hook" not in readme


@pytest.mark.parametrize("base", BASES)
def test_the_way_meets_every_method_and_every_law_once(base: Base) -> None:
    due = [law.id for law in LAWS.values() if law.capability not in PROTOCOLS]
    names = {"abc": NINE, "checked": list(HOOKS)}[base]
    assert [method for step in steps(base) for method in step.methods] == names
    assert sorted(law for step in steps(base) for law in step.laws) == sorted(due)


def test_the_readme_tells_the_way_and_what_each_hook_answers(project: Path) -> None:
    assert sorted(name for methods in HOOKS.values() for name in methods) == sorted(NINE)
    readme = (project / "README.md").read_text()
    way = "| _save, _get | SAVE-1, SAVE-2, GET-1, STATS-1 |\n| _delete | SAVE-3, SAVE-5, DELETE-2 |"
    assert way in readme
    assert "| `_get` | `get_by_id`, `get_stats` |" in readme
    assert "`check_name`" not in readme


def test_a_base_that_there_is_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = new_adapter("shop-jobs", "--base", "none")
    assert result.exit_code == 2
    assert "'none' is not one of 'checked', 'abc'" in result.stderr
    assert list(tmp_path.iterdir()) == []


async def test_its_url_opens_a_directory_and_looks_without_making_one(
    project: Path, tmp_path: Path
) -> None:
    module = loaded(project)
    async with module.open_url(f"shop-jobs:{tmp_path}", create=False) as repository:
        assert isinstance(repository, ICollectionJobRepository)
    with pytest.raises(Exception, match="there is no directory"):
        module.open_url(f"shop-jobs:{tmp_path}/none", create=False)
    with pytest.raises(ValueError, match="shop-jobs"):
        open_repository("shop-jobs:x")  # known once the package is installed


@pytest.mark.parametrize(
    ("name", "module", "class_name"),
    [
        ("shop-jobs", "shop_jobs", "ShopJobsRepository"),
        ("Shop.Jobs", "shop_jobs", "ShopJobsRepository"),
        ("shop_2", "shop_2", "Shop2Repository"),
        ("mongo7", "mongo7", "Mongo7Repository"),
    ],
)
def test_names_are_derived(name: str, module: str, class_name: str) -> None:
    names = find_names(name)
    assert (names.module, names.class_name) == (module, class_name)
    assert names.module.isidentifier()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' cannot name a package: use letters, digits and hyphens"),
        ("my adapter", "'my adapter' cannot name a package: use letters, digits and hyphens, "),
        ("my adapter", "as in my-adapter"),
        ("../evil", "cannot name a package"),
        ("/tmp/x", "cannot name a package"),  # noqa: S108 - it is refused
        ("7up", "as in up"),
        ("-x", "No such option"),
        ("größe", "cannot name a package"),
        ("a\x1b[31mb", r"'a\x1b[31mb' cannot name a package"),
        ("x" * 31, "is too long: at most 30 characters"),
        ("class", "'class' means something else in Python or here: try class-jobs"),
        ("json", "'json' means something else in Python or here: try json-jobs"),
        ("tests", "'tests' means something else"),
        ("collection-jobs", "'collection_jobs' means something else"),
        ("click", "the module 'click' is installed, and would be hidden: try click-jobs"),
        ("memory", "the URL scheme 'memory' is taken: try memory-jobs"),
    ],
)
def test_a_name_that_will_not_do_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = new_adapter(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    if "Usage" not in result.stderr:
        assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_nothing_that_is_there_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "shop-jobs"
    if kind == "folder":
        mine.mkdir()
    elif kind == "file":
        mine.write_text("mine")
    else:
        mine.symlink_to("nowhere")
    result = new_adapter("shop-jobs")
    assert result.exit_code == 2
    assert "'shop-jobs' already exists, and nothing was changed" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["shop-jobs"]
    if kind == "folder":
        assert list(mine.iterdir()) == []
    if kind == "file":
        assert mine.read_text() == "mine"


def test_a_project_that_cannot_be_written_whole_is_not_left_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from collection_jobs.cli.app import app; app(['new-adapter', 'shop-jobs'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "'shop-jobs' cannot be written: File too large" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def requirements(project: Path) -> list[str]:
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return [metadata["dependencies"][0], metadata["optional-dependencies"]["dev"][0]]


def test_the_project_installs_the_kit_from_where_it_came(project: Path) -> None:
    noted = distribution("collection-jobs").read_text("direct_url.json")
    assert noted is not None, "the tests run on an installed checkout"
    url = json.loads(noted)["url"]
    assert requirements(project) == [
        f"collection-jobs @ {url}",
        f"collection-jobs[check] @ {url}",
    ]
    hatch = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["hatch"]
    assert hatch["metadata"] == {"allow-direct-references": True}


@pytest.mark.parametrize(
    ("place", "required"),
    [
        ("index", [f"collection-jobs>={version('collection-jobs')}"]),
        (ROOT.as_posix(), [f"collection-jobs @ {ROOT.as_uri()}"]),
        ("git+https://code.example/jobs", ["collection-jobs @ git+https://code.example/jobs"]),
        ("a kit.whl", ["collection-jobs @ {here}/a%20kit.whl"]),
    ],
)
def test_another_place_may_be_named(
    place: str, required: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a kit.whl").touch()
    assert new_adapter("shop-jobs", "--from", place).exit_code == 0
    plain = [line.format(here=tmp_path.as_uri()) for line in required]
    assert requirements(tmp_path / "shop-jobs")[:1] == plain


@pytest.mark.parametrize("place", ["nowhere", ".", "kit.whl"])
def test_a_place_with_nothing_to_install_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = new_adapter("shop-jobs", "--from", place)
    assert refused.exit_code == 2
    assert f"'{place}'" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_writes_the_same_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.chdir(own)
    assert new_adapter("shop-jobs", "--from", "index").exit_code == 0
    project = own / "shop-jobs"
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = "from collection_jobs.cli.entry import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "new-adapter", "shop-jobs", "--from", "index"],
        cwd=elsewhere,
        env=of_a_reader(PYTHONPATH=str(tmp_path / "installed")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    theirs = {path.relative_to(elsewhere): path for path in elsewhere.rglob("*") if path.is_file()}
    mine = {path.relative_to(own): path for path in project.rglob("*") if path.is_file()}
    assert {name: path.read_text() for name, path in theirs.items()} == {
        name: path.read_text() for name, path in mine.items()
    }
