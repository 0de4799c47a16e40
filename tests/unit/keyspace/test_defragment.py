"""Defragmentation: whatever moves keeps its value, its order, its time to live and its bytes in the account."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.defragment import Defragmenter
from mtredis.keyspace.reader import RETRY, Reader

from mtredis.errors import CommandError
from mtredis.keyspace.digest import data_digest
from mtredis.lib import allocator
from mtredis.registry import command as registry
from tests.support.dataset import KEYS, REQUESTS, change_of
from tests.support.keyspace_context import KeyspaceContext
from tests.unit.keyspace.test_readers import race

ROOT = Path(__file__).parents[3]
STEP = 5_000  # µs: a whole segment at least, also under a sanitizer


@pytest.fixture(autouse=True, scope="module")
def families() -> None:
    registry.load_families()


def finish(defragmenter: Defragmenter) -> int:
    """Goes on until the pass is over; in how many steps."""
    steps = 1
    while defragmenter.step(STEP):
        steps += 1
    return steps


def move_everything(keyspace: Keyspace, large: int = 16_000) -> Defragmenter:
    defragmenter = Defragmenter(keyspace)
    defragmenter.large = large
    defragmenter.begin_everywhere()
    finish(defragmenter)
    return defragmenter


def filled() -> KeyspaceContext:
    ctx = KeyspaceContext()
    ctx.server.config.hll_sparse_max_bytes = 3000
    for request in REQUESTS:
        ctx.run(*request)
    return ctx


def empty(ctx: KeyspaceContext) -> int:
    """Deletes every key; what the account says then."""
    keys: list[bytes] = ctx.run("KEYS", "*")
    for key in keys:
        ctx.run("DEL", key)
    return ctx.keyspace.used_memory


@pytest.mark.parametrize("large", [1, 16_000, 1 << 30])
def test_every_type_in_every_encoding_moves_and_stays_what_it_was(large: int) -> None:
    ctx = filled()
    before, order = data_digest(ctx.keyspace), ctx.run("ZRANGE", "zset:skiplist", 0, -1, "WITHSCORES")
    defragmenter = move_everything(ctx.keyspace, large)
    figures = defragmenter.statistics()
    assert figures["active_defrag_key_hits"] >= len(KEYS)
    assert figures["active_defrag_hits"] > 2000   # the members of tables, too
    assert data_digest(ctx.keyspace) == before
    assert ctx.run("ZRANGE", "zset:skiplist", 0, -1, "WITHSCORES") == order
    assert [ctx.run("ZRANK", "zset:skiplist", member) for member in order[::2]] == list(range(300))
    assert ctx.run("LRANGE", "list:quicklist", 0, -1) == [b"%d" % number for number in range(5000)]
    assert ctx.run("LINDEX", "list:quicklist", -1) == b"4999"
    assert len(ctx.run("XRANGE", "stream:long", "-", "+")) == 249


@pytest.mark.parametrize("large", [1, 1 << 30])
def test_what_was_moved_can_be_changed_and_deleted(large: int) -> None:
    ctx, twin = filled(), filled()
    move_everything(ctx.keyspace, large)
    for each in (ctx, twin):
        for key in KEYS:
            if key not in ("number", "set:intset"):
                each.run(*change_of(key))
        each.run("ZREMRANGEBYRANK", "zset:skiplist", 100, 199)
        each.run("LTRIM", "list:quicklist", 1000, -1000)
        each.run("HDEL", "hash:hashtable", *[f"f{number}" for number in range(0, 600, 2)])
        each.run("HPERSIST", "hash:many-times", "FIELDS", 1, "f1")
        each.run("SREM", "set:hashtable", *[f"m{number}" for number in range(490)])
        each.run("XTRIM", "stream:long", "MAXLEN", 100)
    assert data_digest(ctx.keyspace) == data_digest(twin.keyspace)
    move_everything(ctx.keyspace, large)
    assert data_digest(ctx.keyspace) == data_digest(twin.keyspace)


@pytest.mark.parametrize("large", [1, 1 << 30])
def test_the_account_stays_exact(large: int) -> None:
    nothing = empty(KeyspaceContext())
    ctx = filled()
    move_everything(ctx.keyspace, large)
    assert abs(empty(ctx) - empty(filled())) <= 64   # malloc may give a directory some bytes more
    assert empty(ctx) >= nothing


COMMANDS = st.one_of(
    st.tuples(st.just("SET"), st.sampled_from("abcd"), st.binary(max_size=200)),
    st.tuples(st.just("SET"), st.sampled_from("abcd"), st.integers(-5, 5), st.just("EX"), st.integers(1, 9)),
    st.tuples(st.just("APPEND"), st.sampled_from("abcd"), st.binary(max_size=50)),
    st.tuples(st.just("DEL"), st.sampled_from(["a", "b", "list", "set", "zset", "hash", "stream"])),
    st.integers(1, 400).map(lambda count: ("RPUSH", "list", *["x" * (number % 90) for number in range(count)])),
    st.tuples(st.just("LPOP"), st.just("list"), st.integers(1, 200)),
    st.integers(1, 300).map(lambda count: ("SADD", "set", *[f"m{number * 7 % 500}" for number in range(count)])),
    st.integers(1, 300).map(lambda count: ("SREM", "set", *[f"m{number * 3 % 500}" for number in range(count)])),
    st.tuples(st.integers(1, 300), st.integers(0, 9)).map(
        lambda pair: ("ZADD", "zset", *[w for n in range(pair[0]) for w in (n * pair[1] % 17, f"m{n}")])
    ),
    st.tuples(st.just("ZREMRANGEBYRANK"), st.just("zset"), st.integers(0, 50), st.integers(0, 250)),
    st.integers(1, 300).map(
        lambda count: ("HSET", "hash", *[w for n in range(count) for w in (f"f{n}", "v" * (n % 70))])
    ),
    st.integers(1, 300).map(lambda count: ("HDEL", "hash", *[f"f{number * 3}" for number in range(count)])),
    st.tuples(st.integers(0, 299), st.integers(1, 90)).map(
        lambda pair: ("HPEXPIREAT", "hash", 33177117420000 + pair[1] % 4, "FIELDS", 2, f"f{pair[0]}", f"f{pair[1]}")
    ),
    st.integers(1, 300).map(lambda count: ("XADD", "stream", "MAXLEN", count, "*", "f", "v" * count)),
    st.tuples(st.just("RENAME"), st.sampled_from(["a", "list", "zset"]), st.just("d")),
    st.just(("FLUSHALL",)),
    st.just(("SWAPDB", 0, 1)),
)


def run(ctx: KeyspaceContext, *request: Any) -> str | None:
    """What a command raises because a key is of another type or missing."""
    try:
        ctx.run(*request)
    except CommandError as error:
        return str(error)
    return None


@given(
    st.lists(st.one_of(COMMANDS, st.sampled_from(["step", "stop"])), max_size=60), st.sampled_from([1, 2000, 1 << 30])
)
@settings(max_examples=150, deadline=None)
def test_changes_between_steps(actions: list[Any], large: int) -> None:
    """The same commands with and without a defragmentation going on between them."""
    ctx, twin = KeyspaceContext(), KeyspaceContext()
    defragmenter = Defragmenter(ctx.keyspace)
    defragmenter.large = large
    for action in actions:
        if action == "stop":
            defragmenter.stop()
        elif action == "step":
            if not defragmenter.is_running:
                defragmenter.begin_everywhere()
            defragmenter.step(30)
        else:
            assert run(ctx, *action) == run(twin, *action)
    assert data_digest(ctx.keyspace) == data_digest(twin.keyspace)
    defragmenter.stop()
    assert data_digest(ctx.keyspace) == data_digest(twin.keyspace)
    defragmenter.begin_everywhere()
    finish(defragmenter)
    assert data_digest(ctx.keyspace) == data_digest(twin.keyspace)


def pass_over_a_fresh_heap() -> None:
    """What a pass gives back of entries that lie one behind the other, 90 % of which are deleted."""
    keyspace = Keyspace(1)
    db, chance = keyspace[0], random.Random(1)
    keys = [b"key:%012d" % number for number in range(300_000)]
    for key in keys:
        db.set_string(key, key * 2)
    left = [key for key in keys if chance.random() < 0.1 or not db.delete(key)]
    defragmenter = Defragmenter(keyspace)
    assert defragmenter.begin(True)
    finish(defragmenter)
    assert defragmenter.given_back > 4 << 20
    assert defragmenter.statistics()["active_defrag_key_hits"] > len(left) // 4
    assert [db.string(key) for key in left] == [key * 2 for key in left]
    assert not defragmenter.is_running
    assert defragmenter.held == 0


def test_a_pass_gives_the_kernel_back_what_deletions_have_left() -> None:
    """In a process of its own: what other tests have left on the heap decides what there is to move."""
    if not allocator.heap_start():
        pytest.skip("this heap is not glibc's")
    program = f"from {__name__} import pass_over_a_fresh_heap; pass_over_a_fresh_heap()"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr


def test_readers_see_whole_values_while_they_move() -> None:
    keyspace = Keyspace(1)
    keyspace.readers_active = True
    db = keyspace[0]
    keys = [b"key:%d" % number for number in range(2000)]
    for key in keys:
        db.set_string(key, key * 5)
    defragmenter = Defragmenter(keyspace)

    def write(turn: int) -> None:
        if not defragmenter.is_running:
            defragmenter.begin_everywhere()
        defragmenter.step(2000)
        key = keys[turn % len(keys)]
        db.delete(key)
        db.set_string(key, key * 5)
        keyspace.reclaim()

    def reading(slot: int) -> Callable[[], None]:
        reader, chance = Reader(keyspace, slot), random.Random(slot)

        def read() -> None:
            key = chance.choice(keys)
            assert reader.get(0, key) in (key * 5, None, RETRY)

        return read

    _, counts = race(write, reading(0), reading(1))  # type: ignore[no-untyped-call]
    assert min(counts) > 100
    assert defragmenter.statistics()["active_defrag_hits"] > 1000


def test_figures_start_at_nothing() -> None:
    ctx = filled()
    defragmenter = move_everything(ctx.keyspace)
    defragmenter.reset_statistics()
    assert set(defragmenter.statistics().values()) == {0}
    assert defragmenter.microseconds == 0
