"""The configuration against redis-server: names, defaults, what CONFIG SET takes, and every word of its refusals.

Most of it compares a Config in this process with a redis-server, so thousands of values cost little; some goes through
both servers. Where mtredis differs on purpose, the table `DIFFERENT` says so.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtredis.errors import CommandError
from mtredis.ops.config import Config
from mtredis.ops.config_rewrite import rewritten
from mtredis.ops.parameters import CATALOGUE
from tests.support.differential import Pair, parametrize_scripts
from tests.support.servers import Server

OWN = {"io-threads-mode"}
DIFFERENT = {
    "io-threads": "as many as cores",
    "syslog-ident": "its own name",
    "save": "of the test",
    "dir": "of the process",
    "port": "of the test",
    "bind": "of the test",
    "enable-debug-command": "of the test",
    "unixsocket": "of the test",
}
# Values that Redis takes and this server refuses because the feature is not there yet.
LATER = {"appendonly", "cluster-enabled"}
# Changing these would really do something to the shared redis-server.
DANGEROUS = {"dir", "port", "bind", "requirepass", "oom-score-adj", "oom-score-adj-values", "maxclients", "dbfilename"}
SHARED = [each for each in CATALOGUE.parameters if each.name not in OWN]
TRIED = [each for each in SHARED if each.mutable and each.name not in DANGEROUS]


def theirs(oracle: Server, *words: str | bytes) -> Any:
    return oracle.command_once(*words)


def their_parameters(oracle: Server) -> dict[str, str]:
    hidden = [each.name for each in CATALOGUE.parameters if each.hidden]
    flat = [item.data.decode() for item in theirs(oracle, "CONFIG", "GET", "*", *hidden).data]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def our_reply(config: Config, *words: str) -> str:
    try:
        config.set_many(list(zip(words[::2], words[1::2], strict=True)))
    except CommandError as error:
        return str(error)
    return "OK"


def text(value: Any) -> str:
    data = value.data
    return data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else str(data)


def test_every_parameter_exists_in_redis(oracle: Server) -> None:
    known = their_parameters(oracle)
    assert {name for name in CATALOGUE.by_name if name not in known} == OWN


def test_defaults_are_those_of_redis(oracle: Server) -> None:
    known = their_parameters(oracle)
    ours = Config().get("*")
    differing = {name for name in ours if name not in OWN and ours[name] != known[name]}
    assert differing - set(DIFFERENT) == set()


def test_mutable_and_immutable_as_in_redis(oracle: Server) -> None:
    config = Config()
    for parameter in SHARED:
        if parameter.name in ("requirepass", "bind"):
            continue  # they would take the value
        for name in (parameter.name, parameter.name.upper()):
            reply = text(theirs(oracle, "CONFIG", "SET", name, "\x01"))
            ours = our_reply(config, name, "\x01")
            if "can't set" in reply or "can't set" in ours:
                assert ours == reply


BOUNDS = ["0", "1", "-1", "-2", "2", "3", "10", "11", "64", "65", "100", "101", "128", "129", "500", "501", "65535",
          "65536", "1048575", "1048576", "2147483647", "2147483648", "4294967295", "4294967296",
          "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
          "-9223372036854775808", "-9223372036854775809", "99999999999999999999999999"]  # fmt: skip
WORDS = ["", " ", "yes", "no", "YES", "nO", "maybe", "1k", "1kb", "1KB", "2mb", "1g", "1gb", "1tb",
         "10b", "5%", "101%", "-5%", "%", "0x10", "010", "+1", " 1", "1 ", "1.5", "1e3", "kb", "debug",
         "NOTICE", "nothing", "local", "local0", "noeviction", "allkeys-lru", "volatile-ttl",
         "systemd", "default", "now", "nosave now", "force  now", "bad now", "save nosave", "KEA",
         "Ex", "g$lshzxetdKE", "g$lshzxetdmnKE", "AnK", "Q", "K E", "50 99 99.9", "50.5", "101",
         "-1 5", "x 50", "0x1p2", "inf", "nan", ".5", "5.", "0.0001", "99.999999 100", "normal 0 0 0",
         "replica 1mb 1k 60", "slave 5 5 5 pubsub 1 2 3", "normal 1 2", "master 0 0 0",
         "normal -1 0 0", "normal 0 0 -1", "normal 0 0 x", "normal  0 0 0", "3600 1", "a b",
         "'quoted'", "\u00e9", "900", "0 0 0"]  # fmt: skip


def compare(oracle: Server, config: Config, name: str, value: str) -> None:
    reply, ours = text(theirs(oracle, "CONFIG", "SET", name, value)), our_reply(config, name, value)
    if name in LATER and "not supported yet" in ours:
        # Nothing is compared that cannot be equal; Redis goes back to where this server stayed.
        assert text(theirs(oracle, "CONFIG", "SET", name, config.get(name)[name])) == "OK"
        return
    assert (ours, name, value) == (reply, name, value)
    shown = {item.data for item in theirs(oracle, "CONFIG", "GET", name).data[1:]}
    assert shown == {config.get(name)[name].encode("utf-8", "surrogateescape")}, (name, value)


@pytest.mark.parametrize("parameter", TRIED, ids=lambda parameter: parameter.name)
def test_what_a_parameter_takes(oracle: Server, parameter: Any) -> None:
    config = Config()
    theirs(oracle, "CONFIG", "SET", parameter.name, config.get(parameter.name)[parameter.name])
    for value in (*BOUNDS, *WORDS):
        compare(oracle, config, parameter.name, value)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["maxmemory", "proto-max-bulk-len", "client-query-buffer-limit", "slowlog-max-len", "timeout"]),
    st.text("0123456789kKmMgGbB%-+ .x", max_size=24),
)
def test_numbers(oracle: Server, name: str, value: str) -> None:
    config = Config()
    theirs(oracle, "CONFIG", "SET", name, config.get(name)[name])
    compare(oracle, config, name, value)


@pytest.mark.parametrize(
    "pairs",
    [
        ("timeout", "5", "hz", "20"),
        ("timeout", "5", "hz", "x"),
        ("nothing", "5", "hz", "20"),
        ("hz", "20", "nothing", "5"),
        ("hz", "20", "nothing", "5", "databases", "1"),
        ("databases", "1", "nothing", "5"),
        ("hz", "20", "DATABASES", "1"),
        ("hz", "20", "hz", "30"),
        ("hz", "20", "Hz", "30"),
        ("dir", "/", "hz", "5"),
        ("bad\x01name", "1"),
        ("TIMEOUT", "x"),
        ("Client-Output-Buffer-Limit", "x"),
    ],
)
def test_several_at_once(oracle: Server, pairs: tuple[str, ...]) -> None:
    config = Config()
    assert our_reply(config, *pairs) == text(theirs(oracle, "CONFIG", "SET", *pairs))
    for name in ("timeout", "hz", "databases", "client-output-buffer-limit"):
        assert config.get(name)[name] == text(theirs(oracle, "CONFIG", "GET", name).data[1])


PATTERNS = [
    "*",
    "PORT",
    "p?rt",
    "[p-q]ort",
    "slow*",
    "SLOW*",
    "*max*len*",
    "nothing",
    "",
    "lazyfree-lazy-[!u]*",
    "[",
    "\\p*",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(oracle: Server, pattern: str) -> None:
    found = {item.data.decode() for item in theirs(oracle, "CONFIG", "GET", pattern).data[::2]}
    known = {name.lower() for name in found} & set(CATALOGUE.by_name)
    ours = set(Config().get(pattern))
    assert ours - OWN == {name for name in found if name.lower() in known}


def test_repeated_names(oracle: Server) -> None:
    words = ("Port", "PORT", "por?", "TIMEOUT", "timeout", "hz")
    found = [item.data.decode() for item in theirs(oracle, "CONFIG", "GET", *words).data[::2]]
    assert set(Config().get(*words)) == set(found)
    assert len(found) == len(set(found))


def test_rewritten_files_agree(serve_oracle_file: Any) -> None:
    start = (
        "# my own file\n\nport 0\n  TIMEOUT   5\n\n\n# the next two lines fight\nhz 5\nhz 7\nmaxmemory 2048\n"
        'client-output-buffer-limit pubsub 1kb 0 0\nsave ""\n'
    )
    changes = [("timeout", "9"), ("maxmemory", "3gb"), ("slowlog-max-len", "7"), ("notify-keyspace-events", "KEx"),
               ("client-output-buffer-limit", "normal 5 6 7"), ("loglevel", "notice")]  # fmt: skip
    theirs_text = serve_oracle_file(start, changes)
    config = Config()
    for line in start.splitlines():
        if line and not line.startswith("#"):
            name, *words = line.split()
            config.load(name.lower(), [word.strip('"') for word in words])
    config.set_many(changes)
    ours = comparable(rewritten(start, config))
    expected = comparable(theirs_text)
    kept = ours.index("# Generated by CONFIG REWRITE")
    # What is appended has no order in Redis.
    assert ours[:kept] == expected[:kept]
    assert sorted(ours) == sorted(expected)


def comparable(file_text: str) -> list[str]:
    """The lines, without what only one server has to say: Redis always writes some, and its folder."""
    absent = ("dir ", "latency-tracking-info-percentiles ", "enable-debug-command ", "unixsocket ", "bind ", "user ")
    return [line for line in file_text.splitlines() if line and not line.startswith(absent)]


@pytest.fixture
def serve_oracle_file(tmp_path: Any) -> Any:
    """Runs a redis-server on a file, changes parameters, and gives back the text after CONFIG REWRITE."""
    from tests.support.oracle import require_oracle

    def run(content: str, changes: list[tuple[str, str]]) -> str:
        path = tmp_path / "redis.conf"
        path.write_text(content.replace("port 0", "port 0\nunixsocket r.sock", 1))
        server = Server([require_oracle(), str(path)], {"unixsocket": "r.sock", "port": 0})
        with server:
            with server.connect() as connection:
                for name, value in changes:
                    assert connection.command("CONFIG", "SET", name, value).data == b"OK"
                assert connection.command("CONFIG", "REWRITE").data == b"OK"
            return path.read_text()

    return run


SCRIPTS = {
    "arity": """
        CONFIG
        CONFIG GET
        CONFIG SET
        CONFIG SET a
        CONFIG SET a b c
        CONFIG REWRITE x
        CONFIG RESETSTAT x
        CONFIG NOPE
        """,
    "get": "CONFIG GET maxmemory\nCONFIG GET MaxMemory\nCONFIG GET nothing\nCONFIG GET nothing hz\nconfig get hz hz",
    "set": """
        CONFIG SET maxmemory 100mb timeout 7
        CONFIG GET timeout
        CONFIG SET timeout 8 maxmemory x
        CONFIG GET timeout
        CONFIG SET maxmemory 0 timeout 0
        """,
    "refused": """
        CONFIG SET databases 3
        CONFIG SET DIR /
        CONFIG SET nothing 1
        CONFIG SET hz 1 HZ 2
        CONFIG SET loglevel loud
        CONFIG SET client-output-buffer-limit "normal 1"
        CONFIG SET maxclients 0
        """,
    "rewrite without a file": "CONFIG REWRITE",
    "resetstat": "CONFIG RESETSTAT",
    "bytes": 'CONFIG SET "\\xff\\x00\\r\\n" x\nCONFIG GET "\\xff*"',
}


@parametrize_scripts(SCRIPTS)
def test_through_the_servers(pair: Pair, script: str, mode: str) -> None:
    pair.compare(script, mode)
