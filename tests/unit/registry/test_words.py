"""Quoting: what each form means, and that writing and reading are inverse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.registry.words import quote_word, split_words

any_bytes = st.binary().map(lambda octets: octets.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   \t ", []),
        ("port 7000", ["port", "7000"]),
        ("\v\tport\f 7000 \r", ["port\f", "7000"]),
        ('a "b c" d', ["a", "b c", "d"]),
        ("a 'b c'", ["a", "b c"]),
        ('""', [""]),
        ("''", [""]),
        (r'"\x41\n\r\t\b\a\q\\\""', ['A\n\r\t\b\aq\\"']),
        (r"'it\'s \n'", ["it's \\n"]),
        ('pre"fix ed"', ["prefix ed"]),
        (r'"\xc3\xa9"', ["é"]),
        ('"é"', ["é"]),
        (r'"\xff"', ["\udcff"]),
    ],
)
def test_words_of_a_line(line: str, words: list[str]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize("line", ['"', "'", 'a "b', "a 'b", '"a"b', "'a'b", '"\\', 'a "b\\"'])
def test_unbalanced_quotes(line: str) -> None:
    assert split_words(line) is None


@given(st.lists(any_bytes, max_size=4))
def test_what_is_written_is_read_back(words: list[str]) -> None:
    line = " ".join(map(quote_word, words))
    assert line.isascii()
    assert "\n" not in line
    assert split_words(line) == words


@given(st.text())
def test_any_line_ends_in_words_or_in_refusal(line: str) -> None:
    words = split_words(line)
    assert words is None or all(isinstance(word, str) for word in words)
