"""A worker's loop, whoever drives it: requests in pieces, ends of connections, limits, buffers, changes of driver."""

import contextlib
import socket
import struct
import threading

import pytest

from tests.support.core import Core, encode, receive_all, receive_exactly, until


def test_a_request_may_be_split_anywhere(core: Core) -> None:
    request = encode("SET", "k", "v") + encode("GET", "k")
    with core.connect() as client:
        for split in range(1, len(request)):
            before = core.statistics("net_in")
            client.sendall(request[:split])
            until(lambda: core.statistics("net_in") == before + split, f"split {split}")  # noqa: B023
            client.sendall(request[split:])
            assert receive_exactly(client, 12) == b"+OK\r\n$1\r\nv\r\n", split


def test_a_request_may_come_byte_by_byte(core: Core) -> None:
    with core.connect() as client:
        for byte in encode("ECHO", "hello"):
            client.sendall(bytes((byte,)))
        assert receive_exactly(client, 11) == b"$5\r\nhello\r\n"


def test_a_deep_pipeline_keeps_its_order(core: Core) -> None:
    count = 3000   # more than one scan takes
    requests = b"".join(encode("SET", "k", str(i)) + encode("GET", "k") + encode("STRLEN", "k") for i in range(count))
    expected = b"".join(b"+OK\r\n$%d\r\n%d\r\n:%d\r\n" % (len(str(i)), i, len(str(i))) for i in range(count))
    with core.connect() as client:
        sender = threading.Thread(target=client.sendall, args=(requests,))
        sender.start()
        assert receive_exactly(client, len(expected)) == expected
        sender.join()


def test_replies_still_go_out_when_the_client_has_closed_its_side(core: Core) -> None:
    with core.connect() as client:
        client.sendall((encode("SET", "k", "v") + encode("GET", "k")) * 500)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"+OK\r\n$1\r\nv\r\n" * 500
    until(lambda: core.statistics("connections") == 0)


def test_a_half_request_at_the_end_of_the_stream_is_dropped(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("PING") + b"*2\r\n$3\r\nGE")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"+PONG\r\n"


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_may_hang_up_while_the_executor_is_at_work(core: Core, reset: bool) -> None:
    entered, release = threading.Event(), threading.Event()

    def busy() -> None:
        entered.set()
        release.wait()

    clients = [core.connect() for _ in range(8)]
    for client in clients:
        client.sendall(encode("PING"))
        assert receive_exactly(client, 7) == b"+PONG\r\n"
    core.executor.call_soon(busy)
    assert entered.wait(10)
    try:
        for client in clients:
            client.sendall(encode("INCR", "hits") * 3)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
    finally:
        release.set()
    until(lambda: core.statistics("connections") == 0)
    until(lambda: core.on_executor(lambda: core.executor.connections_count) == 0)
    assert core.settings.statistics()["connected"] == 0
    if not reset:
        until(lambda: core.on_executor(lambda: core.keyspace[0].string(b"hits")) == b"24")


def test_who_does_not_read_is_closed_at_the_hard_limit_and_disturbs_nobody(core: Core) -> None:
    core.on_executor(lambda: core.settings.set_output_limit(0, 1 << 20, 0, 0))
    core.on_executor(lambda: core.keyspace[0].set_string(b"big", b"x" * 100_000))
    with core.connect() as slow, core.connect() as other:
        slow.setblocking(False)
        requests = bytearray()

        def is_closed() -> bool:
            if not requests:
                requests.extend(encode("GET", "big") * 20)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                del requests[: slow.send(requests)]   # no half request is followed by another
            other.sendall(encode("PING"))
            assert receive_exactly(other, 7) == b"+PONG\r\n"
            return core.settings.statistics()["output_limit_closed"] == 1

        until(is_closed)
        until(lambda: core.statistics("connections") == 1)


def test_a_query_over_its_limit_is_closed(core: Core) -> None:
    core.on_executor(
        lambda: core.settings.set_limits(
            max_bulk=512 << 20, query_limit=100_000, idle_timeout=0, max_clients=100, keepalive=0, password_set=False,
            protected=False,
        )
    )  # fmt: skip
    with core.connect() as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n" + b"x" * 999_000)
        assert receive_all(client) == b""
    assert core.settings.statistics()["query_limit_closed"] == 1


def test_an_idle_client_is_closed_after_the_timeout(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("PING"))
        assert receive_exactly(client, 7) == b"+PONG\r\n"
        core.on_executor(
            lambda: core.settings.set_limits(
                max_bulk=512 << 20, query_limit=1 << 30, idle_timeout=1, max_clients=100, keepalive=0,
                password_set=False, protected=False,
            )
        )  # fmt: skip
        assert receive_all(client) == b""


def test_an_idle_connection_owns_no_buffer(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("SET", "k", "v" * 300_000))
        assert receive_exactly(client, 5) == b"+OK\r\n"
        client.sendall(encode("GET", "k"))
        assert receive_exactly(client, 300_011).endswith(b"v\r\n")

        def capacities() -> tuple[int, int]:
            (session,) = core.executor.clients()
            return session.query_capacity, session.output_capacity

        until(lambda: core.on_executor(capacities) == (0, 0))


