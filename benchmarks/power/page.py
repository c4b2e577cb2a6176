"""The page: how surely, how soon and how shortly each bug is found, and by which law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.power.cases import Case
from benchmarks.power.trials import Conviction, Trial
from collection_jobs.conformance import LAWS
from tests.mutants.origins import ORIGINS

__all__ = ["page"]


def page(planted: Sequence[Case], right: Sequence[Case], trials: Sequence[Trial]) -> str:
    """Return the whole page, from the trials that were made."""
    mine = {case.name: [it for it in trials if it.case == case.name] for case in planted}
    acquitted = [it for it in trials if it.case in {case.name for case in right}]
    return "\n".join(
        [
            _HEAD,
            *_summary(planted, mine),
            *_false_alarms(right, acquitted),
            "",
            "## By law",
            "",
            "Without the bugs of which one law is enough.",
            "",
            *_by_law(planted, mine),
            "",
            "## By planted bug",
            "",
            *_by_bug(planted, mine),
            "",
        ]
    )


_HEAD = """# How sharp the kit is

The checks meant for each planted bug look for it, in the standard profile, once for each seed. If
the fixed programs find a bug, or a check that draws nothing at random, as the interleavings, the
seed plays no part, and one search stands for all seeds. A search has found a bug if every law that
it breaks was convicted; of the bugs that were written without a look at the checks (`eccentric` and
`mis...`), if one was, for chance decides which shows first. *Seconds* are elapsed time to the end
of the check, including shrinking; *calls* are those of the shrunk history; a *preemption* is a
switch away from a client that could have continued, and only histories of the interleavings have
any. All three are medians of the searches that shrink what they find: those with the first seed.
A search with another seed has found its bug if any law was convicted, since only shrinking tells
which one it is. A name stands behind its module of `tests/mutants`; one that is a link leads to a
project in which that bug was made. The stores are in memory if the system offers that.

Correct repositories are verified against every law that they set out to keep, with one seed after
another, as often as is said below. In a quick run the interleavings are the same for every seed, so
they are explored only with the first seed of each repository.

What this page cannot prove: that bugs are found which are of no kind planted here. Whoever writes
the checks has seen these, so the share that is found says less than it seems to; of bugs that are
written without a look at the checks, fewer are found.

`nox -s power` generates this page, with 20 seeds unless told otherwise.
"""


def _found(case: Case, trials: Sequence[Trial]) -> list[Trial]:
    return [it for it in trials if it.convicts(case)]


def _shrunk(trials: Sequence[Trial]) -> list[Trial]:
    return [it for it in trials if it.shrunk]


def _convictions(case: Case, trials: Sequence[Trial]) -> list[Conviction]:
    return [one for trial in _shrunk(_found(case, trials)) for one in trial.found]


def _summary(planted: Sequence[Case], trials: dict[str, list[Trial]]) -> Iterator[str]:
    searches = sum(len(made) for made in trials.values())
    found = sum(len(_found(case, trials[case.name])) for case in planted)
    tried = [case for case in planted if trials[case.name]]
    always = sum(len(_found(case, trials[case.name])) == len(trials[case.name]) for case in tried)
    by_seed = [len(made) for made in trials.values() if len(made) > 1]
    seconds = [
        median(it.seconds for it in _shrunk(made)) for made in trials.values() if _shrunk(made)
    ]
    histories = [
        (median(one.calls for one in shown), median(one.preemptions for one in shown))
        for case in planted
        if (shown := _convictions(case, trials[case.name]))
    ]
    yield (
        f"**{always} of {len(planted)}** planted bugs were found in every search ({found:,} of"
        f" {searches:,} searches)."
    )
    if by_seed:
        least, most = min(by_seed), max(by_seed)
        seeds = f"{most} seeds each" if least == most else f"{least} to {most} seeds"
        yield f"{len(by_seed)} of them depend on chance and were searched for with {seeds}."
    if not histories:
        return  # nothing was looked for yet, or nothing found
    yield (
        f"A bug takes {median(seconds):.1f} s in the median and {max(seconds):.1f} s at most; its"
        f" history has {median(calls for calls, _ in histories):g} calls in the median and"
        f" {max(calls for calls, _ in histories):g} at most, and"
        f" {max(preemptions for _, preemptions in histories):g} preemptions at most."
    )


def _false_alarms(right: Sequence[Case], trials: Sequence[Trial]) -> Iterator[str]:
    alarms = [it for it in trials if it.found]
    runs = {
        profile: sum(it.profile == profile for it in trials)
        for profile in sorted({it.profile for it in trials})
    }
    kinds = " and ".join(f"{number:,} in the {profile} profile" for profile, number in runs.items())
    yield (
        f"**{len(alarms)} false alarms** in {len(trials):,} verdicts ({kinds}) on {len(right)}"
        " correct repositories."
    )
    for it in alarms:
        laws = ", ".join(one.law for one in it.found)
        yield f"* {it.case}, seed {it.seed}, {it.profile}: {laws}"


def _by_law(planted: Sequence[Case], trials: dict[str, list[Trial]]) -> Iterator[str]:
    yield "| law | planted bugs that break it | found | seconds | calls |"
    yield "|---|---|---|---|---|"
    for law in LAWS:
        breakers = [case for case in planted if law in case.laws and not case.one_is_enough]
        searches = [it for case in breakers for it in _shrunk(trials[case.name])]
        hits = [it for it in searches if law in {one.law for one in it.found}]
        calls = [one.calls for it in hits for one in it.found if one.law == law]
        measured = f"{median(it.seconds for it in hits):.1f} | {median(calls):g}" if hits else " | "
        names = ", ".join(case.name for case in breakers)
        yield f"| {law} | {names} | {len(hits)} of {len(searches)} | {measured} |"


def _linked(name: str) -> str:
    """Return a bug, with the thread of a project where it was made."""
    origin = ORIGINS.get(name.rpartition(".")[2])
    return name if origin is None else f"[{name}]({origin})"


def _by_bug(planted: Sequence[Case], trials: dict[str, list[Trial]]) -> Iterator[str]:
    yield "| planted bug | laws | found | seconds | calls | preemptions |"
    yield "|---|---|---|---|---|---|"
    for case in planted:
        made = trials[case.name]
        found = _found(case, made)
        shown = _convictions(case, made)
        cells = [_linked(case.name), ", ".join(sorted(case.laws)), f"{len(found)} of {len(made)}"]
        if shown:
            cells += [
                f"{median(it.seconds for it in _shrunk(found)):.1f}",
                f"{median(it.calls for it in shown):g}",
                f"{median(it.preemptions for it in shown):g}",
            ]
        else:
            cells += ["", "", ""]
        yield f"| {' | '.join(cells)} |"
