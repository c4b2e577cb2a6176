"""The page of laws: each law with a breach of it, what the kit prints, and the fix.

`python -m tests.law_examples` writes docs/laws.md anew from LAWS and the modules in docs/laws/,
each of which holds a `Breach` of one law and its fix: a class `Fix`, or, where the repository that
all derive from has it right, the names of what does.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from io import StringIO
from itertools import combinations_with_replacement
from typing import Any

from rich.console import Console

from collection_jobs import JobStatus
from collection_jobs.cli.verify_view import show_again
from collection_jobs.conformance import LAWS, Report, find_target, verify
from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES, Check, Examination, Plan
from collection_jobs.conformance.spec.calls import Step, example_job
from tests.documentation import ROOT

PAGE = ROOT / "docs" / "laws.md"
TABLE = "docs.laws.table:Table"
BEYOND = "docs.laws.beyond:Beyond"
LEASED = "docs.laws.leased:Leased"

_ALWAYS = frozenset({"wrong inputs", "a closed repository", "one caller"})
_SAVE = Step("save", (example_job("a"),))
_SAVE_OTHER = Step("save", (example_job("b"),))
_CALLS = (
    Step("update_status", ("a", JobStatus.RUNNING)),
    Step("update_status", ("a", JobStatus.CANCELLED)),
    Step("add_failed_symbol", ("a", "BTC", "timeout")),
    Step("add_failed_symbol", ("a", "ETH", "refused")),
    Step("save", (example_job("a", timeframe="4h"),)),
    Step("delete", ("a",)),
    Step("get_by_id", ("a",)),
    Step("get_stats", ("a",)),
)
_COMPLETED = (
    Step("add_completed_symbol", ("a", "BTC", 30)),
    Step("add_completed_symbol", ("a", "ETH", 40)),
)
_MANY = Step("save_many", ((example_job("a", timeframe="4h"), example_job("b", timeframe="4h")),))
_LOOKS = (Step("get_by_id", ("a",)), Step("get_by_id", ("b",)))
_ADD = Step("add", (example_job("c"),))
_ADD_MANY = Step("add_many", ((example_job("a"), example_job("b")),))
_NEXT = Step("claim_next", ("worker", timedelta(hours=1)))


def _programs(capabilities: frozenset[str]) -> list[ConcurrentProgram]:
    """A few pairs of calls on one pending job: all pairs at all stages take a minute."""
    calls = _CALLS + (_COMPLETED if "RecordsCompletedSymbols" in capabilities else ())
    programs = [
        ConcurrentProgram((_SAVE,), ((first,), (second,)))
        for first, second in combinations_with_replacement(calls, 2)
    ]
    if "SavesMany" in capabilities:
        programs.append(ConcurrentProgram((_SAVE, _SAVE_OTHER), ((_MANY,), _LOOKS)))
    if "AddsJobs" in capabilities:
        programs.append(ConcurrentProgram((_SAVE,), ((_ADD,), (_ADD,))))
        programs.append(ConcurrentProgram((), ((_ADD_MANY,), _LOOKS)))
    if "LeasesJobs" in capabilities:
        programs.append(ConcurrentProgram((_SAVE, _SAVE_OTHER), ((_NEXT,), (_NEXT,))))
    return programs


def _few_interleavings(plan: Plan) -> Examination:
    explored = explore_pairs(
        plan.opening,
        preemptions=1,
        directory=plan.new_directory(),
        programs=_programs(plan.capabilities),
    )
    return Examination(list(explored.findings), str(explored))


_LARGE = next(check for check in CHECKS if check.name == "large stores")
"""It finds what no few calls show, and no example needs it."""
_CONCURRENT = Check(
    "interleavings",
    frozenset(
        {
            *("STATUS-2", "FAILED-2", "ATOMIC-1", "COMPLETED-2", "MANY-3"),
            *("ADD-2", "ADD-3", "LEASE-2", "FAILURE-2", "CURSOR-1", "PURGE-1"),
        }
    ),
    _few_interleavings,
)


@dataclass(frozen=True, slots=True)
class Example:
    """One law's breach and fix.

    Attributes:
        law: The law that the breach breaks.
        goes_wrong: What goes wrong, and where it comes from.
        put_right: What puts it right.
        breach: The source of the breach.
        fix: The source of the fix.
        fixed: The target that keeps the law; None: the repository that all derive from.
    """

    law: str
    goes_wrong: str
    put_right: str
    breach: str
    fix: str
    fixed: str | None

    @property
    def target(self) -> str:
        return f"{_module_of(self.law)}:Breach"


def _module_of(law: str) -> str:
    return f"docs.laws.{law.lower().replace('-', '_')}"


def example(law: str) -> Example:
    """Read the example of a law."""
    module: Any = import_module(_module_of(law))
    goes_wrong, _, put_right = inspect.cleandoc(module.__doc__).partition("\n\n")
    own = hasattr(module, "Fix")
    fix = _source(module.Fix) if own else "\n\n".join(map(_source, module.FIX))
    fixed = f"{module.__name__}:Fix" if own else None
    return Example(law, goes_wrong, put_right.strip(), _source(module.Breach), fix, fixed)


def _source(code: Callable[..., object] | type) -> str:
    source = textwrap.dedent(inspect.getsource(code))
    return re.sub(r"  # noqa: .*", "", source)  # of interest to ruff alone


_FEW_WALKS = replace(PROFILES["quick"], walks=2)  # the fixed programs find every example


def examine(law: str, target: str) -> Report:
    """Judge a target by the checks that look at a law, and by one caller."""
    return verify(find_target(target), profile=_FEW_WALKS, checks=_checks_of(law))


def _checks_of(law: str) -> list[Check]:
    always = [check for check in CHECKS if check.name in _ALWAYS]
    if law in _CONCURRENT.laws:
        # Not those of real tasks besides: what they print is another each time.
        return [*always, _CONCURRENT]
    return [
        *always,
        *(check for check in CHECKS if law in check.laws and check not in [*always, _LARGE]),
    ]


def broken(report: Report) -> list[str]:
    return [law.id for law in report.laws if law.verdict == "broken"]


def printed(report: Report) -> str:
    """What `collection-jobs verify` prints of the findings."""
    out = StringIO()
    show_again(list(report.findings), Console(file=out, width=90))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


_HEAD = """\
# Every law, broken and kept

