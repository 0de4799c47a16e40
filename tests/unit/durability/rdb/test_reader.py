"""Reading RDB files: samples of many versions, each record, and what is wrong with a file, with its offset."""

import json
from pathlib import Path
from typing import Any

import pytest
from mtredis.durability.rdb.reader import Payload, Reader, is_sound
from mtredis.durability.rdb.writer import dump, save
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream

from mtredis.durability.rdb import RdbError
from mtredis.keyspace.digest import data_digest
from tests.support import rdb

SAMPLES = Path(__file__).parent / "samples"
NOW = 1_700_000_000_000
DATABASES = 10
AUX = b"\xfa\x09redis-ver\x058.0.6"
KEY = b"\0\x01k\x05value"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def read(data: bytes, piece: int = 0, **options: Any) -> tuple[Reader, Keyspace]:
    """The data, read in pieces of that size or as a whole."""
    keyspace = Keyspace(DATABASES)
    keyspace.now = NOW
    options.setdefault("total", len(data))
    reader = Reader(keyspace, **options)
    for at in range(0, len(data), piece or max(len(data), 1)):
        reader.feed(data[at : at + piece] if piece else data)
        while reader.run(1000):
            pass
    reader.finish()
    return reader, keyspace


def content(keyspace: Keyspace, key: bytes, index: int = 0) -> Any:
    """What a key holds, as Python values."""
    db = keyspace[index]
    match db.peek_type(key):
        case b"string":
            return db.peek_string(key)
        case b"list":
            return db.peek(key, List).range(0, -1)
        case b"set":
            return sorted(db.peek(key, Set).members())
        case b"zset":
            flat = db.peek(key, SortedSet).range(0, 1 << 30)
            return dict(zip(flat[::2], flat[1::2], strict=True))
        case b"hash":
            flat = db.peek(key, Hash).items(NOW)
            return dict(zip(flat[::2], flat[1::2], strict=True))
        case kind:
            raise AssertionError(kind)


