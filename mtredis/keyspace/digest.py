"""Digests of values and of all data: two servers with equal data have equal digests, and so has Redis.

Idea: a digest has 20 bytes. What has an order is mixed in, one part after the other; of what has none, the hashes are
combined by exclusive or, so that the order in which a table is walked does not count.

Owner: the executor thread. Limits: keys whose time is over are not seen (Redis's digests see them).
"""

import hashlib
from collections.abc import Callable
from functools import reduce

from mtredis.keyspace.database import Database, Keyspace
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.list import List
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.keyspace.types.stream import Stream
from mtredis.lib.numbers import format_shortest

SIZE = 20
NOTHING = bytes(SIZE)
LONG_AGO = -(2**63)
LAST_ID = 2**128 - 1


def mix(digest: bytes, data: bytes) -> bytes:
    """A digest that depends on what it was before and on the data, in that order."""
    return hashlib.sha1(combine(digest, data)).digest()


def combine(digest: bytes, data: bytes) -> bytes:
    """The digest with the data added, in whatever order."""
    added = int.from_bytes(digest) ^ int.from_bytes(hashlib.sha1(data).digest())
    return added.to_bytes(SIZE)


def _string(db: Database, key: bytes, digest: bytes) -> bytes:
    return mix(digest, db.peek_string(key) or b"")


def _list(db: Database, key: bytes, digest: bytes) -> bytes:
    return reduce(mix, db.peek(key, List).range(0, -1), digest)


def _set(db: Database, key: bytes, digest: bytes) -> bytes:
    return reduce(combine, db.peek(key, Set).members(), digest)


def _sorted_set(db: Database, key: bytes, digest: bytes) -> bytes:
    zset = db.peek(key, SortedSet)
    pairs = zset.range(0, len(zset))
    for member, score in zip(pairs[::2], pairs[1::2], strict=True):
        digest = combine(digest, mix(mix(NOTHING, member), format_shortest(score)))
    return digest


def _hash(db: Database, key: bytes, digest: bytes) -> bytes:
    fields = db.peek(key, Hash)
    items = fields.items(LONG_AGO)
    for field, value in zip(items[::2], items[1::2], strict=True):
        item = mix(mix(NOTHING, field), value)
        if fields.time(field) >= 0:
            item = combine(item, b"!!hexpire!!")
        digest = combine(digest, item)
    return digest


def _stream(db: Database, key: bytes, digest: bytes) -> bytes:
    for name, pairs in db.peek(key, Stream).range(0, LAST_ID):
        digest = reduce(mix, pairs, mix(digest, name.replace(b"-", b".")))
    return digest


# Redis's number of the type, which goes into the digest, and how a value is added.
TYPES: dict[bytes, tuple[int, Callable[[Database, bytes, bytes], bytes]]] = {
    b"string": (0, _string),
    b"list": (1, _list),
    b"set": (2, _set),
    b"zset": (3, _sorted_set),
    b"hash": (4, _hash),
    b"stream": (6, _stream),
}


def value_digest(db: Database, key: bytes, digest: bytes = NOTHING) -> bytes:
    """The digest with a key's value and whether it expires added; unchanged if there is no such key."""
    kind = db.peek_type(key)
    if kind is None:
        return digest
    number, add = TYPES[kind]
    digest = add(db, key, mix(digest, number.to_bytes(4)))
    return combine(digest, b"!!expire!!") if db.expire_at(key) >= 0 else digest


def data_digest(keyspace: Keyspace) -> bytes:
    """The digest of all keys of all databases."""
    final = NOTHING
    for index in range(len(keyspace)):
        db = keyspace[index]
        keys = db.keys()
        if keys:
            final = mix(final, index.to_bytes(4))
        for key in keys:
            final = combine(final, value_digest(db, key, mix(NOTHING, key)))
    return final
