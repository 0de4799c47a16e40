"""redis-cli as it comes: arguments, pipes, its modes that read for ever, and the pipe mode."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.oracle import tool
from tests.support.resp import encode, encode_all
from tests.support.servers import Server


def cli(server: Server, *words: str, stdin: bytes | None = None, timeout: float = 60) -> str:
    """The standard output of `redis-cli -p PORT words...`."""
    done = subprocess.run(
        [tool("redis-cli"), "-p", str(server.port), *words],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.decode()


class Running:
    """A redis-cli that does not end by itself; `wait_for` reads its output until a text is there."""

    def __init__(self, server: Server, *words: str) -> None:
        self.output = Path(server.folder / f"cli-{time.monotonic_ns()}.out")
        self._file = self.output.open("wb")
        self.process = subprocess.Popen(
            [tool("redis-cli"), "-p", str(server.port), *words],
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TERM": "dumb"},
        )

    def wait_for(self, pattern: str, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self.output.read_text(errors="replace")
            if re.search(pattern, text):
                return text
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} did not appear in {self.output.read_text(errors='replace')!r}")

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._file.close()


def test_one_command(subject: Server) -> None:
    assert cli(subject, "SET", "k", "hello world") == "OK\n"
    assert cli(subject, "GET", "k") == "hello world\n"
    assert cli(subject, "--raw", "INCR", "n") == "1\n"
    assert cli(subject, "-n", "3", "GET", "k") == "\n"
    assert cli(subject, "-3", "--no-raw", "GET", "missing") == "(nil)\n"
    assert "not an integer" in cli(subject, "INCR", "k")
    assert cli(subject, "--json", "-3", "CONFIG", "GET", "maxmemory") == '{"maxmemory":"0"}\n'
    assert cli(subject, "-r", "5", "INCR", "n").splitlines()[-1] == "6"


def test_commands_from_stdin(subject: Server) -> None:
    assert cli(subject, stdin=b"SET k v\nGET k\nMULTI\nINCR n\nEXEC\n") == "OK\nv\nOK\nQUEUED\n1\n"
    assert cli(subject, "-x", "SET", "k", stdin=b"from stdin") == "OK\n"
    assert cli(subject, "GET", "k") == "from stdin\n"


def test_unix_socket(subject: Server) -> None:
    done = subprocess.run(
        [tool("redis-cli"), "-s", str(subject.socket_path), "PING"], capture_output=True, timeout=20, check=True
    )
    assert done.stdout == b"PONG\n"


def test_pipe_mode(subject: Server) -> None:
    data = encode_all(("SET", f"key:{number}", "x" * 50) for number in range(100_000)) + encode("NOSUCHCOMMAND")
    done = subprocess.run(
        [tool("redis-cli"), "-p", str(subject.port), "--pipe"], input=data, capture_output=True, timeout=60, check=False
    )
    assert b"errors: 1, replies: 100001" in done.stdout
    assert subject.command_once("DBSIZE").data == 100_000


def test_pipe_mode_with_inline_commands(subject: Server) -> None:
    done = cli(subject, "--pipe", stdin=b"".join(b"SET inline:%d v\r\n" % number for number in range(5000)))
    assert "errors: 0, replies: 5000" in done


def test_scan(subject: Server) -> None:
    with subject.connect() as connection:
        connection.pipeline([("SET", f"key:{number}", "v") for number in range(500)])
    assert sorted(cli(subject, "--scan").split()) == sorted(f"key:{number}" for number in range(500))
    assert cli(subject, "--scan", "--pattern", "key:499").split() == ["key:499"]


@pytest.mark.parametrize("mode", ["--bigkeys", "--memkeys"])
def test_key_statistics(subject: Server, mode: str) -> None:
    with subject.connect() as connection:
        connection.pipeline([("SET", f"key:{number}", "v" * number) for number in range(200)])
    text = cli(subject, mode)
    assert "Sampled 200 keys in the keyspace!" in text
    assert "200 strings with 19900 bytes" in text or mode == "--memkeys"


def test_stat(subject: Server) -> None:
    with subject.connect() as connection:
        connection.pipeline([("SET", f"key:{number}", "v") for number in range(7)])
    with Running(subject, "--stat", "-i", "0.01") as running:  # often, for its output is buffered
        assert re.search(r"\n7\s+\S+\s+\d+", running.wait_for(r"\n7\s"))


def test_latency(subject: Server) -> None:
    text = subprocess.run(
        [tool("redis-cli"), "-p", str(subject.port), "--latency", "-i", "1", "--raw"],
        capture_output=True,
        timeout=20,
        check=False,
    ).stdout.decode()
    lowest, highest, average, samples = text.split()[:4]
    assert float(lowest) <= float(average) <= float(highest)
    assert int(samples) > 10


def test_monitor_and_subscribe(subject: Server) -> None:
    with Running(subject, "MONITOR") as monitor, Running(subject, "SUBSCRIBE", "c") as subscriber:
        monitor.wait_for("OK")
        subscriber.wait_for("subscribe")
        cli(subject, "SET", "seen", "v")
        cli(subject, "PUBLISH", "c", "hello there")
        monitor.wait_for(r'\[0 127\.0\.0\.1:\d+\] "SET" "seen" "v"')
        subscriber.wait_for("hello there")


def test_hello_auth_and_help_tables(subject: Server) -> None:
    assert "string" in cli(subject, "COMMAND", "DOCS", "GET")
    assert "# Server" in cli(subject, "INFO", "server")
    assert cli(subject, "CLIENT", "SETNAME", "x") == "OK\n"


def test_debug_populate(subject: Server) -> None:
    assert cli(subject, "DEBUG", "POPULATE", "1000") == "OK\n"
    assert cli(subject, "DBSIZE") == "1000\n"
