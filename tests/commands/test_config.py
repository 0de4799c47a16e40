"""CONFIG: its handlers without a server."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mtredis.commands.server.config  # noqa: F401  (registers the commands)
from mtredis.errors import CommandError
from mtredis.ops.config import Config
from mtredis.ops.config_file import Options, load
from tests.support.fake_context import FakeContext


def context(config: Config | None = None, address: str = "127.0.0.1:5000", **parts: Any) -> FakeContext:
    parts = {"loading": SimpleNamespace(is_active=False)} | parts
    made = FakeContext(server=SimpleNamespace(config=config or Config(), **parts))
    made.client.address = address
    return made


@pytest.mark.parametrize("resp", [2, 3])
def test_get(resp: int) -> None:
    ctx = FakeContext(resp=resp, server=SimpleNamespace(config=Config()))
    assert ctx.run("CONFIG", "GET", "port", "slowlog-*") == {
        b"port": b"6379",
        b"slowlog-log-slower-than": b"10000",
        b"slowlog-max-len": b"128",
    }
    assert ctx.reply.calls[0] == ("map", 3)
    assert ctx.run("CONFIG", "GET", b"\xff*") == {}


def test_set() -> None:
    ctx = context()
    assert ctx.run("CONFIG", "SET", "timeout", "5", "requirepass", b"\xff\x00") == b"OK"
    assert ctx.server.config.timeout == 5
    assert ctx.run("CONFIG", "GET", "requirepass") == {b"requirepass": b"\xff\x00"}


def test_dir_stays_while_data_are_loaded() -> None:
    ctx = context(loading=SimpleNamespace(is_active=True))
    with pytest.raises(CommandError, match="^LOADING Redis is loading the dataset in memory$"):
        ctx.run("CONFIG", "SET", "timeout", "5", "DIR", "/")
    assert ctx.server.config.timeout == 0
    assert ctx.run("CONFIG", "SET", "timeout", "5") == b"OK"


def test_set_wants_pairs() -> None:
    with pytest.raises(CommandError, match="^ERR syntax error$"):
        context().run("CONFIG", "SET", "timeout", "5", "hz")
    with pytest.raises(CommandError, match="^ERR wrong number of arguments for 'config|set' command$"):
        context().run("CONFIG", "SET", "timeout")


@pytest.mark.parametrize(
    ("mode", "address", "allowed"),
    [
        ("no", "127.0.0.1:1", False),
        ("local", "127.0.0.1:1", True),
        ("local", "1.2.3.4:1", False),
        ("yes", "1.2.3.4:1", True),
    ],
)
def test_protected_parameters(mode: str, address: str, allowed: bool) -> None:
    config = Config()
    config.load("enable-protected-configs", [mode])
    ctx = context(config, address)
    if allowed:
        assert ctx.run("CONFIG", "SET", "dbfilename", "x.rdb") == b"OK"
    else:
        with pytest.raises(CommandError, match="'dbfilename'\\) - can't set protected config$"):
            ctx.run("CONFIG", "SET", "dbfilename", "x.rdb")
    assert (config.dbfilename == "x.rdb") is allowed


def test_rewrite(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("# mine\ntimeout 1\n")
    ctx = context(load(Options(str(path))))
    ctx.run("CONFIG", "SET", "timeout", "7")
    assert ctx.run("CONFIG", "REWRITE") == b"OK"
    assert path.read_text().startswith("# mine\ntimeout 7\n")


def test_rewrite_without_a_file() -> None:
    with pytest.raises(CommandError, match="^ERR The server is running without a config file$"):
        context().run("CONFIG", "REWRITE")


def test_rewrite_that_fails(tmp_path: Path) -> None:
    config = Config()
    config.path = str(tmp_path / "none" / "a.conf")
    with pytest.raises(CommandError, match="^ERR Rewriting config file: No such file or directory$"):
        context(config).run("CONFIG", "REWRITE")


def test_resetstat() -> None:
    calls: list[str] = []
    ctx = context(reset_statistics=lambda: calls.append("reset"))
    assert ctx.run("CONFIG", "RESETSTAT") == b"OK"
    assert calls == ["reset"]


def test_help_names_the_subcommands() -> None:
    lines = context().run("CONFIG", "HELP")
    text = b"\n".join(lines).decode()
    assert lines[0] == b"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    for subcommand in ("GET", "SET", "REWRITE", "RESETSTAT", "HELP"):
        assert f"\n{subcommand}" in text
