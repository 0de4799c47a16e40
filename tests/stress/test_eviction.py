"""Write storms far above `maxmemory`: memory stays bounded, nothing but what was evicted is lost, values are whole.

Idea: writers write keys that nobody writes twice, so what was acknowledged is either still there or was counted as
evicted, to the key. A value is its key again and again, so a reader that were shown memory of something else would see
it at once. Sizes are alike, or mixed, or come in phases; phases are the worst for an allocator, as what was freed does
not fit what comes next, and RSS may pass the limit by more then (`keyspace.memory`).

Seconds per test: MTREDIS_STRESS_SECONDS (default 4); the storm goes on until three times the limit was written, too.
"""

import itertools
import random
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.stress.test_threads import SECONDS, Crowd
from tests.support.servers import Server

pytestmark = [pytest.mark.stress, pytest.mark.mtredis_only]
MEGABYTE = 1 << 20
LIMIT = 64 * MEGABYTE
VOLUME = 3 * LIMIT   # what is written at least
BASE = 24 * MEGABYTE   # what the process takes beside data and its start: buffers of the clients, the allocator's slack
WRITERS, READERS, PIPELINE = 2, 2, 40
SIZES = {
    "alike": (600, 650, 700),
    "mixed": (60, 1500, 300, 20_000, 100, 4000),
    "phases": (60, 1500, 300, 20_000, 100, 4000),
}


def stored(key: bytes, size: int) -> bytes:
    return (key * (size // len(key) + 1))[:size]


def request(kind: str, key: bytes, size: int) -> tuple[bytes, ...]:
    """A write of about `size` bytes under a new key."""
    value = stored(key, size)
    if kind == "string":
        return (b"SET", key, value)
    if kind == "volatile":
        return (b"SET", key, value, b"EX", b"1000")
    parts = [value[i : i + 50] + b"%d" % i for i in range(0, size, 50)]
    if kind == "set":
        return (b"SADD", key, *parts)
    return (b"RPUSH", key, *parts)


class Storm:
    """Writers and readers on one server, and what it holds meanwhile."""

    def __init__(self, server: Server, kinds: tuple[str, ...], sizes: str) -> None:
        self.server, self.kinds, self.sizes = server, kinds, sizes
        self.start = server.memory()
        self.peak = 0
        self.used_peak = 0
        self.written = [0] * WRITERS
        self.acknowledged = [0] * WRITERS
        self.numbers = [itertools.count() for _ in range(WRITERS)]
        self.connections = [server.connect(timeout=60) for _ in range(WRITERS + READERS + 1)]

    def write(self, index: int) -> int:
        sizes = SIZES[self.sizes]
        size = random.choice(sizes)
        if self.sizes == "phases":
            size = sizes[self.written[index] * len(sizes) * WRITERS // VOLUME % len(sizes)]
        kind = random.choice(self.kinds)
        keys = [b"%s:%d:%d:" % (kind.encode(), index, next(self.numbers[index])) for _ in range(PIPELINE)]
        for reply in self.connections[index].pipeline([request(kind, key, size) for key in keys]):
            assert not reply.is_error, reply
        self.acknowledged[index] += PIPELINE
        self.written[index] += size * PIPELINE
        return PIPELINE

    def read(self, index: int) -> int:
        """Reads new and old keys; whatever is there is whole."""
        writer = random.randrange(WRITERS)
        newest = self.acknowledged[writer]
        numbers = [max(0, newest - random.randrange(1, 10 ** random.randrange(1, 6))) for _ in range(PIPELINE)]
        keys = [b"%s:%d:%d:" % (random.choice(self.kinds).encode(), writer, number) for number in numbers]
        requests = [
            (b"LRANGE", key, b"0", b"3") if key.startswith(b"list")
            else (b"SRANDMEMBER", key, b"3") if key.startswith(b"set") else (b"GET", key)
            for key in keys
        ]  # fmt: skip
        for key, reply in zip(keys, self.connections[WRITERS + index].pipeline(requests), strict=True):
            parts = [reply] if reply.kind != "array" else reply.data
            for part in parts:
                assert not part.is_error, part
                data = part.data
                assert data is None or is_of(key, data), (key, data[:100])
        return PIPELINE

    def watch(self) -> int:
        self.peak = max(self.peak, self.server.memory())
        info = self.info("memory")
        self.used_peak = max(self.used_peak, int(info["used_memory"]) - int(info["mem_not_counted_for_evict"]))
        time.sleep(0.02)
        return 1

    def info(self, section: str) -> dict[str, str]:
        text = self.connections[-1].command("INFO", section).data.decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def evicted_and_held(self) -> tuple[int, int]:
        """How many keys had to go, and how many are there, at one moment: eviction may still be under way."""
        connection = self.connections[-1]
        for words in (("MULTI",), ("INFO", "stats"), ("DBSIZE",)):
            connection.command(*words)
        text, held = connection.command("EXEC").data
        (evicted,) = re.findall(r"evicted_keys:(\d+)", text.data.decode())
        return int(evicted), held.data

    def run(self) -> None:
        while sum(self.written) < VOLUME:
            crowd = Crowd(SECONDS / 2)
            for index in range(WRITERS):
                crowd.add(self.write, index)
            for index in range(READERS):
                crowd.add(self.read, index)
            crowd.add(self.watch)
            crowd.run()

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def is_of(key: bytes, data: bytes) -> bool:
    """Whether the data can be of this key's value: its repetition, cut anywhere, and at most a number behind it."""
    whole = key * (len(data) // len(key) + 3)
    body = data.rstrip(b"0123456789") if not key.startswith((b"string", b"volatile")) else data
    offset = whole.find(body[:60])
    return 0 <= offset < len(key) and whole[offset : offset + len(body)] == body


@pytest.mark.parametrize("mode", ["threads", "executor"])
@pytest.mark.parametrize(
    ("policy", "kinds", "sizes", "factor"),
    [("allkeys-lru", ("string",), "mixed", 1.15), ("allkeys-lru", ("string", "set", "list"), "phases", 1.7),
     ("allkeys-lfu", ("string", "set", "list"), "alike", 1.15), ("volatile-ttl", ("volatile",), "alike", 1.15)],
)  # fmt: skip
def test_a_write_storm(
    serve: Callable[..., Server], mode: str, policy: str, kinds: tuple[str, ...], sizes: str, factor: float
) -> None:
    parameters: dict[str, Any] = {"maxmemory": LIMIT, "maxmemory-policy": policy, "io-threads": 2}
    server = serve(**parameters, **{"io-threads-mode": mode})
    storm = Storm(server, kinds, sizes)
    storm.run()
    evicted, held = storm.evicted_and_held()
    storm.close()
    assert evicted > 0
    assert evicted + held == sum(storm.acknowledged)
    assert storm.used_peak < 1.02 * LIMIT + 4 * MEGABYTE
    assert storm.peak - storm.start < factor * LIMIT + BASE
    assert held * max(SIZES[sizes]) > LIMIT // 2   # and not more was evicted than had to be
