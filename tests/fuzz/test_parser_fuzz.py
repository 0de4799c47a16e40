"""The parser under mutated streams: cuts change nothing, nothing crashes, nothing leaks, nothing grows.

Idea: valid pipelines are cut, spliced and overwritten by a seeded random; each mutant is fed whole and in pieces, and
both must give the same requests and the same fault. MTREDIS_FUZZ_SECONDS lengthens it, MTREDIS_FUZZ_SEED repeats it.
"""

import os
import random
import time

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.protocol.parser import Parser

from mtredis.errors import ProtocolError
from tests.support.protocol_cases import CASES, UNAUTHENTICATED_CASES

SECONDS = float(os.environ.get("MTREDIS_FUZZ_SECONDS", "6"))
SEED = int(os.environ.get("MTREDIS_FUZZ_SEED", "20261121"))
SEEDS = [case for case in CASES + UNAUTHENTICATED_CASES if len(case) <= 400]
TOKENS = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"*",
    b"$",
    b"-",
    b"0",
    b"9",
    b'"',
    b"'",
    b"\\",
    b"\\x4",
    b" ",
    b"*1\r\n",
    b"$4\r\n",
    b"$0\r\n\r\n",
]


def read(parser: Parser, pieces: list[bytes]) -> tuple[list[list[bytes]], str | None]:
    """All requests in the pieces, and the fault that ended them."""
    requests: list[list[bytes]] = []
    try:
        for piece in pieces:
            found = parser.feed(piece)
            requests += found
            while found and (parser.error or not parser.authenticated):
                found = parser.feed(b"")
                requests += found
    except ProtocolError as fault:
        return requests, str(fault)
    return requests, None


def mutate(source: random.Random) -> bytes:
    """A seed stream, or two of them, with some bytes changed, removed, doubled or put in."""
    data = bytearray(source.choice(SEEDS))
    if source.random() < 0.5:
        data += source.choice(SEEDS)
    for _ in range(source.randrange(4)):
        at = source.randrange(len(data) + 1)
        action = source.random()
        if action < 0.4:
            data[at : at + source.randrange(2)] = source.choice(TOKENS)
        elif action < 0.6:
            data[at : at + 1] = bytes([source.randrange(256)])
        elif action < 0.8:
            del data[at : at + source.randrange(1, 6)]
        else:
            data[at:at] = data[at : at + source.randrange(1, 30)]
    return bytes(data)


def cut(data: bytes, source: random.Random) -> list[bytes]:
    """The data in a few pieces."""
    places = sorted(source.randrange(len(data) + 1) for _ in range(source.randrange(1, 5)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def rounds(source: random.Random, seconds: float) -> int:
    """Compares whole and cut mutants until the time is up; returns how many there were."""
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        for _ in range(200):
            data = mutate(source)
            authenticated = source.random() < 0.8
            whole, pieces = Parser(authenticated=authenticated), Parser(authenticated=authenticated)
            pieces.request_limit = source.choice((1, 2, 1000))
            cuts = cut(data, source)
            assert read(pieces, cuts) == read(whole, [data]), (authenticated, cuts)
            assert whole.capacity < 8192 + 4 * len(data)
            assert (pieces.pending, pieces.missing) == (whole.pending, whole.missing) or whole.error, (
                authenticated,
                cuts,
            )
        done += 200
    return done


@pytest.mark.timeout(600)
def test_cuts_never_matter() -> None:
    done = rounds(random.Random(SEED), SECONDS)
    assert done >= 1000 * min(SECONDS, 60) / 2, f"too slow to be worth its time: {done} mutants in {SECONDS} s"


@pytest.mark.skipif("MTREDIS_ASAN" in os.environ, reason="the sanitizer keeps freed memory in quarantine")
def test_nothing_leaks() -> None:
    process = psutil.Process()
    source = random.Random(SEED + 1)
    rounds(source, 0.5)
    before = process.memory_info().rss
    rounds(source, 1.5)
    assert process.memory_info().rss - before < 8 << 20


def test_one_parser_for_a_long_stream_keeps_its_size() -> None:
    source = random.Random(SEED + 2)
    parser = Parser()
    stream = b"".join(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (size, b"z" * size) for size in range(200))
    position, seen = 0, 0
    for _ in range(30000):
        step = source.randrange(1, 700)
        piece = (stream + stream)[position : position + step]
        position = (position + step) % len(stream)
        seen += len(parser.feed(piece))
    assert seen > 30000
    assert parser.capacity < 32768


@settings(max_examples=500, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), max_size=6), st.data())
def test_what_is_encoded_is_read_back(requests: list[list[bytes]], draw: st.DataObject) -> None:
    data = b"".join(
        b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in argv)
        for argv in requests
    )
    place = draw.draw(st.integers(0, len(data)))
    assert read(Parser(), [data[:place], data[place:]]) == (requests, None)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=4), max_size=25))
def test_any_bytes_byte_by_byte(tokens: list[bytes]) -> None:
    data = b"".join(tokens)
    assert read(Parser(), [data[i : i + 1] for i in range(len(data))]) == read(Parser(), [data])