def expected(name: str) -> dict[bytes, Any]:
    """The content of a sample as its JSON says it, without what stands around the keys."""
    told = json.loads("{" + (SAMPLES / name).read_text() + "}", strict=False)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {plain(name): plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value.encode("latin1")

    return {plain(key): plain(value) for key, value in told.items() if not key.startswith("__")}


GOOD = sorted(path.name for path in SAMPLES.glob("*.rdb") if path.name != "invalid_chksum_v8.rdb")


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("piece", [0, 1, 7, 100])
def test_samples_are_read_whole_and_in_pieces(name: str, piece: int) -> None:
    data = (SAMPLES / name).read_bytes()
    piece *= 100 if len(data) > 10_000 else 1
    reader, keyspace = read(data, piece)
    assert reader.is_done and reader.offset == len(data) and reader.rest == b""
    assert reader.keys_loaded == sum(len(keyspace[index]) for index in range(DATABASES))
    _, again = read(save(keyspace))
    assert data_digest(again) == data_digest(keyspace)
    unknown, other = read(data, piece, total=None)
    assert unknown.is_done and data_digest(other) == data_digest(keyspace)


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*_data.json")))
def test_samples_hold_what_they_should(name: str) -> None:
    if name == "multiple_dbs_data.json":
        _, keyspace = read((SAMPLES / "multiple_dbs.rdb").read_bytes())
        assert [keyspace[index].keys() for index in range(4)] == [[b"x"], [b"y"], [b"z"], []]
        assert content(keyspace, b"z", 2) == b"2"
        return
    _, keyspace = read((SAMPLES / name.replace("_data.json", ".rdb")).read_bytes())
    told = expected(name)
    (index,) = (index for index in range(DATABASES) if len(keyspace[index]))
    assert set(keyspace[index].keys()) == set(told)
    for key, value in told.items():
        held = content(keyspace, key, index)
        if isinstance(held, dict) and all(isinstance(each, float) for each in held.values()):
            value = {member: float(score) for member, score in value.items()}
        if keyspace[index].peek_type(key) == b"set":
            value = sorted(value)
        assert held == value


def test_what_else_samples_say() -> None:
    reader, keyspace = read((SAMPLES / "function2.rdb").read_bytes())
    told = json.loads("{" + (SAMPLES / "function2.json").read_text() + "}", strict=False)
    assert {code.decode() for code in reader.functions} == set(told["__func__"].values())
    reader, _ = read((SAMPLES / "module_aux.rdb").read_bytes())
    assert reader.modules == ["test__rdb", "test__rdb"]
    _, keyspace = read((SAMPLES / "hash_with_expire_v12.rdb").read_bytes())
    (key,) = keyspace[0].keys()
    hash_ = keyspace[0].peek(key, Hash)
    assert hash_.encoding == b"listpackex"
    assert any(hash_.time(field) > 0 for field in hash_.items(0)[::2])
    _, keyspace = read((SAMPLES / "stream_v11.rdb").read_bytes())
    (key,) = keyspace[0].keys()
    assert len(keyspace[0].peek(key, Stream)) > 0
    with pytest.raises(RdbError, match="the checksum of the file is wrong at offset 201"):
        read((SAMPLES / "invalid_chksum_v8.rdb").read_bytes())
    reader, _ = read((SAMPLES / "invalid_chksum_v8.rdb").read_bytes(), check_sum=False)
    assert reader.is_done


# -- records


def test_attributes_of_keys() -> None:
    far, idle, frequent = NOW + 10**6, b"\xf8" + rdb.length(500), b"\xf9\x64"
    data = rdb.file(
        b"\xfe\x01\xfb\x03\x01",
        b"\xfc" + far.to_bytes(8, "little") + b"\0\x01a\x01x",
        b"\xfd" + (far // 1000).to_bytes(4, "little") + b"\0\x01b\x01x",
        idle + frequent + b"\0\x01c\x01x",
        b"\0\x01d\x01x",
    )
    reader, keyspace = read(data)
    db = keyspace[1]
    assert [db.expire_at(key) for key in (b"a", b"b", b"c", b"d")] == [far, far // 1000 * 1000, -1, -1]
    assert db.idle_seconds(b"c") == 500 and db.idle_seconds(b"d") == 0
    assert (reader.version, reader.keys_loaded, reader.has_checksum) == (12, 4, True)
    keyspace = Keyspace(4)
    keyspace.now, keyspace.lfu = NOW, True
    reader = Reader(keyspace)
    reader.feed(data)
    reader.finish()
    assert keyspace[1].frequency(b"c") == 100


def test_expired_keys_are_left_out_if_that_is_wanted() -> None:
    past, present = ((NOW - 1).to_bytes(8, "little"), NOW.to_bytes(8, "little"))
    data = rdb.file(b"\xfc" + past + KEY, b"\xfc" + present + b"\0\x01l\x01x")
    reader, keyspace = read(data, expired_before=NOW)
    assert (reader.keys_loaded, reader.keys_expired, keyspace[0].keys()) == (1, 1, [b"l"])
    reader, keyspace = read(data)
    assert (reader.keys_loaded, reader.keys_expired, len(keyspace[0])) == (2, 0, 2)


def test_what_is_told_to_the_loader() -> None:
    module = int("".join(f"{LETTERS.index(letter):06b}" for letter in "abcDEFghi") + f"{3:010b}", 2)
    aux = b"\xf7\x81" + module.to_bytes(8) + b"\2\2" + b"\1\5" + b"\5\3xyz" + b"\4" + b"8bytes.." + b"\3four\0"
    function = b"\xf5" + rdb.string(b"#!lua name=a\ncode")
    data = rdb.file(AUX, b"\xfa\xc0\x05\xc1\x00\x01", function, aux, b"\xf4\1\2\3", KEY)
    reader, keyspace = read(data)
    assert reader.aux == {b"redis-ver": b"8.0.6", b"5": b"256"}
    assert reader.functions == [b"#!lua name=a\ncode"]
    assert reader.modules == ["abcDEFghi"]
    assert content(keyspace, b"k") == b"value"


def test_keys_without_elements_are_skipped() -> None:
    empty = [bytes([kind]) + b"\x01e\0" for kind in (1, 2, 3, 4, 5, 14, 18)]
    empty.append(b"\x0d\x01e" + rdb.string(rdb.ziplist()))
    reader, keyspace = read(rdb.file(b"\xfc" + (NOW + 5).to_bytes(8, "little") + empty[0], *empty[1:], KEY))
    assert (reader.keys_empty, reader.keys_loaded) == (8, 1)
    assert keyspace[0].expire_at(b"k") == -1


def test_duplicates() -> None:
    data = rdb.file(KEY, b"\1\x01k" + rdb.strings(b"a"), b"\xfe\x01", KEY)
    with pytest.raises(RdbError, match="a key is there twice"):
        read(data)
    reader, keyspace = read(data, allow_duplicates=True)
    assert content(keyspace, b"k") == [b"a"] and content(keyspace, b"k", 1) == b"value"
    assert reader.keys_loaded == 3


def test_versions_and_checksums() -> None:
    for version in range(1, 13):
        reader, _ = read(rdb.file(KEY, version=version))
        assert (reader.version, reader.has_checksum) == (version, version >= 5)
    reader, _ = read(rdb.file(KEY, with_checksum=False))
    assert not reader.has_checksum
    for data in (b"REDIS0013", b"REDIS0000", b"RESIS0011", b"REDIS001x", b"REDIS-001", b"GARBAGE01234567"):
        with pytest.raises(RdbError, match="at offset 0"):
            read(data + b"\xff" + bytes(8))


def test_what_stands_behind_the_end_is_kept() -> None:
    data = rdb.file(KEY)
    reader = Reader(Keyspace(1))
    reader.feed(data + b"*1\r\n")
    while reader.run(3):
        pass
    assert reader.is_done and reader.offset == len(data) and reader.rest == b"*1\r\n"
    reader.feed(b"$4\r\n")
    assert reader.rest == b"*1\r\n$4\r\n"


WRONG = {
    "a length begins as none does": b"\0\x01k\x82",
    "a string stands where a length should": b"\1\x01k\xc0\x05",
    "a string is kept in a way that is not known": b"\0\x01k\xc4",
    "the data ends too early, or a length is wrong,": b"\0\x01k\x80\x00\x01\x00\x00",
    "the data ends too early, or a number is wrong,": b"\1\x01k\x81" + b"\x7f" * 8,
    "a compressed string claims to be longer than it can be": b"\0\x01k\xc3\x04" + rdb.length(1 << 40) + b"\1aa\xe0",
    "a compressed string is damaged": b"\0\x01k\xc3\x04\x05\1a\xe0\0",
    "a string claims to be longer than any can be": b"\0\x01k\x81" + b"\x7f" * 8,
    "a value is of a type that is not known": b"\x08\x01k\0",
    "what begins here is neither a key nor": b"\x1a\x01k",
    "a key holds the value of a module, and there are no modules here,": b"\7\x01k\x81" + bytes(8) + b"\0",
    "functions of a release candidate of Redis 7.0 cannot be read": b"\xf6",
    "the file has more databases than there are here,": b"\xfe\x0a",
    "the data of a module is damaged": b"\xf7\x05\2\2\x06",
    "the data ends too early": b"\0\x01k\x3fxyz",
    "a member is there twice,": b"\2\x01k" + rdb.strings(b"a", b"a"),
    "a field is there twice,": b"\4\x01k\2\1f\1v\1f\1v",
    "a score is no number": b"\5\x01k\1\1a" + b"\xff" * 8,
    "a listpack is damaged": b"\x10\x01k\x03abc",
    "an intset is damaged": b"\x0b\x01k\x03abc",
    "a ziplist has a wrong size": b"\x0a\x01k\x03abc",
    "a zipmap does not end as it should": b"\x09\x01k\x03abc",
    "a node of a list is neither packed nor plain": b"\x12\x01k\1\3\1a",
    "the time to live of a field is none": b"\x18\x01k" + bytes(8) + b"\1\x81" + b"\x01" * 8 + b"\1f\1v",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_offset(text: str) -> None:
    record = WRONG[text]
    data = rdb.file(AUX, b"\0\x01a\x01x", record, KEY)
    start = data.index(record)
    with pytest.raises(RdbError) as caught:
        read(data)
    assert str(caught.value).startswith(text)
    assert start <= caught.value.offset <= start + len(record)
    assert str(caught.value).endswith(f" at offset {caught.value.offset}")


def test_a_reader_that_has_failed_fails_for_ever() -> None:
    reader = Reader(Keyspace(1))
    reader.feed(b"REDIS0012" + KEY + b"\xe0")
    for _ in range(3):
        with pytest.raises(RdbError, match="at offset 18"):
            reader.run()
        reader.feed(rdb.file(KEY))
    with pytest.raises(RdbError, match="at offset 18"):
        reader.finish()
    assert reader.keys_loaded == 1


def test_every_truncation_is_an_error() -> None:
    for name in ("function2.rdb", "stream_v11.rdb", "hash_zl_v6.rdb", "plain_zset_v6.rdb", "module_aux.rdb"):
        data = (SAMPLES / name).read_bytes()
        for end in range(len(data)):
            with pytest.raises(RdbError):
                read(data[:end])
            with pytest.raises(RdbError):
                read(data[:end], total=None)


def test_a_length_beyond_the_file_is_refused_before_the_rest_comes() -> None:
    start = b"REDIS0012\0\x01k" + rdb.length(10_000)
    reader = Reader(Keyspace(1), total=5000)
    reader.feed(start)
    with pytest.raises(RdbError, match="a length is wrong"):
        reader.run()
    reader = Reader(Keyspace(1), total=20_000)
    reader.feed(start)
    assert reader.run() is False and reader.offset == 9


def test_large_values_in_small_pieces_are_read_in_linear_time() -> None:
    """A record is tried again only when there is twice as much of it: pieces of 1 KB are no 2000 tries of 2 MB."""
    keyspace = Keyspace(1)
    reader = Reader(keyspace)
    data = rdb.file(b"\1\x01k" + rdb.strings(*[b"x" * 10] * 200_000))
    tries = 0
    for at in range(0, len(data), 1000):
        reader.feed(data[at : at + 1000])
        before = reader.offset
        reader.run()
        tries += reader.offset != before
    reader.finish()
    assert reader.is_done and tries <= 3 and len(keyspace[0].peek(b"k", List)) == 200_000


# -- payloads


def test_payloads() -> None:
    keyspace = Keyspace(2)
    keyspace.now = NOW
    keyspace[0].set_string(b"k", b"x" * 1000)
    data = dump(keyspace[0], b"k")
    assert data is not None and is_sound(data) and len(data) < 100
    value = Payload(keyspace, data)
    assert value.put(keyspace[1], b"copy", NOW + 50, 77) is True
    assert (keyspace[1].string(b"copy"), keyspace[1].expire_at(b"copy")) == (b"x" * 1000, NOW + 50)
    assert Payload(keyspace, data).put(keyspace[1], b"copy") is False
    assert keyspace[1].expire_at(b"copy") == -1
    assert dump(keyspace[0], b"none") is None
    assert not is_sound(data[:-1]) and not is_sound(b"") and not is_sound(data[:5] + b"!" + data[6:])
    assert is_sound(rdb.payload(b"")) and not is_sound(rdb.payload(b"", 13))


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\1", b"\xff", b"\x08\0", b"\0\1ab", b"\1\0", b"\xfa\1a\1b"])
def test_payloads_that_are_none(body: bytes) -> None:
    with pytest.raises(RdbError):
        Payload(Keyspace(1), rdb.payload(body))


def test_fields_that_expire_are_found_after_loading() -> None:
    """The table keeps when the next field of a hash goes, which is what active expiry looks at."""
    first = (NOW + 5).to_bytes(8, "little")
    data = rdb.file(b"\x18\x01h" + first + b"\2\1\1a\1v\0\1b\1v")
    _, keyspace = read(data)
    assert keyspace[0].timed == 1 and keyspace[0].next_due() is None
    keyspace.now = NOW + 6
    assert keyspace[0].next_due() == b"h"
    assert keyspace.used_memory > 0
