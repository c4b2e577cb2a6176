"""Proxying: the URL of a store through a proxy in front of its server, for the kit."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from collection_jobs.adapters.postgres.settings import PostgresSettings

__all__ = ["PROXIED_TIME_OUT", "proxied_url", "server_address"]

PROXIED_TIME_OUT = 1.0
"""Seconds in which every call on a store that is opened through a proxy ends."""

_PORT = 5432


def server_address(url: str) -> tuple[str, int] | None:
    """Return the host and the TCP port that a URL names.

    Returns:
        None where it names several, or a socket of this machine, or none: then the driver looks
        for one by itself.
    """
    host, port, _ = _taken_apart(url)
    if not host or "," in host or host.startswith("/"):
        return None
    return host, int(port or _PORT)


def proxied_url(url: str, host: str, port: int) -> str:
    """Return the URL of the same store through a proxy, with short time-outs."""
    _, _, (scheme, user, rest, options) = _taken_apart(url)
    options |= {"connect_timeout": str(PROXIED_TIME_OUT), "command_timeout": str(PROXIED_TIME_OUT)}
    return f"{scheme}://{user}{host}:{port}{rest}?{urlencode(options)}"


def _taken_apart(url: str) -> tuple[str, str, tuple[str, str, str, dict[str, str]]]:
    """Return the host and the port, as text, and all the rest of a URL."""
    PostgresSettings.from_url(url)  # whatever is wrong with it is said as it is when it is opened
    place, _, query = url.partition("?")
    scheme, _, place = place.partition("://")
    user, at, place = place.rpartition("@")
    authority, slash, database = place.partition("/")
    options = dict(parse_qsl(query, keep_blank_values=True))
    before, colon, after = authority.rpartition(":")
    in_place, port = (before, after) if colon and "]" not in after else (authority, "")
    host = options.pop("host", in_place).strip("[]")
    return host, options.pop("port", port), (scheme, user + at, slash + database, options)