def test_what_a_half_request_holds_counts(core: Core) -> None:
    with core.connect() as client:
        client.sendall(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n" + b"x" * 500_000)
        until(lambda: core.on_executor(core.executor.survey)["normal"] > 500_000, "the query buffer is not seen")


def test_the_buffer_of_a_half_request_shrinks_to_its_size(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("PING"))
        assert receive_exactly(client, 7) == b"+PONG\r\n"
        client.sendall(b"*2\r\n$4\r\nECHO\r\n$500\r\n" + b"x" * 100)

        def capacity() -> int:
            (session,) = core.executor.clients()
            return session.query_capacity

        until(lambda: 100 < core.on_executor(capacity) < 1024)
        client.sendall(b"x" * 400 + b"\r\n")
        assert receive_exactly(client, 508) == b"$500\r\n" + b"x" * 500 + b"\r\n"


def test_a_protocol_error_is_answered_behind_the_replies_and_ends_the_connection(core: Core) -> None:
    with core.connect() as client:
        client.sendall(encode("SET", "k", "v") + b"*1\r\n:4\r\n" + encode("PING"))
        assert receive_all(client) == b"+OK\r\n-ERR Protocol error: expected '$', got ':'\r\n"
    assert core.statistics("protocol_errors") == 1


def test_a_closed_client_is_forgotten_once(core: Core) -> None:
    clients = [core.connect() for _ in range(5)]
    for client in clients:
        client.sendall(encode("PING"))
        receive_exactly(client, 7)
    ids = core.on_executor(lambda: [session.id for session in core.executor.clients()])
    assert len(ids) == 5
    for client in clients:
        client.close()
    until(lambda: len(core.closed) == 5)
    assert sorted(core.closed) == sorted(ids)


def subscribe(core: Core, listener: socket.socket) -> None:
    """The oldest client speaks RESP3 now and listens to the channel `c`."""
    listener.sendall(encode("PING"))
    receive_exactly(listener, 7)
    session = min(core.on_executor(core.executor.clients), key=lambda client: client.id)

    def set_resp3() -> None:
        session.resp = 3

    core.on_executor(set_resp3)
    listener.sendall(encode("SUBSCRIBE", "c"))
    confirmation = b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    assert receive_exactly(listener, len(confirmation)) == confirmation


def test_pushes_and_replies_do_not_mix(core: Core) -> None:
    """Messages published by others arrive whole, between replies, in their order."""
    count = 300
    with core.connect() as listener, core.connect() as publisher:
        subscribe(core, listener)
        publisher.sendall(b"".join(encode("PUBLISH", "c", f"{i:04}") for i in range(count)))
        listener.sendall(encode("ECHO", "0123456789") * count)
        message = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\n%04d\r\n"
        reply = b"$10\r\n0123456789\r\n"
        stream = receive_exactly(listener, count * (len(message % 0) + len(reply)))
        assert stream.count(reply) == count
        assert stream.replace(reply, b"") == b"".join(message % i for i in range(count))
        assert receive_exactly(publisher, 4 * count) == b":1\r\n" * count


def test_what_was_published_before_a_client_asked_comes_before_the_answer(core: Core) -> None:
    """The message is under way to the listener's worker when that reads a request which it can answer itself."""
    message = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\n%04d\r\n"
    with core.connect() as listener:
        subscribe(core, listener)
        with core.connect() as publisher:
            for i in range(500):
                publisher.sendall(encode("PUBLISH", "c", f"{i:04}"))
                assert receive_exactly(publisher, 4) == b":1\r\n"
                listener.sendall(encode("PING"))
                expected = message % i + b"+PONG\r\n"
                assert receive_exactly(listener, len(expected)) == expected


def test_nothing_is_lost_or_doubled_while_the_drivers_change(core: Core) -> None:
    rounds, depth, threads = 60, 20, 4
    failures: list[str] = []

    def work(number: int) -> None:
        key = f"counter:{number}"
        with core.connect() as client:
            for turn in range(rounds):
                client.sendall((encode("INCR", key) + encode("GET", key)) * depth)
                numbers = range(turn * depth + 1, turn * depth + depth + 1)
                expected = b"".join(b":%d\r\n$%d\r\n%d\r\n" % (n, len(str(n)), n) for n in numbers)
                got = receive_exactly(client, len(expected))
                if got != expected:
                    failures.append(f"{key} round {turn}: {got!r}")
                    return

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    values = core.on_executor(lambda: [core.keyspace[0].string(b"counter:%d" % n) for n in range(threads)])
    assert values == [b"%d" % (rounds * depth)] * threads


def test_workers_serve_reads_only_while_they_drive(core: Core) -> None:
    core.on_executor(lambda: core.keyspace[0].set_string(b"k", b"v"))
    for drive, served in (("executor", False), ("workers", True), ("executor", False)):
        core.drive_by(drive)
        before = core.statistics("commands")
        with core.connect() as client:
            client.sendall(encode("GET", "k") * 10)
            assert receive_exactly(client, 70) == b"$1\r\nv\r\n" * 10
        assert core.statistics("commands") - before == (10 if served else 0)


def test_a_burst_leaves_the_pools_and_later_bursts_are_served(core: Core) -> None:
    for _ in range(2):
        clients = [core.connect() for _ in range(60)]
        for client in clients:
            client.sendall(b"*2\r\n$4\r\nECHO\r\n$3\r\nab")
        for client in clients:
            client.sendall(b"c\r\n")
        for client in clients:
            assert receive_exactly(client, 9) == b"$3\r\nabc\r\n"
            client.close()
        until(lambda: core.statistics("connections") == 0)
        walked = core.on_executor(lambda: core.executor.rounds)
        until(lambda: core.on_executor(lambda: core.executor.rounds) > walked + 20)   # noqa: B023


def test_counters_can_be_reset(core: Core) -> None:
    core.drive_by("workers")
    with core.connect() as client:
        client.sendall(encode("GET", "none"))
        assert receive_exactly(client, 5) == b"$-1\r\n"
    until(lambda: core.statistics("connections") == 0)
    assert {name for worker in core.workers for name in worker.served()} == {b"get"}
    assert core.statistics("misses") == 1
    for worker in core.workers:
        worker.reset_statistics()
    assert core.statistics("misses") == core.statistics("net_in") == 0
    assert not any(worker.served() for worker in core.workers)
