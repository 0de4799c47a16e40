"""The manifest: what it says is what it is made of, whatever the names; and what is no manifest, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.durability.aof import manifest as manifests
from mtredis.durability.aof.manifest import BASE, HISTORY, INCREMENT, LINE_MAX, Manifest, ManifestError, Part, parse

EXAMPLE = b"""# a comment
file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.incr.aof seq 1 type h
file "with \\x20 a blank" seq 3 type i startoffset 7 endoffset 9
FILE plain Seq 4 TYPE i unknown key
"""

NAMES = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
OFFSETS = st.integers(0, 2**63 - 1)


def test_an_example_is_understood() -> None:
    manifest = parse(EXAMPLE)
    assert manifest.base == Part("appendonly.aof.2.base.rdb", 2, BASE)
    assert manifest.history == (Part("appendonly.aof.1.incr.aof", 1, HISTORY),)
    assert manifest.increments == (Part("with   a blank", 3, INCREMENT, 7, 9), Part("plain", 4, INCREMENT))
    assert (manifest.base_number, manifest.increment_number) == (2, 4)
    assert [part.number for part in manifest.parts] == [2, 3, 4]


@st.composite
def manifests_of_all_kinds(draw: st.DrawFn) -> Manifest:
    numbers = draw(st.lists(st.integers(1, 2**62), unique=True, max_size=4).map(sorted))
    base = draw(st.none() | st.builds(Part, NAMES, st.integers(1, 2**62), st.just(BASE)))
    history = draw(st.lists(st.builds(Part, NAMES, st.integers(1, 2**62), st.just(HISTORY)), max_size=3))
    starts = [draw(st.just(-1) | OFFSETS) for _ in numbers]
    increments = [
        Part(draw(NAMES), number, INCREMENT, start, draw(st.just(-1) | OFFSETS) if start != -1 else -1)
        for number, start in zip(numbers, starts, strict=True)
    ]
    return Manifest(
        base, tuple(history), tuple(increments), base.number if base else 0, numbers[-1] if numbers else 0
    )


@given(manifests_of_all_kinds())
def test_what_is_written_is_read(manifest: Manifest) -> None:
    if any(len(part.line().encode("utf-8", "surrogateescape")) > LINE_MAX for part in manifest.parts):
        return
    text = manifest.text()
    if text:
        assert parse(text) == manifest
    assert text.isascii() and text.count(b"\n") == len(manifest.parts) + len(manifest.history)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        (b"", "Found an empty AOF manifest", None),
        (b"file a seq 1 type b", "The AOF manifest file contains too long line", None),
        (b"file a seq 1 type b" + b" " * LINE_MAX + b"\n", "The AOF manifest file contains too long line", None),
        (b"file a seq 1\0 type b\n", "The AOF manifest file contains too long line", None),
        (b"\n", "Invalid AOF manifest file format", 1),
        (b"file a seq 1 type\n", "Invalid AOF manifest file format", 1),
        (b"# x\nfile a seq 1\n", "Invalid AOF manifest file format", 2),
        (b"file a seq 1 type b more\n", "Invalid AOF manifest file format", 1),
        (b'file "a seq 1 type b\n', "Invalid AOF manifest file format", 1),
        (b"file a seq x type b\n", "Invalid AOF manifest file format", 1),
        (b"file a seq 1 type ''\n", "Invalid AOF manifest file format", 1),
        (b"name a seq 1 type b\n", "Invalid AOF manifest file format", 1),
        (b"file ../a seq 1 type b\n", "File can't be a path, just a filename", 1),
        (b'file "a\\\\b" seq 1 type b\n', "File can't be a path, just a filename", 1),
        (b"file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information", 2),
        (b"file a seq 2 type i\nfile b seq 2 type i\n", "Found a non-monotonic sequence number", 2),
        (b"file a seq -2 type i\n", "Found a non-monotonic sequence number", 1),
        (b"file a seq 1 type x\n", "Unknown AOF file type", 1),
    ],
)
def test_what_is_no_manifest(text: bytes, reason: str, line: int | None) -> None:
    with pytest.raises(ManifestError, match=reason) as caught:
        parse(text)
    assert (caught.value.line[0] if caught.value.line else None) == line


@given(st.binary(max_size=200) | st.lists(st.sampled_from(EXAMPLE.split(b" ")), max_size=30).map(b" ".join))
def test_hostile_text_is_refused_or_understood(text: bytes) -> None:
    try:
        manifest = parse(text)
    except ManifestError:
        return
    assert all("/" not in part.name for part in manifest.parts)
    assert [part.number for part in manifest.increments] == sorted({part.number for part in manifest.increments})


def test_the_life_of_a_log() -> None:
    """A rewrite, seen by the manifest: a new increment first, the base later, then what is not needed goes."""
    first = Manifest().with_base("a", True).with_increment("a", 0)
    assert first.text() == b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i startoffset 0\n"
    begun = first.with_increment("a", 100)
    assert [part.name for part in begun.parts] == ["a.1.base.rdb", "a.1.incr.aof", "a.2.incr.aof"]
    done = begun.with_base("a", False).without_rewritten(keep_last=True)
    assert [part.name for part in done.parts] == ["a.2.base.aof", "a.2.incr.aof"]
    assert [(part.name, part.type) for part in done.history] == [("a.1.incr.aof", HISTORY), ("a.1.base.rdb", HISTORY)]
    assert parse(done.text()) == done
    clean = done.without_history().with_end(200)
    last = b"file a.2.incr.aof seq 2 type i startoffset 100 endoffset 200\n"
    assert clean.text() == b"file a.2.base.aof seq 2 type b\n" + last
    assert clean.with_end(-1) == done.without_history()
    assert begun.without_rewritten(keep_last=False).increments == ()
    assert Manifest.of_old_file("a").text() == b"file a seq 1 type b\n"
    assert Manifest().is_empty and not first.is_empty and Manifest().with_end(5) == Manifest()
    assert manifests.HISTORY == "h"
