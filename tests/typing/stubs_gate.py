"""What holds the stubs to the package, beside being generated from it.

    python -m tests.typing.stubs_gate

mypy.stubtest compares them with the package at run time. It reads the inline code, and finds that
perfect, unless the stubs are laid out under the package's own name; and it does not compare return
types, so mypy --strict reads them too. The built wheel must hold stubs and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "stubs" / "collection_jobs-stubs"

# stubtest takes a Literal of several values for a Union, and finds no Union at run time.
LITERALS = ["collection_jobs.adapters.sqlite.settings.Synchronous"]


def lay_out(stubs: Path, directory: Path) -> Path:
    """Copy the stubs under the package's own name, and give the copy."""
    return Path(shutil.copytree(stubs, directory / "collection_jobs"))


def stubtest(directory: Path) -> str:
    """What mypy.stubtest says of the stubs under a directory; empty when it finds nothing."""
    left_out = directory / "left_out.txt"
    left_out.write_text("".join(f"{name}\n" for name in _left_out()), encoding="utf-8")
    options = [f"--allowlist={left_out}", "--ignore-unused-allowlist"]
    return _run(["mypy.stubtest", *options, "collection_jobs"], directory)


def _left_out() -> list[str]:
    """What is not compared: above all modules without a stub, which the generator answers for."""
    sources = (path.relative_to(ROOT) for path in (ROOT / "collection_jobs").rglob("*.py"))
    absent = (path for path in sources if not _stub_of(path).exists())
    names = (".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in absent)
    return [re.escape(name) for name in (*names, *LITERALS)]


def _stub_of(source: Path) -> Path:
    return STUBS.joinpath(*source.with_suffix(".pyi").parts[1:])


def strict(directory: Path) -> str:
    """What mypy --strict says of the stubs under a directory; empty when it finds nothing."""
    cache = str(directory / "cache")
    return _run(["mypy", "--strict", "--cache-dir", cache, "-p", "collection_jobs"], directory)


def _run(arguments: list[str], directory: Path) -> str:
    # The package is imported from the source; the stubs come first for the type checker alone.
    environment = {**os.environ, "MYPYPATH": str(directory), "PYTHONPATH": str(ROOT)}
    elsewhere = directory / "elsewhere"  # where the stubs are found by their name alone
    elsewhere.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def strangers(wheel: Path) -> list[str]:
    """What a wheel of the stubs holds and should not, the one way or the other."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in STUBS.rglob("*") if path.is_file())
    wanted = {f"collection_jobs-stubs/{path.relative_to(STUBS).as_posix()}" for path in files}
    return sorted(names ^ wanted)


def main() -> int:
    """Say what is wrong with the stubs; the exit status."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        count = len(list(lay_out(STUBS, directory).rglob("*.pyi")))
        said = stubtest(directory) + strict(directory)
        command = ["build", "--wheel", f"--outdir={directory / 'wheel'}", str(ROOT / "stubs")]
        said += _run(command, directory)
        said += "".join(
            f"{wheel.name}: {item} is in the wheel or in the source only\n"
            for wheel in (directory / "wheel").glob("*.whl")
            for item in strangers(wheel)
        )
    sys.stdout.write(said or f"{count} stubs say what the package does\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
