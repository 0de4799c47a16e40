"""Words on a line, quoted as redis.conf, inline commands and CONFIG REWRITE quote them.

Idea: two inverse functions. `split_words` reads "..." (with \\n \\r \\t \\b \\a \\xHH escapes), '...' (with \\')
and bare words; `quote_word` writes one word so that `split_words` gives it back, in printable ASCII alone.

Owner: none; pure functions. Text is `str`; bytes that are no UTF-8 travel as surrogate escapes and survive.
"""

import re

_BLANKS = " \t\n\v\f\r"
_ENDS = " \t\n\r\0"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")
_SPECIAL = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b"}


def _to_octets(text: str) -> str:
    """`text` with one character per byte of its UTF-8 form, so that \\xHH means a byte."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _from_octets(octets: str) -> str:
    return octets.encode("latin-1").decode("utf-8", "surrogateescape")


def split_words(text: str) -> list[str] | None:
    """The words of `text`, or None when a quote is not closed or is followed by something else than a blank."""
    line, position = _to_octets(text), 0
    words: list[str] = []
    while True:
        while position < len(line) and line[position] in _BLANKS:
            position += 1
        if position == len(line):
            return words
        found = _word(line, position)
        if found is None:
            return None
        words.append(_from_octets(found[0]))
        position = found[1]


def _word(line: str, position: int) -> tuple[str, int] | None:
    """The word at `position` and where it ends; None when its quotes do not balance."""
    word: list[str] = []
    while position < len(line) and line[position] not in _ENDS:
        character = line[position]
        if character in "\"'":
            end = (_double_quoted if character == '"' else _single_quoted)(line, position + 1, word)
            closed = end is not None and (end == len(line) or line[end] in _BLANKS)
            return ("".join(word), end) if closed and end is not None else None
        word.append(character)
        position += 1
    # A NUL ends the line in redis.conf; stepping over it here keeps the loop of the caller going.
    return "".join(word), min(position + 1, len(line))


def _double_quoted(line: str, position: int, word: list[str]) -> int | None:
    while position < len(line):
        character = line[position]
        if character == '"':
            return position + 1
        if character == "\\" and position + 1 < len(line):
            if octet := _HEX.match(line, position):
                word.append(chr(int(octet[1], 16)))
                position = octet.end()
                continue
            position += 1
            character = _ESCAPES.get(line[position], line[position])
        word.append(character)
        position += 1
    return None


def _single_quoted(line: str, position: int, word: list[str]) -> int | None:
    while position < len(line):
        if line[position] == "'":
            return position + 1
        if line.startswith("\\'", position):
            position += 1
        word.append(line[position])
        position += 1
    return None


def quote_word(word: str) -> str:
    """`word` between double quotes, escaped to printable ASCII."""
    return '"' + "".join(_quoted_octet(octet) for octet in _to_octets(word)) + '"'


def _quoted_octet(octet: str) -> str:
    return _SPECIAL.get(octet) or (octet if " " <= octet <= "~" else f"\\x{ord(octet):02x}")
