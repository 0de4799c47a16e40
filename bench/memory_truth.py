"""Whether `used_memory` is true: its growth beside that of the resident memory, over datasets of all types.

Idea: a server that has seen nothing else is filled with one dataset over one connection; what INFO says has grown by
so much, and what the kernel says has grown by so much. mtredis and redis-server are measured in the same way, one after
the other. The estimate is true if it is within TOLERANCE of RSS.

Run: `python -m bench.memory_truth [--check] [--scale 0.1] [--only NAME] [--save FOLDER]`; at scale 1 some minutes.

Limits: what one large pipeline leaves in buffers counts in RSS (it is a few MB at most, so small scales say little).
"""

import argparse
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import batched
from pathlib import Path
from typing import Self

import hiredis

from bench.cases import encode
from bench.contenders import HOST, Contender, Server, mtredis, redis
from bench.faults import BenchFault
from bench.report import save_table

TOLERANCE = 0.10
PIPELINE = 50
REST_SECONDS = 3.0
MEBIBYTE = 1 << 20

type Requests = Iterator[bytes]


def small_strings(scale: float) -> Requests:
    """A million keys of 16 bytes with values of 32."""
    return (encode(b"SET", b"key:%012d" % i, b"%032d" % i) for i in range(int(1_000_000 * scale)))


def big_strings(scale: float) -> Requests:
    """20,000 values of 10 KB."""
    return (encode(b"SET", b"key:%012d" % i, b"v" * 10_240) for i in range(int(20_000 * scale)))


def small_hashes(scale: float) -> Requests:
    """200,000 hashes of ten fields."""
    fields = [word for i in range(10) for word in (b"field:%d" % i, b"value:%010d" % i)]
    return (encode(b"HSET", b"hash:%012d" % i, *fields) for i in range(int(200_000 * scale)))


def small_sets(scale: float) -> Requests:
    """200,000 sets of ten members."""
    members = [b"member:%05d" % i for i in range(10)]
    return (encode(b"SADD", b"set:%012d" % i, *members) for i in range(int(200_000 * scale)))


def small_lists(scale: float) -> Requests:
    """200,000 lists of ten elements."""
    elements = [b"element:%05d" % i for i in range(10)]
    return (encode(b"RPUSH", b"list:%012d" % i, *elements) for i in range(int(200_000 * scale)))


def _big(command: bytes, prefix: bytes, scale: float, words: int) -> Requests:
    """20 keys of 50,000 elements, which come 50 at a time and go round the keys."""
    for start in range(0, int(50_000 * scale), 50):
        for key in range(20):
            parts: list[bytes] = []
            for i in range(start, start + 50):
                element = b"element:%08d" % (i * 7919 % 50_000)
                score, value = b"%d.25" % (i * 31 % 50_000), b"value:%08d" % i
                parts += {1: [element], 2: [score, element], 3: [element, value]}[words]
            yield encode(command, b"%s:%d" % (prefix, key), *parts)


def big_sets(scale: float) -> Requests:
    """20 sets of 50,000 members."""
    return _big(b"SADD", b"set", scale, 1)


def big_lists(scale: float) -> Requests:
    """20 lists of 50,000 elements."""
    return _big(b"RPUSH", b"list", scale, 1)


def big_sorted_sets(scale: float) -> Requests:
    """20 sorted sets of 50,000 members."""
    return _big(b"ZADD", b"zset", scale, 2)


def big_hashes(scale: float) -> Requests:
    """20 hashes of 50,000 fields."""
    return _big(b"HSET", b"hash", scale, 3)


def streams(scale: float) -> Requests:
    """20 streams of 50,000 entries with two fields."""
    for i in range(int(50_000 * scale)):
        for key in range(20):
            fields = b"user", b"%08d" % i, b"text", b"hello world %d" % i
            yield encode(b"XADD", b"stream:%d" % key, b"%d-1" % (i + 1), *fields)


