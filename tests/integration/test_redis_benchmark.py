"""redis-benchmark as it comes: it must run to its end without an error. No speed is asserted here (see bench/)."""

import re
import subprocess

import pytest

from tests.support.oracle import tool
from tests.support.servers import Server

RUNS = {
    "pipeline": ("-t", "set,get,incr,mset,ping_inline,ping_mbulk", "-n", "20000", "-P", "16"),
    "fifty clients": ("-t", "set,get,incr,mset,ping", "-n", "5000", "-c", "50"),
    "random keys": ("-t", "set,get", "-n", "20000", "-r", "1000", "-d", "1024", "-P", "4"),
    "many clients": ("-t", "get", "-n", "5000", "-c", "500"),
    "threads": ("-t", "set,get", "-n", "20000", "--threads", "2", "-P", "8"),
    "resp3": ("-t", "set,get", "-n", "5000", "-3"),
    "no keepalive": ("-t", "ping_mbulk", "-n", "1000", "-k", "0"),
    "a command of one's own": ("-n", "5000", "-P", "8", "SETRANGE", "k:__rand_int__", "5", "hello"),
}


@pytest.mark.parametrize("name", list(RUNS))
def test_benchmark(subject: Server, name: str) -> None:
    done = subprocess.run(
        [tool("redis-benchmark"), "-p", str(subject.port), "-q", *RUNS[name]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "rror" not in output.replace("WARNING: Could not fetch server CONFIG", ""), output
    assert re.search(r"[1-9][\d.]* requests per second", output), output
    assert subject.is_running()
