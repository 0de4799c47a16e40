"""Fields of hashes whose time has passed: gone when somebody looks at one, and by and by when nobody does.

Idea: `expire_field` is what a command does that meets an expired field. `FieldExpiry` is the cron's part: each database
knows which of its hashes has the field that is due first (`Database.next_due`, from the index in `due.pyx`), so a
cycle only touches what is due, in slices of FIELDS_AT_ONCE, until all is done or its time is over; it goes on in the
same database then.

Owner: the executor thread. As in Redis a look finds a field expired when its time lies before now, a cycle from its
time on; the field counts in HLEN until it is gone. A hash goes with its last field.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtredis.keyspace.types.hash import Hash

if TYPE_CHECKING:
    from mtredis.keyspace.database import Database, Keyspace

FIELDS_AT_ONCE = 1000

# What `expire_field` has found.
NOT_EXPIRED = 0
EXPIRED = 1
KEY_GONE = 2


def expire_field(
    keyspace: "Keyspace", db: "Database", key: bytes, hash_: Hash, field: bytes, *, keeps_key: bool = False
) -> int:
    """Deletes the field if it has expired, and the key with the last one (unless `keeps_key`); no events.

    While expiry is paused an expired field is found but stays.
    """
    if not hash_.has_times or not 0 <= hash_.time(field) < keyspace.now:
        return NOT_EXPIRED
    if keyspace.expire_paused:
        return EXPIRED
    hash_.delete(field)
    keyspace.expired_fields += 1
    if keyspace.on_fields_expired is not None:
        keyspace.on_fields_expired(db.index, key, [field])
    return KEY_GONE if not keeps_key and db.drop_if_empty(key, hash_) else EXPIRED


def meet_field(
    keyspace: "Keyspace", db: "Database", key: bytes, hash_: Hash, field: bytes,
    announce: Callable[[int, bytes, bytes], None],
) -> int:
    """`expire_field`, and what it has deleted is made known by `announce(index, key, event)`."""
    found = expire_field(keyspace, db, key, hash_, field)
    if found != NOT_EXPIRED and not keyspace.expire_paused:
        announce(db.index, key, b"hexpired")
        if found == KEY_GONE:
            announce(db.index, key, b"del")
    return found


def expire_due(keyspace: "Keyspace", db: "Database", key: bytes, hash_: Hash, limit: int) -> None:
    """Deletes the fields that are due, at most so many; the hash stays, even if it is empty then."""
    if keyspace.on_fields_expired is not None:
        keyspace.on_fields_expired(db.index, key, hash_.due_fields(keyspace.now, limit))
    keyspace.expired_fields += hash_.expire(keyspace.now, limit)


class FieldExpiry:
    """The active expiry of fields; `announce(index, key, event)` makes known what happened to a key."""

    def __init__(self, keyspace: "Keyspace", announce: Callable[[int, bytes, bytes], None]) -> None:
        self._keyspace = keyspace
        self._announce = announce
        self._database = 0
        self.microseconds = 0

    def run(self, budget_us: int) -> int:
        """One cycle of about that long at most; how many fields went."""
        keyspace = self._keyspace
        if keyspace.expire_paused:
            return 0
        start = time.monotonic_ns()
        deadline = start + budget_us * 1000
        before = keyspace.expired_fields
        for _ in range(len(keyspace)):
            db = keyspace[self._database]
            is_done = not db.timed or self._visit(db, deadline)
            if is_done:
                self._database = (self._database + 1) % len(keyspace)
            if time.monotonic_ns() >= deadline:
                break
        self.microseconds += (time.monotonic_ns() - start) // 1000
        return keyspace.expired_fields - before

    def _visit(self, db: "Database", deadline: int) -> bool:
        """Works on one database; whether nothing in it is due any more."""
        while (key := db.next_due()) is not None:
            hash_ = db.peek(key, Hash)
            if hash_ is not None:    # else the time of the key as a whole was over, too
                expire_due(self._keyspace, db, key, hash_, FIELDS_AT_ONCE)
                self._announce(db.index, key, b"hexpired")
                if db.drop_if_empty(key, hash_):
                    self._announce(db.index, key, b"del")
            if time.monotonic_ns() >= deadline:
                return db.next_due() is None
        return True