For each law, this page shows an adapter that breaks it in a realistic way, what `collection-jobs
verify` prints, and the fix. Each adapter derives from one small repository on SQLite,
[`Table`](laws/table.py), which satisfies every law, or from [`Beyond`](laws/beyond.py),
[`Leased`](laws/leased.py) and [`Found`](laws/found.py), which also implement the optional
Protocols. The [contract](contract.md) states the laws, and [why these laws](why-these-laws.md)
gives the reasons for them.

This page is generated from the modules in `docs/laws/` by `python -m tests.law_examples`. The tests
run each breach, which must be convicted of its law and of no other, and each fix, which must be
acquitted.
"""

_SECTION = """
## {law}: {title}

> {sentence}

{goes_wrong}

```python
{breach}```

What the kit prints:

```text
{printed}```

**Put right.** {put_right}

```python
{fix}```
"""


def section(law: str, report: Report) -> str:
    """The section of a law, with what a report on its breach says."""
    shown = example(law)
    return _SECTION.format(
        law=law,
        title=LAWS[law].title,
        sentence=LAWS[law].sentence,
        goes_wrong=shown.goes_wrong,
        breach=shown.breach,
        printed=printed(report),
        put_right=shown.put_right,
        fix=shown.fix,
    )


def page(sections: Iterable[str]) -> str:
    """The page, of its sections."""
    return _HEAD + "".join(sections)


if __name__ == "__main__":
    made = (section(law, examine(law, example(law).target)) for law in LAWS)
    PAGE.write_text(page(made), encoding="utf-8")
