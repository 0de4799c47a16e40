"""The server under systemd: inherited sockets, readiness, status, watchdog, and the words at the end."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import server_environment

SECONDS = 20.0
# systemd passes sockets from descriptor 3 on, and names the process that they are meant for.
STARTER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
words = "-X gil=0 -m mtredis --port 0 --supervised systemd".split()
os.execv(sys.executable, [sys.executable, *words])
"""


@pytest.fixture
def notifications(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(SECONDS)
        yield receiver


def receive_until(receiver: socket.socket, wanted: str) -> list[str]:
    """All assignments up to the first that is `wanted`; TimeoutError when it does not come."""
    seen: list[str] = []
    while wanted not in seen:
        seen += receiver.recv(65536).decode().split("\n")
    return seen


def test_socket_activation_readiness_watchdog_and_stop(tmp_path: Path, notifications: socket.socket) -> None:
    environment = {
        **server_environment(),
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "300000",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "mtredis.socket",
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor, port = listener.fileno(), listener.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(descriptor)],
            env=environment, pass_fds=(descriptor,), stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert any(word.startswith("STATUS=") for word in receive_until(notifications, "READY=1"))
            with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
                client.sendall(b"PING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
            receive_until(notifications, "WATCHDOG=1")
            server.terminate()
            receive_until(notifications, "STOPPING=1")
            assert server.wait(SECONDS) == 0
        finally:
            if server.poll() is None:
                os.kill(server.pid, 9)
                server.wait()
            if server.stdout is not None:
                server.stdout.close()
