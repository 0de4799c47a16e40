"""The Config: attributes, patterns, and CONFIG SET as a whole or not at all."""

import os
from pathlib import Path

import pytest

from mtredis.errors import CommandError, ConfigError
from mtredis.ops.config import Config, hide_secrets, is_action_allowed
from mtredis.ops.parameters import CATALOGUE, default_io_threads


@pytest.fixture
def config() -> Config:
    return Config()


def refused(config: Config, *pairs: tuple[str, str]) -> str:
    with pytest.raises(CommandError) as caught:
        config.set_many(pairs)
    return str(caught.value)


def test_attributes_have_the_types_of_their_kinds(config: Config) -> None:
    assert config.port == 6379
    assert config.protected_mode is True
    assert config.loglevel == "notice"
    assert config.proto_max_bulk_len == 512 * 1024**2
    assert config.bind == ("*", "-::*")
    assert config.client_output_buffer_limit["pubsub"].soft == 8 * 1024**2
    with pytest.raises(AttributeError, match="there is no parameter no-such-thing"):
        _ = config.no_such_thing


def test_io_threads_default_to_the_cores_but_two_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers in ((None, 2), (1, 2), (6, 6), (400, 128)):
        monkeypatch.setattr(os, "process_cpu_count", lambda cores=cores: cores)
        assert default_io_threads() == workers


def test_every_default_is_a_value_that_its_kind_takes(config: Config) -> None:
    for parameter in CATALOGUE.parameters:
        shown = config.show(parameter)
        words = shown.split(" ") if parameter.kind.multiple and shown else [shown]
        assert parameter.kind.parse(words, config.value(parameter)) == config.value(parameter), parameter.name


def test_every_parameter_is_described() -> None:
    for parameter in CATALOGUE.parameters:
        assert parameter.summary.endswith("."), parameter.name
        assert parameter.name == parameter.name.lower()
        assert callable(parameter.default) == bool(parameter.default_note)


def test_get(config: Config) -> None:
    assert config.get("PORT") == {"PORT": "6379"}
    assert config.get("nothing", "no*thing*") == {}
    assert list(config.get("maxmemory-s*", "MaxMemory-Samples", "TIMEOUT", "timeout")) == [
        "maxmemory-samples",
        "TIMEOUT",
    ]
    assert set(config.get("*")) == {name for name, parameter in CATALOGUE.by_name.items() if not parameter.hidden}
    assert config.get("key-load-delay", "key-load-*") == {"key-load-delay": "0"}
    assert config.get("slowlog-max-le?", "slowlog-max-le[n]") == {"slowlog-max-len": "128"}


def test_set_several(config: Config) -> None:
    config.set_many([("Timeout", "5"), ("maxmemory", "1gb"), ("bind", "127.0.0.1 ::1")])
    assert (config.timeout, config.maxmemory, config.bind) == (5, 1024**3, ("127.0.0.1", "::1"))


@pytest.mark.parametrize(
    ("pair", "error"),
    [
        (("foo", "1"), "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
        (("Port", "x"), "{}port') - argument couldn't be parsed into an integer"),
        (("DATABASES", "1"), "{}DATABASES') - can't set immutable config"),
        (("dir", "/"), "{}dir') - can't set protected config"),
        (("Timeout", "7"), "{}Timeout') - duplicate parameter"),
    ],
)
def test_a_refusal_changes_nothing(config: Config, pair: tuple[str, str], error: str) -> None:
    expected = error.format("ERR CONFIG SET failed (possibly related to argument '")
    assert refused(config, ("timeout", "9"), pair) == expected
    assert config.timeout == 0


def test_the_first_fault_is_reported(config: Config) -> None:
    assert "can't set immutable" in refused(config, ("databases", "1"), ("foo", "1"))
    assert "Unknown option" in refused(config, ("foo", "1"), ("databases", "1"))
    assert "duplicate" in refused(config, ("hz", "bad"), ("hz", "1"))


def test_protected_parameters_with_permission(config: Config, tmp_path: Path) -> None:
    config.set_many([("dir", str(tmp_path)), ("dbfilename", "x.rdb")], allow_protected=True)
    assert Path.cwd() == tmp_path.resolve()
    assert config.dbfilename == "x.rdb"


def test_hooks_run_once_after_all_values_are_in(config: Config) -> None:
    seen: list[object] = []
    config.on_change("timeout", lambda value: seen.append(("timeout", value, config.hz)))
    config.on_any_change(("hz", "dynamic-hz"), lambda: seen.append("hz"))
    config.set_many([("timeout", "3"), ("hz", "20"), ("dynamic-hz", "no")])
    assert seen == [("timeout", 3, 20), "hz"]


def test_hooks_do_not_run_without_a_change(config: Config) -> None:
    seen: list[object] = []
    config.on_change("timeout", seen.append)
    config.set_many([("timeout", "0")])
    assert seen == []


def test_a_refusing_hook_puts_all_back(config: Config) -> None:
    seen: list[int] = []

    def refuse(value: object) -> None:
        raise ConfigError("Unable to listen on this port. Check server logs.")

    config.on_change("timeout", seen.append)
    config.on_change("port", refuse)
    assert refused(config, ("port", "1"), ("timeout", "7")) == (
        "ERR CONFIG SET failed (possibly related to argument 'port') - "
        "Unable to listen on this port. Check server logs."
    )
    assert (config.port, config.timeout) == (6379, 0)
    assert seen == [7, 0]


def test_load_takes_one_word_or_several_in_one(config: Config) -> None:
    config.load("SLOWLOG-MAX-LEN", ["5"])
    config.load("bind", ["127.0.0.1 ::1"])
    assert (config.slowlog_max_len, config.bind) == (5, ("127.0.0.1", "::1"))
    with pytest.raises(ConfigError, match="^wrong number of arguments$"):
        config.load("port", ["1", "2"])
    with pytest.raises(LookupError):
        config.load("foo", ["1"])


def test_values_that_are_no_text_survive(config: Config) -> None:
    config.set_many([("requirepass", b"\xff\x00".decode("utf-8", "surrogateescape"))])
    assert config.requirepass.encode("utf-8", "surrogateescape") == b"\xff\x00"


def test_assign_is_silent(config: Config) -> None:
    seen: list[object] = []
    config.on_change("maxclients", seen.append)
    config.assign("maxclients", 50)
    assert (config.maxclients, seen) == (50, [])


@pytest.mark.parametrize(
    ("mode", "address", "allowed"),
    [
        ("no", "127.0.0.1:5", False),
        ("yes", "9.9.9.9:5", True),
        ("local", "9.9.9.9:5", False),
        ("local", "127.0.0.1:5", True),
        ("local", "[::1]:5", True),
        ("local", "/run/x.sock:0", True),
        ("local", "x.sock:0", True),
        ("local", "[2001:db8::1]:50", False),
    ],
)
def test_who_may_do_what_is_protected(mode: str, address: str, allowed: bool) -> None:
    assert is_action_allowed(mode, address) is allowed


def test_secrets_are_hidden() -> None:
    argv = [b"config", b"set", b"timeout", b"5", b"RequirePass", b"secret"]
    assert hide_secrets(argv) == [b"config", b"set", b"timeout", b"5", b"RequirePass", b"(redacted)"]
