"""The findings of the last verification of a target, kept in the user's cache to be tried again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from platformdirs import user_cache_path

from collection_jobs.conformance.report.report import Report
from collection_jobs.conformance.running.targets import shown_target

__all__ = ["findings_of", "keep_findings"]


def keep_findings(target: str | None, report: Report) -> str | None:
    """Remember by which token each broken law is shown; those of laws left out stay.

    Returns:
        Why none is kept, where there are some; None otherwise. That is no reason to fail.
    """
    former = findings_of(target)
    verdicts = {law.id: law.verdict for law in report.laws}
    tokens = {law: token for law, token in former.items() if verdicts.get(law) == "not checked"}
    for law in report.laws:
        if law.finding is not None and law.finding.token is not None:
            tokens[law.id] = law.finding.token
    try:
        _write(_path(target), tokens)
    except OSError as error:
        return str(error) if tokens else None
    return None


def findings_of(target: str | None) -> dict[str, str]:
    """Return the tokens that are kept of a target, by law; none if there is nothing to be read."""
    try:
        kept: Any = json.loads(_path(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    items = cast("dict[object, object]", kept).items()
    return {str(law): token for law, token in items if isinstance(token, str)}


def _path(target: str | None) -> Path:
    """Return the file of a target as seen from this directory; its name tells nothing of it."""
    name = f"{Path.cwd()}\n{'' if target is None else shown_target(target)}"
    cache = user_cache_path("collection-jobs", appauthor=False) / "findings"
    return cache / f"{sha256(name.encode(errors='surrogateescape')).hexdigest()[:32]}.json"


def _write(path: Path, tokens: Mapping[str, str]) -> None:
    """Write a file that is there whole or not at all; where there is nothing to keep, remove it."""
    if not tokens:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(tokens, file)
    Path(file.name).replace(path)
