"""URLs of stores: which parts may be shown, and texts about them without their secrets.

Everything that shows, logs, reports or compares a URL for people goes through this module. It shows
only what it has parsed and knows to be safe, and hides the rest. Of a URL that it cannot parse
unambiguously, for example because a password should have been percent-encoded, it shows only the
scheme.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, unquote_plus

__all__ = [
    "option_pairs",
    "redacted",
    "scheme_of_url",
    "shown_option",
    "shown_url",
    "shown_value",
]

_MASK = "***"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,18}")  # a longer one is likelier a token
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.%-]*)(?::(?P<port>\d{1,5}))?")
_PATH = re.compile(r"[\w ./~+,-]*")
_OPTION = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}")
_DRIVE = re.compile(r"/*[A-Za-z]:(?=[/\\])")
_HIDDEN_PASSWORD = re.compile(r":.*@", re.DOTALL)

# The options whose values are shown: a list of the harmless ones, since any other name may stand
# for a secret (token, auth, pwd, secret_access_key, ...).
_HARMLESS = frozenset(
    {
        *("schema", "connections", "create", "mode", "synchronous", "timeout", "ttl"),
        *("connect_timeout", "lock_timeout", "busy_timeout", "command_timeout"),
        *("statement_cache", "statement_cache_size", "application_name", "target_session_attrs"),
        *("host", "hostaddr", "port", "user", "db", "dbname", "database", "charset", "encoding"),
        *("client_encoding", "tcp_user_timeout", "keepalives", "keepalives_idle", "max_size"),
        *("keepalives_interval", "keepalives_count", "pool_size", "min_size", "replicaset"),
        *("ssl", "tls", "sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslcrl"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
    }
)


def scheme_of_url(url: str) -> str | None:
    """Return the scheme that a URL begins with, as it is spelt; None where it begins with none."""
    match = _SCHEME.match(url)
    return None if match is None else match[1]


def shown_url(url: str) -> str:
    """Return a URL for messages, reports and logs, with ``***`` in place of possible secrets.

    It shows the scheme, the user before a password, the hosts and ports, the path (a database, a
    file), and the names and values of options that are known to be safe. Of a URL that cannot be
    parsed unambiguously, it shows only the scheme.
    """
    url = str.__str__(url)
    scheme = scheme_of_url(url)
    if scheme is None:
        return _shown_part(url)  # a file's name, most likely
    rest = url[len(scheme) + 1 :]
    place, mark, query = rest.partition("?")
    shown = _shown_place(scheme.lower(), rest, place)
    if shown is None:
        return f"{scheme}:{_MASK}"
    return f"{scheme}:{shown}{mark}{_shown_query(query)}"


def option_pairs(query: str) -> list[tuple[str, str]] | None:
    """Return the options after the ``?`` of a URL, decoded; None if one is not ``name=value``.

    It never raises, which keeps the URL out of the context of the error that its caller raises. A
    bare ``;`` is refused, because some parsers treat it as ``&``: the next option would become part
    of this one's value, and be shown with it.
    """
    if query and (";" in query or not all("=" in item for item in query.split("&"))):
        return None
    return parse_qsl(query, keep_blank_values=True)


def shown_value(value: str) -> str:
    """Return the value of a safe option for a message: in quotes, or hidden if it is not a word."""
    return repr(_shown_part(value))


def shown_option(url: str, name: str) -> str:
    """Return an option's name for a message: in quotes, or hidden as in shown_url."""
    names = {item.partition("=")[0] for item in re.split("[&;]", shown_url(url).partition("?")[2])}
    return repr(name) if name in names else _MASK


def _shown_place(scheme: str, rest: str, place: str) -> str | None:
    """Show what stands before the options; None if it cannot be told beyond doubt."""
    if not place:
        return ""
    if place.startswith("///"):
        return _shown_file(scheme, rest, place)
    # A password with a bare @, / or # is cut apart there: its pieces look like hosts and paths.
    authority, slash, path = place.removeprefix("//").partition("/")
    if not place.startswith("//") or rest.count("@") > authority.count("@") or "#" in rest:
        return None
    shown = _shown_authority(scheme, authority)
    return None if shown is None else f"//{shown}{slash}{_shown_part(path)}"


