"""Texts that usual programs take for each other: in families, named after who does.

A store finds a job by what it makes of the id: a path, a pattern, a number, an entry of an index.
What it makes of one member of a family is often what it makes of another; as values the members
are what encodes and decodes, escapes and unescapes leaves changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["FAMILIES", "SEPARATORS"]

SEPARATORS: tuple[str, ...] = (":", "/", "|", ",", ";", ".", "-", "_", "#", " ", "\t", "\n", "::")
"""What keys are joined with."""

_CUTS = (8, 16, 20, 31, 32, 36, 50, 63, 64, 100, 127, 128, 191, 200, 250)
"""After how many characters columns, indexes and names of files are cut."""

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "a path": (
            *("a/b", "a//b", "./a/b", "a/./b", "a/b/", "a/c/../b", "/a/b", "../a/b", "a\\b"),
            *("a_b", "a-b", "a.b", "A/B", "a:b", "a/b.", "a/b.tmp", "a/b~"),
        ),
        "an escaped path": (
            *("a/b", "a%2Fb", "a%2fb", "a-2f-b", "a-2fb", "a_2f_b", "a_2fb", "a=2Fb", "a__b"),
            *("a~2fb", "a\\x2fb", "a:2fb", "a+AC8-b", "a.2fb"),
        ),
        "a part of a URL": ("a b", "a%20b", "a+b", "a%2520b", "a%2Bb", "a?b", "a#b", "a&b", "a=b"),
        "HTML": ("a<b", "a&lt;b", "a&#60;b", "a&amp;lt;b", 'a"b', "a&quot;b", "<b>a</b>"),
        "an escaped text": (
            *("a\nb", "a\\nb", "a\\\\nb", "a\\u000ab", "\\x61", "\\a", "a\\", "a\\tb", "a\tb"),
            *("a'b", "a''b", "a\\'b", "'a'", '"a"', '\\"a\\"', "a`b"),
        ),
        "a format": (
            "a%b",
            "a%%b",
            "%s",
            "%(a)s",
            "{a}",
            "{{a}}",
            "${a}",
            "$a",
            "$$a",
            "%a%",
            "~a",
        ),
        "a formula": ("=1+1", "'=1+1", "+1", "-1", "@a", "'@a", "=a", "|a", "--a"),
        "a pattern": (
            *("a", "ab", "abc", "a*", "a?", "a%", "a_", "[a]b", "a.", "a.*", "a\\%", "a{b,c}"),
            *("a|b", "^a", "*", "%", "?", "_", "[!x]", "a**"),
        ),
        "a number": (
            "1",
            "01",
            "1.0",
            "+1",
            "1e0",
            " 1",
            "1 ",
            "0x1",
            "10",
            "1e1",
            "1_0",
            "\u0661",
        ),
        "a scalar": (
            *("null", "NULL", "None", "~", "nan", "NaN", "true", "True", "TRUE", "yes", "on", "t"),
            *("false", "no", "off", "0", "-0", "12:30", "750", "2024-03-01", "2024-3-1"),
        ),
        "a text without the invisible": (
            *("ab", "a\u200bb", "a\u00adb", "\ufeffab", "ab\u200d", "a\u2060b", "ab\ufe0f"),
            *("a\u034fb", "\u202aab\u202c", "a\x01b", "a\x7fb"),
        ),
        "a trimmed text": (
            " ab",
            "ab ",
            "ab  ",
            "\tab",
            "ab\n",
            "ab\u00a0",
            "ab\u3000",
            "ab.",
            "ab",
        ),
        "a text without punctuation": ("a b", "a-b", "a.b", "a_b", "ab", "a'b", "(ab)", "a  b"),
        "a text in one case": ("ss", "SS", "\u00df", "\u1e9e", "i", "I", "\u0130", "\u0131", "sS"),
        "a text without accents": ("e", "\u00e9", "e\u0301", "E", "\u00e8", "\u0435", "\uff45"),
        "a text of compatible characters": (
            *("fi", "\ufb01", "1/2", "\u00bd", "2", "\u00b2", "\u2461", "K", "\u212a", "\u00c5"),
            *("\u212b", "A\u030a", "\u30ab", "\uff76"),
        ),
        "a text that begins alike": (*("x" * cut + "y" for cut in _CUTS), "x" * 255, "x", "xx"),
        "the key of something within": tuple(f"a{one}BTC" for one in SEPARATORS),
    }
)
"""By what they are taken for, texts that are taken for each other; each can be an id."""
