"""Where planted bugs were seen: threads of public projects in which somebody really made them.

A mutant is the bug at its smallest, in our own words; the thread is how it came to be made, and
what it cost. Those without an entry are named after the kind of project in their docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ORIGINS"]

ORIGINS: Mapping[str, str] = MappingProxyType(
    {
        "DropsMicroseconds": "https://github.com/django/django/pull/6450",
        "RevisionsStartAgain": "https://github.com/dotnet/efcore/issues/2432",
        "FoldsCase": "https://github.com/apitable/apitable/issues/1450",
        "OutcomesComeBack": "https://github.com/duplicati/duplicati/issues/1828",
        "TiesAscending": "https://github.com/cgwire/zou/issues/813",
        "LostUpdate": "https://github.com/mastra-ai/mastra/issues/24756",
        "CheckThenClaim": "https://github.com/silverstripe/silverstripe-queuedjobs/pull/32",
        "LooksThenActs": "https://github.com/ansible/awx/pull/16300",
        "WholeFile": "https://github.com/h0x91b/dev-3.0/pull/153",
        "IteratesWhileOthersWrite": "https://github.com/aio-libs/sockjs/issues/218",
        "HandsItsLockToTheDead": "https://github.com/python/cpython/pull/1031",
        "LosesItsConnections": "https://github.com/encode/httpcore/issues/658",
        "LeavesATransactionOpen": "https://github.com/jaylfc/taOS/pull/2771",
        "LeavesTheTransactionToOthers": "https://github.com/tortoise/tortoise-orm/issues/1757",
        "WritesInPlace": "https://github.com/kivy/kivy/issues/8846",
    }
)
