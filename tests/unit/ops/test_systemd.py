"""The talk with systemd, against a socket that plays systemd; and the unit files, read by systemd itself."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtredis.ops.config_file import parse_command_line
from mtredis.ops.systemd import Supervisor, inherited_sockets, supervise, watchdog_interval
from tests.unit.ops.conftest import LogFile

REPOSITORY = Path(__file__).parents[3]
UNITS = REPOSITORY / "systemd"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


def test_notifications(receiver: socket.socket) -> None:
    supervisor = Supervisor(receiver.getsockname())
    assert supervisor.active
    supervisor.ready("Ready to accept connections")
    supervisor.status("Busy")
    supervisor.watchdog()
    supervisor.stopping()
    assert [receiver.recv(4096) for _ in range(4)] == [
        b"STATUS=Ready to accept connections\nREADY=1",
        b"STATUS=Busy",
        b"WATCHDOG=1",
        b"STATUS=Shutting down\nSTOPPING=1",
    ]


def test_a_longer_wait_may_be_asked_for(receiver: socket.socket) -> None:
    Supervisor(receiver.getsockname()).extend("Loading: 5%", 30)
    assert receiver.recv(4096) == b"STATUS=Loading: 5%\nEXTEND_TIMEOUT_USEC=30000000"


def test_the_watchdog_is_fed_while_everybody_waits(receiver: socket.socket) -> None:
    supervisor = Supervisor(receiver.getsockname())
    with supervisor.kept_alive(0.003):
        assert [receiver.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    with supervisor.kept_alive(None), Supervisor().kept_alive(0.003):   # nobody to tell
        supervisor.status("x")
    messages = [receiver.recv(4096)]
    while messages[-1] != b"STATUS=x":
        messages.append(receiver.recv(4096))
    assert set(messages[:-1]) <= {b"WATCHDOG=1"}


def test_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # the kernel picks a name
        receiver.settimeout(10)
        Supervisor("@" + receiver.getsockname()[1:].decode()).watchdog()
        assert receiver.recv(100) == b"WATCHDOG=1"


def test_nobody_to_tell(logged: LogFile) -> None:
    supervisor = supervise("no", {"NOTIFY_SOCKET": "/run/x"})
    assert not supervisor.active
    supervisor.ready("x")
    assert logged.messages() == []


def test_a_supervisor_that_is_gone_is_logged(tmp_path: Path, logged: LogFile) -> None:
    Supervisor(str(tmp_path / "gone")).watchdog()
    assert logged.messages() == ["# systemd supervision error: sd_notify: No such file or directory"]


@pytest.mark.parametrize(
    ("mode", "environment", "address", "message"),
    [
        ("systemd", {"NOTIFY_SOCKET": "/run/x"}, "/run/x", "* Supervised by systemd."),
        ("systemd", {}, "", "# systemd supervision error: NOTIFY_SOCKET not found!"),
        ("auto", {"NOTIFY_SOCKET": "@x"}, "\0x", "- Systemd supervision detected."),
        ("auto", {}, "", None),
        ("upstart", {}, "", "# upstart supervision requested, but UPSTART_JOB not found!"),
    ],
)
def test_modes(logged: LogFile, mode: str, environment: dict[str, str], address: str, message: str | None) -> None:
    assert supervise(mode, environment).address == address
    assert [text for text in logged.messages()[:1] if not text.startswith(str(message))] == []
    assert bool(logged.messages()) == (message is not None)


def test_upstart(logged: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    environment = {"UPSTART_JOB": "mtredis"}
    assert not supervise("auto", environment).active
    assert raised == [signal.SIGSTOP]
    assert environment == {}


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
    ],
)
def test_watchdog_interval(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(environment) == seconds


def test_sockets_meant_for_another_process() -> None:
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x", "HOME": "/"}
    assert inherited_sockets(environment) == []
    assert environment == {"HOME": "/"}
    assert inherited_sockets({}) == []


_CHILD = """
import os, sys
from mtredis.ops.systemd import inherited_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
for each in inherited_sockets():
    print(each.name, each.socket.getsockname(), each.socket.get_inheritable(), each.socket.getblocking())
print("LISTEN_FDS" in os.environ)
"""


def test_inherited_sockets(tmp_path: Path) -> None:
    first, second = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    deaf = socket.socket()
    second.bind(str(tmp_path / "unix"))
    second.listen()
    with first, second, deaf, (tmp_path / "file").open("w") as file:
        # The child finds them at 3, 4, 5 and 6, as systemd would place them: moved there between fork and exec.
        places = [each.fileno() for each in (first, second, deaf, file)]
        script = (
            "import fcntl, os, sys\n"
            f"high = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in {places}]\n"
            "for place, each in enumerate(high, 3): os.dup2(each, place)\n"
            f"os.execv(sys.executable, [sys.executable, '-c', {_CHILD!r}])\n"
        )
        environment = os.environ | {
            "LISTEN_FDS": "4",
            "LISTEN_FDNAMES": "tcp:unix:deaf:file",
            "PYTHONPATH": str(REPOSITORY),
        }
        done = subprocess.run(
            [sys.executable, "-c", script],
            pass_fds=places,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        lines = done.stdout.splitlines()
        assert f"tcp {first.getsockname()} False False" in lines
        assert f"unix {second.getsockname()} False False" in lines
        assert lines[-1] == "False"
        assert sum("is ignored" in line for line in lines) == 2
        assert len(lines) == 5


# -- the unit files


def unit_text(name: str) -> str:
    return (UNITS / name).read_text()


def needs_systemd_analyze() -> str:
    path = shutil.which("systemd-analyze")
    if path is None:
        pytest.skip("systemd-analyze is not installed")
    return path


def placed(folder: Path) -> list[str]:
    """Copies of the units with a server binary that exists; the template as an instance."""
    server = folder / "mtredis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    paths = []
    for name in ("mtredis.service", "mtredis@.service", "mtredis.socket"):
        path = folder / name.replace("@", "@7000")
        path.write_text(unit_text(name).replace("ExecStart=mtredis-server", f"ExecStart={server}"))
        paths.append(str(path))
    return paths


def test_units_verify_cleanly(tmp_path: Path) -> None:
    tool = needs_systemd_analyze()
    done = subprocess.run([tool, "verify", *placed(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_sandbox_is_tight(tmp_path: Path) -> None:
    tool = needs_systemd_analyze()
    for unit in placed(tmp_path)[:2]:
        done = subprocess.run(
            [tool, "security", "--offline=yes", "--threshold=20", unit],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_instances_differ_from_the_service_only_in_names() -> None:
    instance = unit_text("mtredis@.service").replace("/etc/mtredis/%i.conf", "/etc/mtredis/mtredis.conf")
    instance = re.sub(r"/%i\b| \(%i\)", "", instance)
    directives = [line for line in instance.splitlines() if not line.startswith("#")]
    assert directives == [line for line in unit_text("mtredis.service").splitlines() if not line.startswith("#")]


def test_the_service_starts_the_server_as_the_command_line_understands_it() -> None:
    found = re.search(r"^ExecStart=mtredis-server (.*)$", unit_text("mtredis.service"), re.MULTILINE)
    assert found is not None
    options = parse_command_line(found[1].split())
    assert options.config_path == "/etc/mtredis/mtredis.conf"
    assert options.overrides == ('supervised "systemd"', 'daemonize "no"')
