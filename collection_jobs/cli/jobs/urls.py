"""URLs of stores as a command line has them: recognised, and shown without their passwords."""

from __future__ import annotations

import re
from urllib.parse import unquote

from collection_jobs.opening import known_schemes

__all__ = ["looks_like_url", "masked", "without_secrets"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_USER = re.compile(r"(?P<before>[^:/?#]*:/*[^:/?#@]*:)(?P<secret>.*)(?P<after>@)", re.DOTALL)
_OPTION = re.compile(
    r"(?P<before>[?&;][^=&;]*(?:pass|pwd|secret|token|key|auth)[^=&;]*=)(?P<secret>[^&;#]*)",
    re.IGNORECASE,
)
_MASK = "***"


def looks_like_url(word: str) -> bool:
    """Whether a word begins with a scheme that some installed package opens."""
    scheme = _SCHEME.match(word)
    return scheme is not None and scheme[1].lower() in known_schemes()


def masked(url: str) -> str:
    """The URL to show: as it is, but for its password and the like."""
    place, mark, query = url.partition("?")
    place = _USER.sub(rf"\g<before>{_MASK}\g<after>", place)
    return place + _OPTION.sub(rf"\g<before>{_MASK}", f"{mark}{query}")


def without_secrets(text: str, url: str) -> str:
    """A text, such as a driver's error, without the secrets of this URL."""
    place, mark, query = url.partition("?")
    found = [match["secret"] for match in _USER.finditer(place)]
    found += [match["secret"] for match in _OPTION.finditer(f"{mark}{query}")]
    text = text.replace(url, masked(url))
    for secret in sorted({*found, *map(unquote, found)}, key=len, reverse=True):
        if secret:
            text = text.replace(secret, _MASK)
    return text
