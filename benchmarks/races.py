"""How soon, and by which laws, every pair of calls convicts each race, and acquits what is right.

    python benchmarks/races.py [NAME ...]

It explores every pair at every stage up to two preemptions: some ten seconds for each repository.
Run it from the root of the project: the repositories are those that the tests use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import cast

sys.path.insert(0, str(Path(__file__).parent.parent))

from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import triples
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants import races, torn
from tests.mutants.race_table import BEYOND_PAIRS, RACES
from tests.mutants.right import RIGHT

Store = AbstractAsyncContextManager[CollectionJobRepository]


def main() -> None:
    """Print a line for each repository."""
    chosen = sys.argv[1:]
    print(f"{len(RACES)} races of {races.__name__} and {torn.__name__}, {len(RIGHT)} right designs")
    for repository in (*RACES, *BEYOND_PAIRS, *RIGHT):
        name = getattr(repository, "__name__", "")
        if not chosen or name in chosen:
            print(f"{name:32} {_explored(repository)}", flush=True)


def _explored(repository: Callable[[], object]) -> str:
    began = process_time()
    triple = repository in BEYOND_PAIRS
    with TemporaryDirectory() as directory:
        found = explore_pairs(
            lambda _: cast("Store", repository()),
            preemptions=2,
            directory=Path(directory),
            programs=triples() if triple else None,
            kind="triples" if triple else "pairs",
        )
    calls = [_calls(finding.history) for finding in found.findings]
    shortest = f", in {min(calls)}..{max(calls)} calls" if calls else ""
    return f"{found.runs:7,} runs {process_time() - began:6.1f} s  {found}{shortest}"


def _calls(history: tuple[str, ...]) -> int:
    return sum("await repository." in line for line in history)


if __name__ == "__main__":
    main()
