"""Glob patterns: examples of each element, the kept oddities, a plain recursive model, and the worst case's cost."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.lib.glob import glob_match

MATCHES = [
    (b"*", b"anything"), (b"h?llo", b"hello"), (b"h*llo", b"hllo"), (b"h*llo", b"heeeello"), (b"h[ae]llo", b"hallo"),
    (b"h[^e]llo", b"hallo"), (b"h[a-b]llo", b"hbllo"), (b"h[b-a]llo", b"hallo"), (b"\\*", b"*"), (b"a\\?b", b"a?b"),
    (b"[\\]]", b"]"), (b"[\\-]", b"-"), (b"a**b", b"ab"), (b"a*", b"a"), (b"a**", b"a"), (b"", b""), (b"[abc", b"c"),
    (b"[^", b"x"), (b"[a-]]", b"`"), (b"*a*b*c", b"xaxbxaxbxc"), (b"\\", b"\\"), (b"[\\", b"\\"), (b"??*", b"ab"),
    (b"[\xf0-\x10]", b"\xff"), (b"\0*", b"\0\0"),
]  # fmt: skip
MISSES = [
    (b"h?llo", b"hllo"), (b"h[ae]llo", b"hillo"), (b"h[^e]llo", b"hello"), (b"a", b""), (b"", b"a"), (b"*", b""),
    (b"**", b""), (b"[", b"["), (b"[]", b"]"), (b"\\a", b"\\a"), (b"*a", b"ab"), (b"a?", b"a"), (b"ab", b"abc"),
    (b"[\x10-\xf0]", b"\x80"), (b"A", b"a"), (b"a*?", b"a"), (b"*[", b"a["),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), MATCHES)
def test_matches(pattern: bytes, text: bytes) -> None:
    assert glob_match(pattern, text)


@pytest.mark.parametrize(("pattern", "text"), MISSES)
def test_misses(pattern: bytes, text: bytes) -> None:
    assert not glob_match(pattern, text)


def test_without_regard_to_case() -> None:
    assert glob_match(b"MaxMemory*", b"maxmemory-policy", nocase=True)
    assert glob_match(b"[A-C]x", b"bX", nocase=True)
    assert glob_match(b"[QZ]", b"z", True)
    assert not glob_match(b"[\\A]", b"a", nocase=True)
    assert not glob_match(b"\xc4", b"\xe4", nocase=True)


def test_more_than_a_thousand_stars_match_nothing() -> None:
    assert glob_match(b"*a" * 1000, b"a" * 1000)
    assert not glob_match(b"*a" * 1001, b"a" * 1001)
    assert glob_match(b"*a" * 1000 + b"*", b"a" * 1001)


def test_the_worst_case_is_no_explosion() -> None:
    started = time.process_time()
    assert not glob_match(b"a*" * 300 + b"b", b"a" * 20000)
    assert not glob_match(b"*a*a*a*a*a*a*a*a*a*ab", b"a" * 5000)
    assert time.process_time() - started < 2.0


def model(pattern: bytes, text: bytes) -> bool:
    """The meaning of stars, question marks and literal bytes, by plain recursion; the empty text as in Redis."""
    if not text:
        return not pattern
    if not pattern:
        return False
    if pattern[:1] == b"*":
        rest = pattern.lstrip(b"*")
        return not rest or any(model(rest, text[start:]) for start in range(len(text)))
    if pattern[:1] not in (b"?", text[:1]):
        return False
    return (len(text) == 1 and not pattern[1:].strip(b"*")) or model(pattern[1:], text[1:])


def test_all_short_patterns_and_texts_against_the_recursive_model() -> None:
    texts = [bytes(text) for size in range(6) for text in itertools.product(b"ab", repeat=size)]
    for size in range(5):
        for letters in itertools.product(b"ab?*", repeat=size):
            pattern = bytes(letters)
            for text in texts:
                assert glob_match(pattern, text) == model(pattern, text), (pattern, text)


@settings(max_examples=300)
@given(st.text("ab?*", min_size=5, max_size=9).map(str.encode), st.text("ab", max_size=9).map(str.encode))
def test_against_the_recursive_model(pattern: bytes, text: bytes) -> None:
    assert glob_match(pattern, text) == model(pattern, text)


@settings(max_examples=300)
@given(st.text("ab*?[]^-\\", max_size=12).map(str.encode), st.binary(max_size=8))
def test_no_pattern_breaks_it(pattern: bytes, text: bytes) -> None:
    assert glob_match(pattern, text) in (True, False)
    assert glob_match(b"".join(b"\\" + text[i : i + 1] for i in range(len(text))), text)
