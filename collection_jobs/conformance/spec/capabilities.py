"""Capabilities: what an adapter can do beyond the nine methods, and how it declares that."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from collection_jobs.capabilities import (
    AddsJobs,
    FindsJobs,
    PagesByKey,
    Purges,
    RecordsCompletedSymbols,
    RecordsCursors,
    RecordsFailures,
    SavesMany,
)
from collection_jobs.leasing import (
    LeasesJobs,
    RecordsCursorsUnderLease,
    RecordsFailuresUnderLease,
)
from collection_jobs.protocol import CollectionJobRepository

__all__ = [
    "DECLARED",
    "LEASES",
    "METHODS",
    "NETWORK",
    "NINE",
    "PROTOCOLS",
    "REDECLARED",
    "REDECLARING",
    "not_declared",
    "protocols_of",
]

DECLARED = ("durable", "shared", "scales")
"""What an adapter may declare in its class attribute ``capabilities``.

* ``durable``: what was acknowledged survives the process (DURABLE-1).
* ``shared``: several processes may have the same store open at once. Then every law is to hold
  among them, as it does among the tasks of one.
* ``scales``: no cost grows in proportion to the number of jobs stored (SCALE-1).
"""

NINE = tuple(name for name in vars(CollectionJobRepository) if not name.startswith("_"))
"""The methods that every adapter has, in the contract's order."""

NETWORK = "network"
"""What a target has, rather than its adapter: a server that a proxy can be put in front of."""

LEASES = LeasesJobs.__name__
"""The Protocol whose methods make sense one after another only: they have programs of their own."""

PROTOCOLS: Mapping[str, type] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            RecordsCompletedSymbols,
            SavesMany,
            PagesByKey,
            AddsJobs,
            LeasesJobs,
            RecordsFailures,
            RecordsCursors,
            FindsJobs,
            Purges,
        )
    }
)
"""The optional Protocols by name. An adapter declares one by having its methods, and by nothing
else: so none can have the methods and not declare it, and a method that an adapter inherits and
does not mean to offer has to be hidden, as in ``save_many = None``. Each stands behind those that
it derives from."""


def _introduced() -> dict[str, str]:
    introduced = dict[str, str]()
    for name, protocol in PROTOCOLS.items():
        for method in vars(protocol):
            if not method.startswith("_") and method not in NINE:
                introduced.setdefault(method, name)
    return introduced


METHODS: Mapping[str, str] = MappingProxyType(_introduced())
"""For each method that an optional Protocol introduces, the Protocol."""

_COMBINED = (RecordsFailuresUnderLease, RecordsCursorsUnderLease)
"""Protocols that an adapter has by having two others, whose methods then take more."""

REDECLARING: Mapping[str, type] = MappingProxyType(
    {
        method: protocol
        for protocol in (*PROTOCOLS.values(), *_COMBINED)
        for method in vars(protocol)
        if not method.startswith("_") and METHODS.get(method) != protocol.__name__
    }
)
"""For each method that takes more where an adapter has another Protocol, what declares it so."""


def _needed(method: str) -> str:
    """Return the optional Protocol without which a method does not take more."""
    protocol = REDECLARING[method]
    names = (protocol.__name__, *(base.__name__ for base in protocol.__bases__))
    return next(name for name in names if name in PROTOCOLS and name != METHODS.get(method))


REDECLARED: Mapping[str, str] = MappingProxyType(
    {method: _needed(method) for method in REDECLARING}
)
"""For each method that takes more where an adapter has an optional Protocol, the Protocol."""


def not_declared(name: str) -> str:
    """Why the laws of a capability do not apply to an adapter."""
    if name == NETWORK:
        return "no server is named"  # by ScratchStores.network, or by a factory
    for method, protocol in METHODS.items():
        if protocol == name:
            return f"{name} is not declared: the class has no method {method}"
    return f"{name} is not declared"


def protocols_of(repository: object) -> frozenset[str]:
    """Return the names of the optional Protocols that a repository has the methods of."""
    return frozenset(
        name for name, protocol in PROTOCOLS.items() if isinstance(repository, protocol)
    )
