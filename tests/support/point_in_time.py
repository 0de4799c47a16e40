"""All that is in a keyspace, and a snapshot of it, as plain values that can be compared."""

from collections.abc import Iterable
from typing import Any

from mtredis.keyspace.collection import Collection
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.point_in_time import PointInTime
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream
from mtredis.keyspace.types.stream_group import all_groups

KINDS = {b"list": List, b"set": Set, b"zset": SortedSet, b"hash": Hash, b"stream": Stream}
LONG_AGO = -(2**63)
LAST_ID = 2**128 - 1

Contents = dict[tuple[int, bytes], tuple[int, Any]]


def value_of(handle: Collection) -> Any:
    """What a collection holds, a plain value that equals only that of an equal one."""
    if isinstance(handle, List):
        return tuple(handle.range(0, -1))
    if isinstance(handle, Set):
        return frozenset(handle.members())
    if isinstance(handle, SortedSet):
        return "zset", tuple(handle.range(0, len(handle)))
    if isinstance(handle, Hash):
        items = handle.items(LONG_AGO)
        return frozenset((f, v, handle.time(f)) for f, v in zip(items[::2], items[1::2], strict=True))
    return _stream(handle)


def _stream(stream: Stream) -> Any:
    entries = tuple((name, tuple(pairs)) for name, pairs in stream.range(0, LAST_ID))
    groups = tuple(
        (group.name, group.last_id, group.entries_read, tuple(group.consumers()), tuple(group.pending(0, LAST_ID)))
        for group in all_groups(stream)
    )
    return entries, stream.last_id, stream.entries_added, stream.max_deleted_id, groups


def contents(keyspace: Keyspace) -> Contents:
    """(database, key) -> (unix ms of its end or -1, value); keys whose time is over are there, too."""
    found = {}
    now, keyspace.now = keyspace.now, 0
    for index in range(len(keyspace)):
        db = keyspace[index]
        keys = db.keys()
        for key in keys:
            kind = db.peek_type(key)
            value = db.peek_string(key) if kind == b"string" else value_of(db.peek(key, KINDS[kind]))
            found[index, key] = db.expire_at(key), value
    keyspace.now = now
    return found


def gathered(items: Iterable[tuple[int, bytes, int, Any]]) -> Contents:
    """The same of (a part of) what a snapshot gives; no key comes twice."""
    found: Contents = {}
    for database, key, expire_at, value in items:
        assert (database, key) not in found, (database, key)
        found[database, key] = expire_at, value
    return found


def snapshot_of(keyspace: Keyspace) -> PointInTime:
    """A snapshot that has begun."""
    point = PointInTime(keyspace, value_of)
    point.begin()
    return point
