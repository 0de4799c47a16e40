"""MULTI's queue, and WATCH's rules: what makes an EXEC fail and what does not."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.executor.transaction import Transaction, Watches


@dataclass(eq=False)
class Watcher:
    transaction: Any = None
    held: int = 0

    def hold(self, size: int) -> None:
        self.held += size


class Keyspace(dict[int, set[bytes]]):
    """Databases that are sets of existing keys; `expire` makes one vanish as lazy expiry does: at the next look."""

    def __init__(self) -> None:
        super().__init__({0: set(), 1: set()})

    def __getitem__(self, index: int) -> Any:
        return SimpleNamespace(exists=super().__getitem__(index).__contains__)

    def keys_of(self, index: int) -> set[bytes]:
        return super().__getitem__(index)


@pytest.fixture
def keyspace() -> Keyspace:
    return Keyspace()


@pytest.fixture
def watches(keyspace: Keyspace) -> Watches:
    return Watches(keyspace)


def command(flags: int) -> Any:
    return SimpleNamespace(flags=flags)


def test_a_transaction_keeps_commands_in_order_and_their_flags() -> None:
    transaction = Transaction()
    first, second = command(1), command(4)
    assert transaction
    transaction.queue(first, [b"SET", b"k", b"v"])
    transaction.queue(second, [b"GET", b"k"])
    assert transaction.commands == [(first, [b"SET", b"k", b"v"]), (second, [b"GET", b"k"])]
    assert transaction.flags == 5
    assert len(transaction) == 2
    assert transaction.memory == 5 + 4 + 5 * 8


@pytest.mark.parametrize("doom", ["dirty_exec", "dirty_cas"])
def test_a_doomed_transaction_keeps_nothing_more(doom: str) -> None:
    transaction = Transaction()
    setattr(transaction, doom, True)
    transaction.queue(command(1), [b"GET", b"k"])
    assert len(transaction) == 0


def test_touching_a_watched_key_dirties_all_its_watchers(watches: Watches) -> None:
    one, two, other = Watcher(), Watcher(), Watcher()
    watches.watch(one, 0, [b"a", b"b"])
    watches.watch(two, 0, [b"a"])
    watches.watch(other, 1, [b"a"])
    watches.touched(0, b"a")
    assert watches.is_dirty(one)
    assert watches.is_dirty(two)
    assert not watches.is_dirty(other)
    assert not watches.is_intact(one)
    assert watches.is_intact(other)


def test_a_touch_after_multi_reaches_the_transaction(watches: Watches) -> None:
    client = Watcher()
    watches.watch(client, 0, [b"a"])
    client.transaction = Transaction()
    watches.touched(0, b"a")
    assert client.transaction.dirty_cas


def test_a_dirty_client_watches_nothing_until_it_is_clean_again(watches: Watches) -> None:
    client = Watcher()
    watches.watch(client, 0, [b"a", b"b"])
    assert watches.count(client) == 2
    watches.touched(0, b"b")
    assert watches.count(client) == 0
    watches.watch(client, 0, [b"c"])
    assert watches.count(client) == 0
    watches.unwatch(client)
    assert watches.is_intact(client)
    watches.watch(client, 0, [b"c", b"c"])
    assert watches.count(client) == 1


def test_unwatch_leaves_nothing_behind(watches: Watches) -> None:
    one, two = Watcher(), Watcher()
    watches.watch(one, 0, [b"a", b"b"])
    watches.watch(two, 1, [b"a"])
    assert watches.statistics() == {"watching_clients": 2, "total_watched_keys": 3}
    watches.unwatch(one)
    watches.unwatch(one)
    watches.unwatch(two)
    assert watches.statistics() == {"watching_clients": 0, "total_watched_keys": 0}
    watches.touched(0, b"a")
    assert not watches.is_dirty(one)


def test_it_is_told_when_somebody_watches_and_when_nobody_does_any_more(watches: Watches) -> None:
    told: list[bool] = []
    watches.on_change = told.append
    one, two = Watcher(), Watcher()
    watches.watch(one, 0, [b"a", b"b"])
    watches.watch(two, 0, [b"a"])
    watches.unwatch(one)
    assert told == [True]
    watches.touched(0, b"a")
    assert told == [True, False]
    watches.watch(two, 0, [b"a"])
    assert told == [True, False]


def test_a_key_that_expires_after_watch_fails_exec(watches: Watches, keyspace: Keyspace) -> None:
    client = Watcher()
    keyspace.keys_of(0).add(b"a")
    watches.watch(client, 0, [b"a", b"missing"])
    assert watches.is_intact(client)
    keyspace.keys_of(0).clear()  # nobody called touched: the time to live ran out unseen
    assert not watches.is_dirty(client)
    assert not watches.is_intact(client)


def test_a_flush_changes_only_keys_that_existed(watches: Watches, keyspace: Keyspace) -> None:
    present, absent, elsewhere = Watcher(), Watcher(), Watcher()
    keyspace.keys_of(0).add(b"a")
    keyspace.keys_of(1).add(b"a")
    watches.watch(present, 0, [b"b", b"a"])
    watches.watch(absent, 0, [b"b"])
    watches.watch(elsewhere, 1, [b"a"])
    watches.flushed(0)
    assert watches.is_dirty(present)
    assert not watches.is_dirty(absent)
    assert not watches.is_dirty(elsewhere)


@pytest.mark.parametrize(
    ("before", "after", "dirty"), [(False, False, False), (True, False, True), (False, True, True), (True, True, True)]
)
def test_swapdb_changes_a_key_that_is_in_either(
    watches: Watches, keyspace: Keyspace, before: bool, after: bool, dirty: bool
) -> None:
    client, other = Watcher(), Watcher()
    if before:
        keyspace.keys_of(0).add(b"a")
    watches.watch(client, 0, [b"a"])
    watches.watch(other, 1, [b"unrelated"])
    if after:
        keyspace.keys_of(1).add(b"a")
    watches.swapped(0, 1)
    assert watches.is_dirty(client) == dirty
    assert not watches.is_dirty(other)


def test_what_is_queued_and_watched_is_accounted_for(watches: Watches) -> None:
    transaction, client = Transaction(), Watcher()
    sizes = [transaction.queue(command(1), [b"SET", b"k", b"v" * size]) for size in (1, 1000)]
    assert sizes[1] - sizes[0] == 999
    assert transaction.held == sum(sizes) > 1000
    transaction.flag_dirty_exec()
    assert transaction.queue(command(1), [b"SET", b"k", b"v"]) == 0
    watches.watch(client, 0, [b"a", b"a", b"b" * 1000])
    assert client.held > 1000
    watches.touched(0, b"a")
    assert client.held == 0
