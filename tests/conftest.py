"""Fixtures for every test: the servers, shared where sharing is harmless, and the rules that hold for all.

Idea: one server under test and one oracle live for the whole session; each test gets them emptied and with the
parameters that they were started with. A test that needs parameters of its own starts a server with the `serve`
fixture, which ends it and looks into its log.

In parallel (`pytest -n 3 --dist loadgroup`, as `make test` does) each process has servers of its own. The cases of a
function that has many stay in one process; tests that need all cores or most descriptors never run two at a time.

Owner: pytest's main thread.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from tests.support.differential import Pair
from tests.support.oracle import start_oracle
from tests.support.resp import Connection
from tests.support.servers import Server, start_subject, subject_is_mtredis

MANY_CASES = 20   # of a function: it is one piece of work


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: needs much time or memory; runs only with MTREDIS_SLOW=1")
    config.addinivalue_line("markers", "stress: many threads and clients for some seconds")
    config.addinivalue_line("markers", "greedy: takes so much of the machine that two of these do not run at once")
    config.addinivalue_line("markers", "mtredis_only: makes no sense on redis-server (tests of the tests)")
    # How long an example takes says something about the machine only.
    hypothesis.settings.register_profile("mtredis", deadline=None)
    hypothesis.settings.load_profile("mtredis")


def _group(items: list[pytest.Item]) -> None:
    """What runs in one process: pytest-xdist hands out groups, those of many tests first, and all else one by one."""
    functions = Counter(item.nodeid.partition("[")[0] for item in items)
    for item in items:
        function = item.nodeid.partition("[")[0]
        if item.get_closest_marker("stress") or item.get_closest_marker("greedy"):
            item.add_marker(pytest.mark.xdist_group("greedy"))
        elif functions[function] >= MANY_CASES:
            item.add_marker(pytest.mark.xdist_group(function.rpartition("/")[2]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("loadgroup", False):
        _group(items)
    for item in items:
        if item.get_closest_marker("slow") and os.environ.get("MTREDIS_SLOW") != "1":
            item.add_marker(pytest.mark.skip(reason="slow; set MTREDIS_SLOW=1"))
        if item.get_closest_marker("mtredis_only") and not subject_is_mtredis():
            item.add_marker(pytest.mark.skip(reason="the server under test is not mtredis"))


class Shared:
    """A server for many tests, and the connection that puts it back into its first state."""

    def __init__(self, server: Server) -> None:
        self.server = server
        with server.connect() as admin:
            self.parameters = self._config(admin)

    @staticmethod
    def _config(admin: Connection) -> dict[bytes, bytes]:
        flat = [item.data for item in admin.command("CONFIG", "GET", "*").data]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def reset(self) -> None:
        """Empties the server and undoes every CONFIG SET."""
        assert self.server.is_running(), f"the server died; its log:\n{self.server.log()[-6000:]}"
        with self.server.connect() as admin:
            requests: list[tuple[Any, ...]] = [("CLIENT", "UNPAUSE")]
            for name, value in self._config(admin).items():
                if self.parameters.get(name, value) != value:
                    requests.append(("CONFIG", "SET", name, self.parameters[name]))
            requests += [("FLUSHALL",), ("CONFIG", "RESETSTAT"), ("SLOWLOG", "RESET"), ("LATENCY", "RESET")]
            requests += [("CLIENT", "KILL", "TYPE", kind) for kind in ("NORMAL", "PUBSUB")]
            requests += [("DEBUG", "SET-ACTIVE-EXPIRE", "1")]
            replies = admin.pipeline(requests)
            self._wait_until_alone(admin)
        # a command that is not there at all is the finding of its conformance test, not of all tests
        errors = [
            (request, reply)
            for request, reply in zip(requests, replies, strict=True)
            if reply.is_error and not reply.data.startswith(b"ERR unknown command")
        ]
        assert not errors, f"the reset between tests failed: {errors}"

    @staticmethod
    def _wait_until_alone(admin: Connection) -> None:
        """Clients that were killed, or closed by the last test, are forgotten, and their subscriptions with them."""
        deadline = time.monotonic() + 30
        while (listed := admin.command("CLIENT", "LIST")).data.count(b"\n") > 1 and not listed.is_error:
            assert time.monotonic() < deadline, f"clients stay: {listed.data!r}"

    def close(self) -> None:
        self.server.stop()


@pytest.fixture(scope="session")
def _shared_subject() -> Iterator[Shared]:
    shared = Shared(start_subject({"unixsocket": "u.sock"}))
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def _shared_oracle() -> Iterator[Shared]:
    shared = Shared(start_oracle({"unixsocket": "u.sock"}))
    yield shared
    shared.close()


@pytest.fixture
def subject(_shared_subject: Shared) -> Server:
    """The shared server under test, emptied."""
    _shared_subject.reset()
    return _shared_subject.server


@pytest.fixture
def oracle(_shared_oracle: Shared) -> Server:
    """The shared redis-server, emptied."""
    _shared_oracle.reset()
    return _shared_oracle.server


@pytest.fixture
def pair(subject: Server, oracle: Server) -> Pair:
    """Both, for comparing."""
    return Pair(subject, oracle)


@pytest.fixture
def client(subject: Server) -> Iterator[Connection]:
    """A RESP2 connection to the shared server under test."""
    with subject.connect() as connection:
        yield connection


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers under test with parameters of the test's own; ends and checks them afterwards."""
    servers: list[Server] = []

    def start(config_text: str = "", **parameters: Any) -> Server:
        named = {name.replace("_", "-"): value for name, value in parameters.items()}
        servers.append(start_subject(named, config_text=config_text))
        return servers[-1]

    yield start
    for server in servers:
        if server.folder.exists():
            server.stop()


@pytest.fixture
def serve_pair() -> Iterator[Callable[..., Pair]]:
    """Starts a server under test and an oracle with the same parameters."""
    pairs: list[Pair] = []

    def start(**parameters: Any) -> Pair:
        named = {name.replace("_", "-"): value for name, value in parameters.items()}
        pairs.append(Pair(start_subject(named), start_oracle(named)))
        return pairs[-1]

    yield start
    for each in pairs:
        each.subject.stop()
        each.oracle.stop()
