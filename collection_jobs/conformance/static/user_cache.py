"""Where the tools behind the kit keep what they know: in the cache of the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["user_cache"]


def user_cache(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the kit's directory in the user's cache; each tool has its own in it.

    Args:
        environment: The environment variables.
        platform: The platform, as ``sys.platform`` names it.
    """
    if platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "collection-jobs"
