"""The contract stands in three places, and they say the same: the ABC, the kit, the docs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from collection_jobs import (
    CollectionJobRepository,
    ICollectionJobRepository,
    capabilities,
    leasing,
    protocol,
)
from collection_jobs.conformance import LAWS
from collection_jobs.conformance.spec.capabilities import METHODS, PROTOCOLS, REDECLARING

PAGE = Path(__file__).parent.parent / "docs" / "contract.md"
LAW_ID = re.compile(r"\b[A-Z]+-[0-9]\b")
NINE = {
    "save",
    "get_by_id",
    "delete",
    "list_by_status",
    "list_recent",
    "get_running_jobs",
    "update_status",
    "add_failed_symbol",
    "get_stats",
}

OF_THE_NINE = sorted(law.id for law in LAWS.values() if law.capability not in PROTOCOLS)


def laws_in_docstrings(contract: type) -> list[str]:
    docs = [inspect.getdoc(contract) or ""]
    docs += [inspect.getdoc(getattr(contract, name)) or "" for name in sorted(NINE)]
    return [law for doc in docs for law in LAW_ID.findall(doc)]


def test_the_abc_has_exactly_the_nine_abstract_coroutines() -> None:
    assert ICollectionJobRepository.__abstractmethods__ == NINE
    for name in NINE:
        assert inspect.iscoroutinefunction(getattr(ICollectionJobRepository, name))


def test_every_law_stands_once_in_the_docstrings_of_the_abc() -> None:
    # LIST-1 is named twice: the order of the running jobs refers to it by its method.
    assert sorted(laws_in_docstrings(ICollectionJobRepository)) == OF_THE_NINE


def test_every_law_stands_once_in_the_docstrings_of_the_protocol() -> None:
    assert sorted(laws_in_docstrings(CollectionJobRepository)) == OF_THE_NINE


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_law_of_an_optional_protocol_stands_at_a_method_of_it(name: str) -> None:
    mine = [law.id for law in LAWS.values() if law.capability == name]
    methods = [method for method, owner in METHODS.items() if owner == name]
    named = {
        method: LAW_ID.findall(inspect.getdoc(getattr(PROTOCOLS[name], method)) or "")
        for method in methods
    }
    if name == "Purges":  # each job that is purged is deleted, by the laws of deletions
        named = {method: laws[:1] for method, laws in named.items()}
    for laws in named.values():
        assert laws == [law for law in mine if law in laws]
    assert {law for laws in named.values() for law in laws} == set(mine) != set()


METHODS_OF_A_CALLER = [
    (protocol, name)
    for protocol in dict.fromkeys(
        (CollectionJobRepository, *PROTOCOLS.values(), *REDECLARING.values())
    )
    for name in vars(protocol)
    if not name.startswith("_")
]


@pytest.mark.parametrize(
    ("protocol", "name"),
    [pytest.param(*each, id=f"{each[0].__name__}.{each[1]}") for each in METHODS_OF_A_CALLER],
)
def test_a_docstring_is_the_whole_contract_of_its_method(protocol: type, name: str) -> None:
    """An editor shows it alone: arguments, result, errors, cancelled calls, laws."""
    method = getattr(protocol, name)
    text = inspect.getdoc(method) or ""
    parameters = [each for each in inspect.signature(method).parameters if each != "self"]
    assert re.findall(r"^    (\w+): ", _section(text, "Args"), re.MULTILINE) == parameters
    gives = not inspect.signature(method).return_annotation.endswith(", None]")
    assert bool(_section(text, "Returns")) == gives
    errors = re.findall(r"^    (\w+): ", _section(text, "Raises"), re.MULTILINE)
    assert errors[-1] == "RepositoryError"
    assert ("TypeError" in errors) == bool(parameters)
    assert ("LeaseLostError" in errors) == ("lease" in parameters)
    assert ("UnknownSymbolError" in errors) == ("symbol" in parameters)
    assert ("ValueError" in errors) == bool({*parameters} - {"job", "jobs", "query"})
    assert re.search(r"cancelled\s+call", text), "it does not say what a cancelled call leaves"
    assert re.search(r"^Laws: [A-Z]+-\d", text, re.MULTILINE)


def _section(text: str, heading: str) -> str:
    found = re.search(rf"^{heading}:\n((?:    .*\n?)+)", text, re.MULTILINE)
    return found[1] if found else ""


def test_every_optional_protocol_of_the_contract_is_one_of_the_kit() -> None:
    combined = {each.__name__ for each in REDECLARING.values()} - {"LeasesJobs"}
    exported = {*protocol.__all__, *capabilities.__all__, *leasing.__all__}
    assert exported - {"CollectionJobRepository"} - combined == set(PROTOCOLS)
    assert set(PROTOCOLS) == set(METHODS.values())


def test_the_page_has_every_law_in_order_and_word_for_word() -> None:
    rows = re.findall(r"^\| ([A-Z]+-[0-9]) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    plain = [(law, sentence.replace("`", "")) for law, sentence in rows]
    assert plain == [(law.id, law.sentence) for law in LAWS.values()]


def test_a_laws_title_fits_in_a_table() -> None:
    assert all(0 < len(law.title) <= 40 for law in LAWS.values())
