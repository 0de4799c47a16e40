"""The process: start, configuration, sockets, files, signals and the end."""

import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.resp import CLOSED, Connection, ConnectionEnded, Value
from tests.support.servers import (
    Server,
    ServerFailed,
    free_port,
    server_environment,
    subject_command,
    subject_is_mtredis,
)

Serve = Callable[..., Server]


def run_to_end(*words: str, stdin: str | None = None, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A server process that is expected to end by itself."""
    return subprocess.run(
        [*subject_command(), *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
        env=server_environment(),
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_server_gracefully(serve: Serve, number: signal.Signals) -> None:
    server = serve()
    with server.connect() as connection:
        connection.command("SET", "k", "v")
        assert server.stop(number) == 0
        assert connection.read_until_close() == [CLOSED]
    assert f"Received {number.name}" in server.final_log
    assert "bye bye" in server.final_log


def test_a_signal_right_after_the_start_is_not_lost(serve: Serve) -> None:
    for _ in range(20):
        assert serve().stop() == 0


def test_a_busy_server_ends_too(serve: Serve) -> None:
    server = serve()
    connections = [server.connect() for _ in range(50)]
    for connection in connections:
        connection.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nhalf")
    subscriber = server.connect()
    subscriber.command("SUBSCRIBE", "c")
    assert server.stop() == 0
    for connection in connections:
        connection.close()
    subscriber.close()


@pytest.mark.mtredis_only
def test_ready_line(serve: Serve) -> None:
    server = serve()
    log = server.log()
    assert "Ready to accept connections" in log
    assert "GIL" in log
    assert "orker" in log


def test_version_and_help() -> None:
    version = run_to_end("--version")
    assert version.returncode == 0
    assert "v=" in version.stdout
    assert run_to_end("--help").returncode in {0, 1}
    if subject_is_mtredis():
        assert "--port" in run_to_end("--help").stdout


def test_pidfile_and_logfile(serve: Serve) -> None:
    server = serve(pidfile="server.pid", logfile="own.log")
    pidfile, logfile = server.folder / "server.pid", server.folder / "own.log"
    assert int(pidfile.read_text()) == server.pid
    assert "Ready to accept connections" in logfile.read_text()
    kept = Path(f"{server.folder}.kept")
    os.link(logfile, kept)
    assert server.stop() == 0
    text = kept.read_text()
    kept.unlink()
    assert "bye bye" in text
    assert not pidfile.exists()


def test_config_file_include_and_command_line(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("slowlog-max-len 77\n")
    server = serve(
        config_text='# comment\nmaxmemory 100mb\n\ntimeout   0\nmaxmemory-policy "allkeys-lru"\n'
        f"include {tmp_path}/more.conf\n",
        maxmemory="200mb",
    )
    with server.connect() as connection:
        values = [
            connection.command("CONFIG", "GET", name).data[1].data
            for name in ("maxmemory", "maxmemory-policy", "slowlog-max-len")
        ]
    assert values == [b"209715200", b"allkeys-lru", b"77"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port 0\nnosuchparameter 1\n", 2),
        ("# one\n\nmaxmemory abc\n", 3),
        ("port 0\n\n\ntimeout -1\n", 4),
        ("port 0\nmaxmemory\n", 2),
        ('port 0\nlogfile "unbalanced\n', 2),
        ("port 0\nappendfsync sometimes\n", 2),
    ],
)
def test_a_bad_configuration_stops_the_start(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "bad.conf"
    path.write_text(text)
    done = run_to_end(str(path), folder=tmp_path)
    assert done.returncode == 1
    output = done.stdout + done.stderr
    offending = text.splitlines()[line - 1]
    assert str(line) in output
    assert offending in output
    assert "Traceback" not in output
    if subject_is_mtredis():
        assert str(path) in output


@pytest.mark.parametrize("words", [("--nosuchparameter", "1"), ("--maxmemory", "abc"), ("/nonexistent/file.conf",)])
def test_a_bad_command_line_stops_the_start(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run_to_end(*words, folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_configuration_from_stdin(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*subject_command(), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env=server_environment(),
    )
    assert process.stdin is not None
    process.stdin.write(f"port {port}\nbind 127.0.0.1\nmaxmemory 123mb\n".encode())
    process.stdin.close()
    try:
        _wait_for_port(port)
        with Connection(("127.0.0.1", port)) as connection:
            assert connection.command("CONFIG", "GET", "maxmemory").data[1].data == b"128974848"
    finally:
        process.terminate()
        assert process.wait(15) == 0
        assert process.stdout is not None
        process.stdout.close()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with Connection(("127.0.0.1", port)) as connection:
                connection.command("PING")
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_taken_port_stops_the_start(subject: Server) -> None:
    with pytest.raises(ServerFailed, match=r"ended with 1"):
        # PING on that port is answered by the other server: what counts is the exit code
        _start_on_taken_port(subject.port)


def _start_on_taken_port(port: int) -> None:
    done = run_to_end("--port", str(port), "--bind", "127.0.0.1")
    raise ServerFailed(f"ended with {done.returncode}\n{done.stdout}")


def test_unix_socket_only(serve: Serve) -> None:
    server = serve(port=0, unixsocket="only.sock", unixsocketperm="700")
    path = server.folder / "only.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with server.connect() as connection:
        assert connection.command("SET", "k", "v").data == b"OK"
        assert b"only.sock:0" in connection.command("CLIENT", "INFO").data
    server.stop()
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    assert path.exists()
    server = serve(port=0, unixsocket=str(path))
    with server.connect() as connection:
        assert connection.command("PING").data == b"PONG"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 loopback here")
def test_ipv6_and_several_addresses(serve: Serve) -> None:
    server = serve(bind=["127.0.0.1", "::1"])
    for host in ("127.0.0.1", "::1"):
        with Connection((host, server.port)) as connection:
            assert connection.command("PING").data == b"PONG"
    with Connection(("::1", server.port)) as connection:
        assert f"laddr=[::1]:{server.port}".encode() in connection.command("CLIENT", "INFO").data


def test_optional_addresses_may_fail(serve: Serve) -> None:
    server = serve(bind=["127.0.0.1", "-203.0.113.77", "-::2"])
    with server.connect() as connection:
        assert connection.command("PING").data == b"PONG"


def test_an_address_that_is_not_ours_stops_the_start() -> None:
    done = run_to_end("--port", str(free_port()), "--bind", "203.0.113.77")
    assert done.returncode == 1
    assert "203.0.113.77" in done.stdout + done.stderr


def test_requirepass_and_maxclients(serve: Serve) -> None:
    server = serve(requirepass="secret", maxclients="3")
    connections = [server.connect() for _ in range(3)]
    assert [connection.command("AUTH", "secret").data for connection in connections] == [b"OK"] * 3
    with server.connect() as refused:
        assert refused.read_until_close() == [Value("error", b"ERR max number of clients reached"), CLOSED]
    assert b"rejected_connections:1\r\n" in connections[0].command("INFO", "stats").data
    connections.pop().close()
    _wait_until_accepted(server)
    assert connections[0].command("CONFIG", "SET", "maxclients", "4").data == b"OK"
    for connection in connections:
        connection.close()


def _wait_until_accepted(server: Server) -> None:
    deadline = time.monotonic() + 30
    while True:
        with server.connect() as connection:
            try:
                if connection.command("AUTH", "secret").data == b"OK":
                    return
            except (ConnectionEnded, ConnectionError):
                pass  # still full: the closing of the other is on its way
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_idle_clients_are_closed(serve: Serve) -> None:
    server = serve(timeout="2")
    with server.connect() as idle, server.connect() as busy, server.connect() as subscriber:
        subscriber.command("SUBSCRIBE", "c")
        deadline = time.monotonic() + 30
        closed = False
        while not closed:
            assert time.monotonic() < deadline, "the idle client is still connected"
            assert busy.command("PING").data == b"PONG"
            try:
                closed = not idle.is_quiet(0.2)
                if closed:
                    assert idle.read_until_close() == [CLOSED]
            except ConnectionError:
                closed = True
        busy.command("PUBLISH", "c", "still here")
        assert subscriber.read().data[2].data == b"still here"


def test_databases(serve: Serve) -> None:
    server = serve(databases="4")
    with server.connect() as connection:
        assert connection.command("SELECT", "3").data == b"OK"
        assert connection.command("SELECT", "4").data == b"ERR DB index is out of range"


def test_daemonize(tmp_path: Path) -> None:
    port = free_port()
    pidfile = tmp_path / "d.pid"
    done = run_to_end(
        "--port", str(port), "--bind", "127.0.0.1", "--daemonize", "yes",
        "--pidfile", str(pidfile), "--logfile", str(tmp_path / "d.log"),
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0
    _wait_for_port(port)
    pid = int(pidfile.read_text())
    with Connection(("127.0.0.1", port)) as connection:
        assert f"process_id:{pid}".encode() in connection.command("INFO", "server").data
        connection.send("SHUTDOWN", "NOSAVE")
        assert connection.read_until_close() == [CLOSED]
    assert "Traceback" not in (tmp_path / "d.log").read_text()
