"""How surely, how soon and with how short a history the kit convicts each planted bug.

    python -m benchmarks.power --help

Run it from the root of the project. It takes hours; what was tried is kept in a file, so that a
run that was stopped goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path

import click

from benchmarks.power.cases import Case, bugs, right_ones
from benchmarks.power.page import page
from benchmarks.power.trials import Kept, Trial, trial_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "power.md"


@click.command(help=__doc__.splitlines()[0] if __doc__ else None)
@click.option("--seeds", default=20, help="Searches for each bug that chance has a say in.")
@click.option("--right", default=1000, help="Verdicts on right repositories, all together.")
@click.option("--only", multiple=True, help="Only this repository; may be repeated.")
@click.option(
    "--keep",
    default=Path(".nox/power.jsonl"),
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the trials are kept, and which of them need not be made again.",
)
@click.option("--workers", default=1, help="How many trials are made at a time.")
@click.option("--write", is_flag=True, help="Write docs/power.md.")
def main(
    seeds: int, right: int, only: tuple[str, ...], keep: Path, workers: int, write: bool
) -> None:
    """Make every trial that is not kept yet, and tell of each."""
    cases = {case.name: case for case in (*bugs(), *right_ones())}
    unknown = set(only) - cases.keys()
    if unknown:
        raise click.BadParameter(
            f"there is no repository {min(unknown)!r} on trial: docs/power.md names the planted"
            " bugs, tests/mutants/right.py and real.py the right ones",
            param_hint="--only",
        )
    kept = Kept(keep)
    wanted = (
        (case, seed, profile)
        for case, seed, profile in (*_searches(seeds), *_verdicts(right))
        if (not only or case.name in only)
        and not kept.has(case, seed, profile)
        and not kept.is_settled(case)
    )
    for trial in _made(wanted, workers):
        kept.add(trial)
        click.echo(_told(cases[trial.case], trial))
    text = page(list(bugs()), list(right_ones()), list(kept))
    if write:
        PAGE.write_text(text)
    elif not only:
        click.echo(text)


def _made(wanted: Iterator[tuple[Case, int, str]], workers: int) -> Iterator[Trial]:
    """Make the trials, some at a time, each in a process that earlier ones may have used."""
    under_way: dict[Future[Trial], str] = {}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for case, seed, profile in wanted:
            trial = pool.submit(trial_of, case.name, seed, profile)
            under_way[trial] = f"{case.name}, seed {seed}, {profile}"
            if len(under_way) >= workers:
                yield from _ended(under_way)
        while under_way:
            yield from _ended(under_way)


def _ended(under_way: dict[Future[Trial], str]) -> Iterator[Trial]:
    """Wait for a trial; one that failed is told of and not kept: the next run makes it again."""
    for trial in wait(under_way, return_when=FIRST_COMPLETED).done:
        name = under_way.pop(trial)
        error = trial.exception()
        if error is None:
            yield trial.result()
        else:
            click.echo(f"{name}: no verdict: {error!r}")


def _searches(seeds: int) -> Iterator[tuple[Case, int, str]]:
    """Seed by seed, so that a run that is stopped has looked for every bug."""
    planted = list(bugs())
    for seed in range(seeds):
        yield from ((it, seed, "standard") for it in planted if it.by_chance or seed == 0)


def _verdicts(number: int) -> Iterator[tuple[Case, int, str]]:
    """Quick ones, seed by seed: each opens, kills, cancels and schedules all the same."""
    right = list(right_ones())
    every = ((it, seed, "quick") for seed in count() for it in right)
    return islice(every, number)


def _told(case: Case, trial: Trial) -> str:
    laws = {it.law for it in trial.found}
    right = trial.convicts(case) if case.laws else not laws
    answer = ", ".join(sorted(laws)) or "nothing"
    mark = "" if right else "  <-- " + (", ".join(sorted(case.laws)) or "a false alarm")
    return (
        f"{trial.case}, seed {trial.seed}, {trial.profile}: {answer}{mark} ({trial.seconds:.1f} s)"
    )


if __name__ == "__main__":
    main()
