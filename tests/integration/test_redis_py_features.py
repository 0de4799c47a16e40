"""What redis-py builds on top of the commands: transactions over several types, listeners, consumer groups, iterators
over the scans, blocking calls in threads and tasks, their cancellation, and reconnecting.

Limits: redis-py's locks need Lua and are left out until scripts exist.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry

from tests.support.programs.process import PATIENCE, until
from tests.support.servers import Server, start_subject


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def client(subject: Server, protocol: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=subject.port, protocol=protocol, decode_responses=True) as client:
        yield client


def blocked(client: redis.Redis) -> int:
    return int(client.info("clients")["blocked_clients"])


def in_threads(*functions: Callable[[], object]) -> None:
    """Runs them at the same time; the first exception that one of them raised is raised here."""
    faults: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=[function], daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if faults:
        raise faults[0]


# -- pipelines and transactions


def test_pipeline_over_all_types(client: redis.Redis) -> None:
    with client.pipeline(transaction=True) as pipe:
        pipe.rpush("list", *range(5)).lmove("list", "list", "LEFT", "RIGHT").lrange("list", 0, -1)
        pipe.hset("hash", mapping={"a": 1, "b": 2}).hincrby("hash", "a", 5).hgetall("hash")
        pipe.sadd("set", "x", "y").smismember("set", ["x", "z"])
        pipe.zadd("scores", {"joe": 1, "ann": 2.5}).zincrby("scores", 3, "joe").zrange("scores", 0, -1, withscores=True)
        pipe.xadd("stream", {"field": "value"}, id="1-1").xrange("stream")
        replies = pipe.execute()
    assert replies[:3] == [5, "0", ["1", "2", "3", "4", "0"]]
    assert replies[3:6] == [2, 6, {"a": "6", "b": "2"}]
    assert replies[6:8] == [2, [1, 0]]
    assert replies[8:10] == [2, 4.0]
    assert [(name, score) for name, score in replies[10]] == [("ann", 2.5), ("joe", 4.0)]
    assert replies[11] == "1-1"
    assert replies[12] == [("1-1", {"field": "value"})]


def test_watch_makes_a_transfer_between_types_atomic(client: redis.Redis) -> None:
    """Threads take jobs from a sorted set and book them in a hash and a list: none is lost or done twice."""
    client.zadd("due", {f"job{number}": number for number in range(40)})

    def take(pipe: Any) -> None:
        first = pipe.zrange("due", 0, 0)
        pipe.multi()
        if first:
            pipe.zrem("due", first[0])
            pipe.rpush("taken", first[0])
            pipe.hincrby("owners", threading.current_thread().name, 1)

    def work() -> None:
        while client.transaction(take, "due"):
            pass

    in_threads(*[work] * 4)
    assert sorted(client.lrange("taken", 0, -1)) == sorted(f"job{number}" for number in range(40))
    assert sum(int(count) for count in client.hvals("owners")) == 40


def test_watch_error(client: redis.Redis) -> None:
    client.sadd("watched", "a")
    with client.pipeline() as pipe:
        pipe.watch("watched")
        members = pipe.smembers("watched")
        client.sadd("watched", "b")
        pipe.multi()
        pipe.set("seen", len(members))
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("seen") is None


# -- pub/sub


def test_listener_thread(client: redis.Redis) -> None:
    """Messages and keyspace events arrive in the thread that redis-py runs for it."""
    client.config_set("notify-keyspace-events", "Kl")
    seen: list[tuple[str, str]] = []

    def note(message: dict[str, Any]) -> None:
        seen.append((message["channel"], message["data"]))

    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(news=note)
    listener.psubscribe(**{"__keyspace@0__:li*": note})
    thread = listener.run_in_thread(sleep_time=0.05, daemon=True)
    try:
        until(lambda: client.pubsub_numsub("news") == [("news", 1)] and client.pubsub_numpat() == 1, "it listens")
        client.publish("news", "hello")
        client.rpush("list", "a")
        client.lpop("list")
        until(lambda: len(seen) >= 3, "three messages")
    finally:
        thread.stop()
        thread.join(PATIENCE)
    assert seen == [("news", "hello"), ("__keyspace@0__:list", "rpush"), ("__keyspace@0__:list", "lpop")]


# -- streams


def test_consumer_group(client: redis.Redis) -> None:
    """Every entry goes to one consumer; what a dead one left is claimed, and nothing stays pending."""
    client.xgroup_create("jobs", "workers", id="0", mkstream=True)
    dead = client.xreadgroup("workers", "dead", {"jobs": ">"}, count=1)
    assert not dead
    names = [client.xadd("jobs", {"number": number}) for number in range(100)]
    left = [name for name, _ in entries(client.xreadgroup("workers", "dead", {"jobs": ">"}, count=10))]
    assert left == names[:10]
    done: list[str] = []

    def consume(consumer: str) -> None:
        while fresh := entries(client.xreadgroup("workers", consumer, {"jobs": ">"}, count=7, block=50)):
            for name, fields in fresh:
                assert names[int(fields["number"])] == name
                done.append(name)
                assert client.xack("jobs", "workers", name) == 1

    in_threads(lambda: consume("one"), lambda: consume("two"))
    assert sorted(done) == sorted(names[10:])
    assert client.xpending("jobs", "workers")["pending"] == 10
    cursor, claimed, deleted = client.xautoclaim("jobs", "workers", "one", min_idle_time=0, count=6)
    assert ([name for name, _ in claimed], deleted) == (names[:6], [])
    _, rest, _ = client.xautoclaim("jobs", "workers", "one", min_idle_time=0, start_id=cursor)
    assert [name for name, _ in rest] == names[6:10]
    waiting = client.xpending_range("jobs", "workers", "-", "+", 100, consumername="one")
    assert [(each["message_id"], each["times_delivered"]) for each in waiting] == [(name, 2) for name in names[:10]]
    assert client.xack("jobs", "workers", *names) == 10
    (group,) = client.xinfo_groups("jobs")
    assert (group["pending"], group["lag"], group["entries-read"]) == (0, 0, 100)
    assert client.xtrim("jobs", maxlen=10, approximate=False) == 90
    assert client.xlen("jobs") == 10


def entries(reply: Any) -> list[tuple[str, dict[str, str]]]:
    """The entries of the one stream in an XREADGROUP reply, in either protocol."""
    if not reply:
        return []
    batches = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    return list(batches[0] if batches and isinstance(batches[0], list) else batches)


# -- iterators


@pytest.mark.parametrize("size", [10, 3000])
def test_scan_iterators(client: redis.Redis, size: int) -> None:
    """Each gives every element, packed or not, and follows its pattern."""
    numbers = {f"n{number}": number for number in range(size)}
    client.hset("hash", mapping=numbers)
    client.sadd("set", *numbers)
    client.zadd("scores", numbers)
    with client.pipeline(transaction=False) as pipe:
        for name in numbers:
            pipe.set(f"key:{name}", 1)
        pipe.execute()
    assert {name: int(value) for name, value in client.hscan_iter("hash", count=50)} == numbers
    assert set(client.hscan_iter("hash", no_values=True)) == set(numbers)
    assert set(client.sscan_iter("set", count=50)) == set(numbers)
    assert dict(client.zscan_iter("scores", count=50)) == numbers
    assert set(client.scan_iter("key:*", count=50)) == {f"key:{name}" for name in numbers}
    assert set(client.scan_iter(_type="zset", count=50)) == {"scores"}
    assert set(client.sscan_iter("set", match="n?")) == {f"n{number}" for number in range(10)}
    assert {name for name, _ in client.zscan_iter("scores", match="*9")} == {
        name for name in numbers if name[-1] == "9"
    }


# -- blocking calls


def test_blocking_calls_in_threads(client: redis.Redis) -> None:
    """A queue between threads: every item is popped once, by whichever blocking command."""
    popped: list[str] = []

    def from_list() -> None:
        while (found := client.blpop(["list"], timeout=0))[1] != "end":
            popped.append(found[1])

    def from_scores() -> None:
        while (found := client.bzpopmin("scores", timeout=0))[1] != "end":
            popped.append(found[1])

    def from_stream() -> None:
        last = "0"
        while True:
            ((last, fields),) = entries(client.xread({"stream": last}, count=1, block=0))
            if fields["item"] == "end":
                return
            popped.append(fields["item"])

    def produce() -> None:
        until(lambda: blocked(client) == 3, "all wait")
        for number in range(50):
            client.rpush("list", f"list{number}")
            client.zadd("scores", {f"scores{number}": number})
            client.xadd("stream", {"item": f"stream{number}"})
        client.rpush("list", "end")
        client.zadd("scores", {"end": 1e9})
        client.xadd("stream", {"item": "end"})

    in_threads(from_list, from_scores, from_stream, produce)
    assert sorted(popped) == sorted(f"{kind}{number}" for kind in ("list", "scores", "stream") for number in range(50))
    assert client.blpop("nothing", timeout=0.01) is None
    assert client.blmove("nothing", "other", timeout=0.01) is None
    assert blocked(client) == 0


def test_asyncio_blocking_pops_and_cancellation(subject: Server, protocol: int) -> None:
    asyncio.run(_asyncio_blocking(subject, protocol))


async def _asyncio_blocking(subject: Server, protocol: int) -> None:
    async def waiting(count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await client.info("clients"))["blocked_clients"] != count:
                await asyncio.sleep(0.01)

    async with redis.asyncio.Redis(port=subject.port, protocol=protocol, decode_responses=True) as client:
        poppers = [asyncio.create_task(client.blpop("queue", timeout=0)) for _ in range(20)]
        await waiting(20)
        await client.rpush("queue", *range(20))
        found = await asyncio.wait_for(asyncio.gather(*poppers), PATIENCE)
        assert sorted(int(item) for _, item in found) == list(range(20))

        cancelled = [asyncio.create_task(client.bzpopmax("scores", timeout=0)) for _ in range(5)]
        await waiting(5)
        for task in cancelled[:4]:
            task.cancel()
        await waiting(1)
        assert await client.zadd("scores", {"a": 1, "b": 2}) == 2
        assert list(await asyncio.wait_for(cancelled[4], PATIENCE)) == ["scores", "b", 2.0]
        assert await client.zrange("scores", 0, -1) == ["a"], "a cancelled pop takes nothing"
        assert all(isinstance(each, asyncio.CancelledError) for each in await _outcomes(cancelled[:4]))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.blmove("queue", "other", timeout=0)
        await waiting(0)
        assert await client.rpush("queue", "kept") == 1
        assert await client.lmpop(1, "queue", direction="LEFT") == ["queue", ["kept"]]


async def _outcomes(tasks: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


# -- reconnecting


def test_a_killed_connection_is_opened_again(client: redis.Redis, subject: Server, protocol: int) -> None:
    victim = redis.Redis(
        port=subject.port, protocol=protocol, retry=Retry(NoBackoff(), 3), single_connection_client=True
    )
    with victim:
        first = victim.client_id()
        for number in range(5):
            client.client_kill_filter(_id=str(victim.client_id()))
            assert victim.rpush("list", number) == number + 1
        assert victim.client_id() != first
    without = redis.Redis(port=subject.port, protocol=protocol, retry=None, single_connection_client=True)
    with without:
        client.client_kill_filter(_id=str(without.client_id()))
        with pytest.raises(redis.ConnectionError):
            without.ping()
        assert without.ping() is True


def test_a_server_that_comes_back_is_found_again(serve: Callable[..., Server], protocol: int) -> None:
    """A client that retries waits out a restart, a blocked one hears of the end at once."""
    server = serve()
    port = server.port
    patient = redis.Redis(port=port, protocol=protocol, retry=Retry(ConstantBackoff(0.05), 400))
    impatient = redis.Redis(port=port, protocol=protocol, retry=Retry(NoBackoff(), 0))
    assert patient.sadd("set", "before") == 1
    faults: list[Exception] = []

    def wait() -> None:
        try:
            impatient.blpop("queue", timeout=0)
        except redis.ConnectionError as fault:
            faults.append(fault)

    def restart() -> None:
        until(lambda: blocked(patient) == 1, "one waits")
        server.stop()
        again = threading.Thread(target=lambda: successes.append(patient.sadd("set", "after")), daemon=True)
        again.start()
        with start_subject({"port": port}):
            again.join(PATIENCE)

    successes: list[Any] = []
    in_threads(wait, restart)
    assert len(faults) == 1
    assert successes == [1]
    patient.close()
    impatient.close()