def _shown_file(scheme: str, rest: str, place: str) -> str | None:
    """Show the path of a URL without a host: a colon and an @ behind it may enclose a password."""
    if scheme == "sqlite" and place.startswith("////"):
        return place  # an absolute path, of which every character is one
    if _HIDDEN_PASSWORD.search(_DRIVE.sub("", unquote(rest), count=1)):
        return None
    return place if scheme == "sqlite" or "#" not in place else None


def _shown_authority(scheme: str, authority: str) -> str | None:
    user, at, hosts = authority.rpartition("@")
    if "@" in user or not all(map(_is_host, hosts.split(","))):
        return None
    return f"{_shown_user(scheme, user)}{at}{hosts}"


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return (
        match is not None
        and int(match["port"] or 0) <= 65_535
        and re.fullmatch(r"[\w./\[\]:-]*", unquote(text)) is not None
    )


def _shown_user(scheme: str, text: str) -> str:
    """Show a user and mask the password; a user alone may be a token in all but PostgreSQL."""
    user, colon, password = text.partition(":")
    if not text:
        return ""
    named = bool(password) or scheme in ("postgresql", "postgres")
    shown = user if not user or (named and _USER.fullmatch(user)) else _MASK
    return f"{shown}:{_MASK}" if colon else shown


def _shown_part(text: str) -> str:
    return text if _PATH.fullmatch(unquote(text)) else _MASK


def _shown_query(query: str) -> str:
    parts = re.split("([&;])", query)
    parts[::2] = map(_shown_item, parts[::2])
    return "".join(parts)


def _shown_item(item: str) -> str:
    name, equals, value = item.partition("=")
    if not item:
        return ""
    if not equals or not _OPTION.fullmatch(name):
        return _MASK
    return f"{name}={_shown_part(value) if name.lower() in _HARMLESS else _MASK}"


def redacted(text: str, url: str) -> str:
    """Hide the URL's secrets in another package's text about it.

    The URL itself is replaced by what shown_url returns. If a secret of the URL occurs anywhere
    else in the text, the whole text is hidden: replacing the secret there would garble the words
    that contain it, and reveal where it was.
    """
    for spelling in (url, repr(url)[1:-1]):
        text = re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", lambda _: shown_url(url), text)
    text = _URL_IN_TEXT.sub(lambda match: _shown_in_text(match[0]), text)
    if any(_occurs(secret, text) for secret in _secrets(url)):
        return "(its message is not shown, because it repeats a part of the URL)"
    return text


_URL_IN_TEXT = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_ENDS_SENTENCE = ".,;:!?)]}"
_SHORTEST_SECRET = 4  # a shorter one occurs in any text
_LONG_SECRET = 8  # one that is found within a word is no chance


def _shown_in_text(found: str) -> str:
    url = found.rstrip(_ENDS_SENTENCE)
    return shown_url(url) + found[len(url) :]


def _occurs(secret: str, text: str) -> bool:
    if len(secret) >= _LONG_SECRET:
        return secret in text
    return re.search(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", text) is not None


def _secrets(url: str) -> set[str]:
    """Return the pieces of a URL that shown_url hides, as they may be spelt elsewhere."""
    shown = set(_pieces(shown_url(url)))
    hidden = [piece for piece in _pieces(url) if piece not in shown]
    spellings = {
        spelling
        for piece in hidden
        for plain in (piece, unquote(piece), unquote_plus(piece))
        for spelling in (plain, repr(plain)[1:-1])
    }
    return {spelling for spelling in spellings if len(spelling) >= _SHORTEST_SECRET}


def _pieces(url: str) -> Iterator[str]:
    return (piece for piece in re.split(r"[:/@?#&;=,]+", url) if piece)
