"""Fixtures of tests that look at mtredis and redis-server one after the other: replies alone say too little."""

from collections.abc import Iterator

import pytest

from tests.support.durable import CONTENDERS, DurableServer


@pytest.fixture(params=CONTENDERS)
def either(request: pytest.FixtureRequest) -> Iterator[DurableServer]:
    """A server that has started: mtredis in one test, redis-server in the other."""
    server = DurableServer(request.param, enable_debug_command="yes")
    try:
        server.start()
        yield server
    finally:
        server.kill()
        server.close()
