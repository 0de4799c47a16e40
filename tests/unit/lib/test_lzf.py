"""LZF: what is compressed comes back, and damaged data is refused without a look beyond it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtredis.lib.lzf import compress, decompress

pieces = st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 30)), max_size=20)
texts = pieces.map(lambda parts: b"".join(part * count for part, count in parts))


def model(data: bytes, length: int) -> bytes | None:
    """The format's definition."""
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            run = data[at : at + control + 1]
            if len(run) != control + 1:
                return None
            out += run
            at += control + 1
            continue
        count = control >> 5
        tail = data[at : at + (2 if count == 7 else 1)]
        if len(tail) != (2 if count == 7 else 1):
            return None
        at += len(tail)
        count += 2 + (tail[0] if count == 7 else 0)
        distance = ((control & 31) << 8) + tail[-1] + 1
        if distance > len(out):
            return None
        for _ in range(count):
            out.append(out[-distance])
    return bytes(out) if len(out) == length else None


@given(texts)
def test_what_is_compressed_comes_back(text: bytes) -> None:
    data = compress(text, len(text) + len(text) // 32 + 40)
    if not text:
        assert data is None
        return
    assert data is not None
    assert decompress(data, len(text)) == text == model(data, len(text))


@given(texts, st.integers(1, 50))
def test_room_is_kept(text: bytes, room: int) -> None:
    data = compress(text, room)
    assert data is None or (len(data) <= room and decompress(data, len(text)) == text)


def test_what_repeats_becomes_small() -> None:
    text = b"abc" * 10_000
    data = compress(text)
    assert data is not None and len(data) < 400
    assert decompress(data, len(text)) == text
    assert compress(random.Random(1).randbytes(1000)) is None
    assert compress(b"abcd") is None


@pytest.mark.parametrize("distance", [8191, 8192, 8193])
def test_copies_reach_as_far_as_the_format_can(distance: int) -> None:
    noise = random.Random(2).randbytes(distance)
    text = b"!" + noise + noise[:100]
    data = compress(text, len(text) * 2)
    assert data is not None and decompress(data, len(text)) == text
    assert (len(data) < len(noise) + 270) == (distance <= 8192)


@given(texts, st.data())
def test_damaged_data_is_refused_or_means_something_else(text: bytes, data: st.DataObject) -> None:
    compressed = bytearray(compress(text, len(text) + len(text) // 32 + 40) or b"\0")
    for _ in range(data.draw(st.integers(1, 3))):
        compressed[data.draw(st.integers(0, len(compressed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(compressed[: data.draw(st.integers(0, len(compressed)))])
    length = data.draw(st.sampled_from([len(text), len(text) + 1, max(len(text) - 1, 0), 0]))
    expected = model(cut, length)
    if expected is None:
        with pytest.raises(ValueError):
            decompress(cut, length)
    else:
        assert decompress(cut, length) == expected


@given(st.binary(max_size=60), st.integers(0, 300))
def test_any_bytes(data: bytes, length: int) -> None:
    expected = model(data, length)
    if expected is None:
        with pytest.raises(ValueError):
            decompress(data, length)
    else:
        assert decompress(data, length) == expected


def test_no_memory_is_taken_for_a_length_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="cannot be so much"):
        decompress(b"\xff\xff\xff" * 10, 2**60)