DATASETS = (
    small_strings, big_strings, small_hashes, big_sorted_sets, small_sets, big_sets, small_lists, big_lists, big_hashes,
    streams,
)  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """Growth in bytes."""

    dataset: str
    contender: str
    keys: int
    used: int
    rss: int

    @property
    def ratio(self) -> float:
        """What the server says for each byte that it holds."""
        return self.used / max(1, self.rss)

    @property
    def is_true(self) -> bool:
        return abs(self.ratio - 1) <= TOLERANCE


class Session:
    """A connection that is asked in pipelines. For benches that read what is answered."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection((HOST, server.port), timeout=120)
        self._replies = hiredis.Reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, *requests: bytes) -> list[object]:
        """The replies; an error reply is a fault."""
        self._socket.sendall(b"".join(requests))
        replies: list[object] = []
        while len(replies) < len(requests):
            reply = self._replies.gets()
            if reply is False:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise BenchFault("the server closed the connection")
                self._replies.feed(data)
            elif isinstance(reply, hiredis.ReplyError):
                raise BenchFault(str(reply))
            else:
                replies.append(reply)
        return replies

    def number(self, *words: bytes) -> int:
        """The integer that a command answers."""
        (reply,) = self.ask(encode(*words))
        assert isinstance(reply, int)
        return reply

    def info(self, section: bytes) -> dict[str, str]:
        """The fields of a section of INFO."""
        (text,) = self.ask(encode(b"INFO", section))
        assert isinstance(text, bytes)
        return dict(line.partition(":")[::2] for line in text.decode().splitlines())


def measure(contender: Contender, folder: Path, dataset: str, requests: Requests) -> Truth:
    """Fills a fresh server and reads both figures."""
    with Server(contender, folder) as server, Session(server) as session:
        session.ask(encode(b"SET", b"first", b"x"))
        time.sleep(REST_SECONDS)
        used, rss = int(session.info(b"memory")["used_memory"]), server.rss()
        for batch in batched(requests, PIPELINE, strict=False):
            session.ask(*batch)
        time.sleep(REST_SECONDS)
        keys = session.number(b"DBSIZE") - 1
        used = int(session.info(b"memory")["used_memory"]) - used
        return Truth(dataset, contender.name, keys, used, server.rss() - rss)


def table(found: list[Truth]) -> str:
    """The figures as Markdown, in MB."""
    lines = ["| dataset | server | keys | used_memory grew by | RSS grew by | ratio |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {each.dataset} | {each.contender} | {each.keys:,} | {each.used / MEBIBYTE:.1f} MB | "
        f"{each.rss / MEBIBYTE:.1f} MB | {each.ratio:.3f} |"
        for each in found
    ]
    return "\n".join(lines)


def main() -> int:
    """Measures and prints the table; with --check 1 when mtredis says what is not true."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory_truth", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of the datasets (default: 1)")
    parser.add_argument("--only", help="one dataset, by its name")
    parser.add_argument("--check", action="store_true", help="exit 1 when an estimate is off by more than 10 %%")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write memory_truth.md and .json there")
    parser.add_argument("--redis", type=Path, default=Path.home() / ".cache/mtredis/redis-8.0", metavar="FOLDER")
    arguments = parser.parse_args()
    found: list[Truth] = []
    with tempfile.TemporaryDirectory() as folder:
        for dataset in DATASETS:
            name = dataset.__name__.replace("_", " ")
            if arguments.only in (None, name):
                for contender in (mtredis(), redis(arguments.redis)):
                    found.append(measure(contender, Path(folder), name, dataset(arguments.scale)))
                    print(f"{name}, {contender.name}: {found[-1].ratio:.3f}", file=sys.stderr)
    print(table(found))
    if arguments.save:
        figures = [asdict(each) | {"ratio": round(each.ratio, 4)} for each in found]
        title = f"used_memory beside RSS (scale {arguments.scale:g})"
        save_table(arguments.save, "memory_truth", title, table(found), figures)
    untrue = [each.dataset for each in found if each.contender.startswith("mtredis") and not each.is_true]
    print("more than 10 % off: " + "; ".join(untrue) if untrue else "everywhere within 10 %")
    return 1 if untrue and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
