"""How often the collector of cycles looks for garbage in a process that does nothing but examine.

What is known of a large store are hundreds of thousands of objects that all stay: with Python's own
thresholds the search for cycles among them is a twentieth of a whole examination. It still looks
every ten thousand new objects, so that what an adapter leaves in cycles does not pile up.
"""

from __future__ import annotations

import gc

__all__ = ["collect_seldom", "leave_all_to_the_end"]

_NEW_OBJECTS = 10_000
_YOUNGER_COLLECTIONS = 20


def collect_seldom() -> None:
    """Let the collector look less often, in this process and from now on."""
    gc.set_threshold(_NEW_OBJECTS, _YOUNGER_COLLECTIONS, _YOUNGER_COLLECTIONS)


def leave_all_to_the_end() -> None:
    """Let the interpreter end without a search for cycles among what ends with the process."""
    gc.freeze()
