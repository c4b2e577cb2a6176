"""Domains of texts: names and free texts that stores take for something else, cut or change."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = [
    "FEW_TEXTS",
    "KEYS",
    "LONG_TEXTS",
    "METADATA",
    "NAME_CLASSES",
    "POOLS",
    "SYMBOLS",
    "TEXT_CLASSES",
    "Domain",
]

Domain = Mapping[str, tuple[Any, ...]]
"""By the name of each class, its values."""

_GRINNING = "\U0001f600"
_E_ACUTE, _E_COMBINED = "\u00e9", "e\u0301"

# Each class stands for names and for texts alike, but where the two differ below.
_ALIKE: dict[str, tuple[str, ...]] = {
    "like a number": ("1", "01", "1.0", "1e5", "0x10", "1_000", "-0", "+1", "9007199254740993"),
    "like a date": ("2024-03-01", "2024-03-01T12:00:00Z", "12:30", "MAR1", "1-2"),
    "like nothing": ("NULL", "None", "null", "nil", "NaN", "inf", "undefined", "\\N", "-"),
    "like a boolean": ("true", "False", "yes", "NO", "on", "t"),
    "like JSON": ("[1,2]", '{"a": 1}', '"x"', "{}", "[]", '{"$ne": null}'),
    "like a path": ("..", ".", "../a", "a/b", "/a", "a\\b", "a.tmp", "CON", "a.", "~", "file:a"),
    "with separators": ("a|b", "a,b", "a;b", "a:b", "a=b&c", "a#b", "a\tb", "a\x1fb", "a::b"),
    "with quotes or wildcards": (
        "'; DROP TABLE jobs; --",
        'a"b',
        "a%",
        "a_",
        "a*",
        "a?",
        "{a}",
        "%s",
        "${HOME}",
        "a`b",
        "[a]",
        "\\",
        "<a>&amp;",
    ),
    "blanks at the ends": (" a", "a ", "a  ", "\ta", "a\t", "\u00a0a", "a\u3000", " "),
    "line ends": ("a\nb", "a\r\nb", "a\rb", "a\n", "\n", "\na"),
    "other line separators": ("a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\x1cb"),
    "control characters": ("\x01", "a\x1b[31m", "a\x7f", "a\x1ab"),
    "invisible characters": ("\ufeffa", "a\ufeff", "\u200b", "a\u200db", "a\u00adb"),
    "right to left": ("\u05e9\u05dc\u05d5\u05dd", "\u202ea\u202c", "\u0661"),
    "composed and decomposed": (
        "\u00e1",
        "a\u0301",
        "\u1e9b\u0323",
        "\u212b",
        "\uac00",
        "\u1100\u1161",
        "\ufb01",
        "\uff41",
        "\u00b2",
    ),
    "case pairs": (
        "Z",
        "z",
        "\u00df",
        "SS",
        "\u1e9e",
        "i",
        "I",
        "\u0130",
        "\u0131",
        "\u03c3",
        "\u03c2",
        "\u01c6",
        "\u212a",
    ),
    "beyond 16 bits": (
        _GRINNING,
        "\U00020000",
        "\ufffd",
        "\uffff",
        "\ufffe",
        "\U0010ffff",
        "\ue000",
        "\U0001f468\u200d\U0001f469",
    ),
}

NAME_CLASSES: Domain = MappingProxyType(
    {
        "plain": ("a", "b", "BTC", "ETH", "BTC/USDT", "binance", "1h"),
        **_ALIKE,
        "of one hash": (
            # By CRC-32, Adler-32, and the first eight digits of MD5, SHA-1 and SHA-256.
            *("job 29685295", "job 32060020", "job 120", "job 201"),
            *("job 79251", "job 81896", "job 111004", "job 120415", "job 2905", "job 56947"),
        ),
        "one the beginning of another": ("job", "job 1", "job 10", "job 100", "job 1 ", "job1"),
        "of 255 characters": (
            "x" * 255,
            "x" * 254 + "y",
            "x" * 254,
            "\u00e9" * 255,
            "\u65e5" * 255,
            _GRINNING * 255,
            _GRINNING * 254 + "y",
            "x" * 128 + "y" * 127,
            "x" * 64 + "z" * 191,
        ),
    }
)

_BOUND = 65_535
LONG_TEXTS: tuple[str, ...] = (
    # At and behind the 65,535 bytes of UTF-8 that a free text has: of one, two, three and four
    # bytes a character, so that the cut falls into the middle of some; and of what grows as it is
    # replaced.
    "x" * _BOUND,
    "x" * (_BOUND + 1),
    "\u00e9" * 40_000,
    "x" + "\u65e5" * 30_000,
    _GRINNING * 20_000,
    "\0" * 30_000,
    "\ud800" * 21_845,
)

TEXT_CLASSES: Domain = MappingProxyType(
    {
        "empty": ("",),
        "plain": ("boom", "timed out"),
        **_ALIKE,
        "padded, quoted, on two lines": (
            " padded ",
            "two\r\nlines",
            'it\'s "quoted" \\ {}%s',
            "\u00fcml\u00e4ut \u65e5\u672c \U0001f600",
            "a\u0301 decomposed",
        ),
        "NUL and lone surrogates": ("nul \0 and \ud800 surrogate",),
        "about 255 characters": ("x" * 255, "x" * 256, _E_ACUTE * 256),
        "about 1,024 characters": ("x" * 1_023, "x" * 1_024, "x" * 1_025, _E_COMBINED * 1_024),
        "some thousand characters": ("long " * 2000, "x" * 4_097, "\u65e5" * 8_193),
        "about 32 KiB": ("x" * 2**15, "\u00e9" * 2**14, "x" * (2**15 + 1)),
        "up to the bound": (
            *("x" * (_BOUND - 1), LONG_TEXTS[0], "\u00e9" * 32_767, "\u65e5" * 21_845),
            *("x" + _GRINNING * 16_383, "ab" * 30_000 + "end"),
        ),
        "beyond the bound": (*LONG_TEXTS[1:], "\u65e5" * 70_000, "ab" * 40_000 + "end"),
    }
)

FEW_TEXTS: tuple[str, ...] = (
    # Where every text is tried with everything else.
    *("", "boom", "None", "null", " padded ", "two\r\nlines", 'it\'s "quoted" \\ {}%s'),
    *("\u00fcml\u00e4ut \u65e5\u672c \U0001f600", "nul \0 and \ud800 surrogate"),
    *("a\u0301 decomposed", "long " * 2000),
)

SYMBOLS: tuple[str, ...] = (
    "BTC",
    "ETH",
    "btc",
    "BTC/USDT",
    "BTC ",
    "[1,2]",
    'a"b',
    "\u00dc\u00df",
    _GRINNING,
)

# Ids that a careless store takes for each other, or orders otherwise than by code point: by case,
# accents, blanks, composition, numbers, wildcards, bytes of UTF-16, length.
POOLS: tuple[tuple[str, ...], ...] = (
    ("a", "b", "A", "a ", "\u00e1"),
    ("a", "Z", "\ufffd", _GRINNING, "\uff41"),
    ("\u00e1", "a\u0301", "1", "01", "1.0"),
    ("a%", "a_", "ab", "'; DROP TABLE jobs; --", "a/b"),
    ("x" * 255, "x" * 254 + "y", _GRINNING * 255, "x", "\u200b"),
    ("job 1", "job 10", "job 2", "job 29685295", "job 32060020"),
    ("\u00df", "SS", "ss", "\u0130", "i"),
    ("a\n", "a\nb", "a|b", "a\t", "..."),
    ("\ufeffa", "\u0085", "\u2028", "\u00a0a", "\uffff"),
)

# Keys that a careless store takes for each other, for a path, an operator or a number; and more
# entries than it expects.
KEYS: tuple[str, ...] = (
    "ticket",
    "Ticket",
    "ticket ",
    "t\u00efcket",
    "ti\u0308cket",
    "a.b",
    "$a",
    '"a"',
    "[0]",
    "1",
    "null",
    "k" * 255,
    _GRINNING * 255,
)
METADATA: tuple[dict[str, str], ...] = (
    {},
    {"ticket": ""},
    {"ticket": "T-1"},
    {"ticket": "T-1", "note": "late"},
    {"note": "late", "ticket": "T-1"},
    dict.fromkeys(KEYS, ""),
    {key: f"{number}" for number, key in enumerate(KEYS)},
    {key: f"{number}" for number, key in enumerate(KEYS[::-1])},
    dict(zip(KEYS, FEW_TEXTS, strict=False)),
    {f"key {number}": f"{number}" for number in range(1_000)},
)
