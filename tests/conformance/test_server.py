"""The commands about the server itself against redis-server: CONFIG, COMMAND, INFO, SLOWLOG, LATENCY, MONITOR, ..."""

import re
import socket
import time
from collections.abc import Callable

import pytest

from tests.conformance import test_aof
from tests.support.differential import MODES, PLAIN_MODES, Pair, Script, commands_of, parametrize_scripts, same_shape
from tests.support.durable import DurableServer
from tests.support.resp import CLOSED, OK, Value
from tests.support.servers import Server

SCRIPTS: dict[str, Script] = {
    "small": """
        DBSIZE
        DBSIZE x
        TIME
        TIME x
        LASTSAVE
        LASTSAVE x
        LOLWUT
        LOLWUT VERSION 5
        LOLWUT VERSION 99 1 2
        LOLWUT VERSION abc
        LOLWUT VERSION
        SWAPDB 0
        SHUTDOWN BOGUS
        SHUTDOWN NOSAVE SAVE
        SHUTDOWN ABORT
        SHUTDOWN NOSAVE BOGUS
        SHUTDOWN SAVE NOSAVE NOW
        SHUTDOWN ABORT NOW
    """,
    "config-get": """
        CONFIG
        CONFIG BOGUS
        CONFIG GET
        CONFIG GET maxmemory
        CONFIG GET MAXMEMORY
        CONFIG GET maxmemory maxmemory
        CONFIG GET maxmemory timeout
        CONFIG GET nosuchparameter
        CONFIG GET "max*memory"
        CONFIG GET databases
        CONFIG GET slowlog-max-len slowlog-log-slower-than
        CONFIG GET client-output-buffer-limit
        CONFIG GET appendonly
        CONFIG GET maxmemory-*
        CONFIG GET proto-max-bulk-len
        CONFIG GET client-query-buffer-limit
        CONFIG GET tcp-keepalive tcp-backlog
        CONFIG GET "[mt]imeout"
        CONFIG HELP
        CONFIG HELP x
        CONFIG REWRITE x
        CONFIG RESETSTAT x
        CONFIG RESETSTAT
    """,
    "config-set": """
        CONFIG SET
        CONFIG SET maxmemory
        CONFIG SET maxmemory 100mb
        CONFIG GET maxmemory
        CONFIG SET maxmemory 1k timeout 100
        CONFIG GET maxmemory
        CONFIG GET timeout
        CONFIG SET maxmemory 0 timeout abc
        CONFIG GET maxmemory
        CONFIG SET maxmemory 0 timeout 0 maxmemory 1
        CONFIG SET maxmemory 5 nosuch 1
        CONFIG GET maxmemory
        CONFIG SET nosuch 1
        CONFIG SET maxmemory -1
        CONFIG SET maxmemory abc
        CONFIG SET maxmemory ""
        CONFIG SET maxmemory 1x
        CONFIG SET maxmemory 1G
        CONFIG GET maxmemory
        CONFIG SET maxmemory 0
        CONFIG SET timeout -1
        CONFIG SET timeout 99999999999999999999
        CONFIG SET databases 4
        CONFIG SET port 1 extra
        CONFIG SET maxmemory-policy bogus
        CONFIG SET maxmemory-policy allkeys-lru
        CONFIG GET maxmemory-policy
        CONFIG SET maxmemory-policy noeviction
        CONFIG SET client-output-buffer-limit "pubsub 1mb 2mb 60"
        CONFIG GET client-output-buffer-limit
        CONFIG SET client-output-buffer-limit "normal 0 0 0 pubsub 32mb 8mb 60"
        CONFIG GET client-output-buffer-limit
        CONFIG SET client-output-buffer-limit "bogus 1 2 3"
        CONFIG SET client-output-buffer-limit "normal 1 2"
        CONFIG SET client-output-buffer-limit "normal a 2 3"
        CONFIG SET slowlog-log-slower-than -5
        CONFIG SET slowlog-log-slower-than -1
        CONFIG GET slowlog-log-slower-than
        CONFIG SET slowlog-log-slower-than 10000
        CONFIG SET slowlog-max-len -1
        CONFIG SET loglevel bogus
        CONFIG SET loglevel verbose
        CONFIG GET loglevel
        CONFIG SET loglevel notice
        CONFIG SET lazyfree-lazy-user-del maybe
        CONFIG SET lazyfree-lazy-user-del yes
        CONFIG GET lazyfree-lazy-user-del
        CONFIG SET lazyfree-lazy-user-del no
        CONFIG SET hz 0
        CONFIG GET hz
        CONFIG SET hz 10
        CONFIG SET maxclients 0
        CONFIG SET proto-max-bulk-len 1024
        CONFIG SET proto-max-bulk-len 512mb
        CONFIG SET client-query-buffer-limit 1
        CONFIG SET tcp-keepalive -1
        CONFIG SET unixsocket /tmp/x
        CONFIG SET enable-debug-command no
        CONFIG REWRITE
        config set TIMEOUT 7
        config get timeout
        CONFIG SET timeout 0
    """,
    "command": """
        COMMAND COUNT x
        COMMAND HELP
        COMMAND HELP x
        COMMAND BOGUS
        COMMAND INFO nosuch
        COMMAND INFO nosuch get
        COMMAND DOCS nosuch
        COMMAND LIST BOGUS
        COMMAND LIST FILTERBY
        COMMAND LIST FILTERBY BOGUS x
        COMMAND LIST FILTERBY MODULE x
        COMMAND LIST FILTERBY ACLCAT bogus
        COMMAND LIST FILTERBY PATTERN set*
        COMMAND LIST FILTERBY PATTERN nosuch*
        COMMAND LIST FILTERBY PATTERN config|*
        COMMAND GETKEYS
        COMMAND GETKEYS nosuch
        COMMAND GETKEYS GET
        COMMAND GETKEYS GET k
        COMMAND GETKEYS GET k x
        COMMAND GETKEYS PING
        COMMAND GETKEYS MSET a 1 b 2
        COMMAND GETKEYS MSET a 1 b
        COMMAND GETKEYS MGET a b c
        COMMAND GETKEYS SET k v EX 10
        COMMAND GETKEYS RENAME a b
        COMMAND GETKEYS COPY a b DB 1
        COMMAND GETKEYS BITOP AND d a b c
        COMMAND GETKEYS DEL a b
        COMMAND GETKEYS LCS a b IDX
        COMMAND GETKEYS OBJECT ENCODING k
        COMMAND GETKEYS MEMORY USAGE k
        COMMAND GETKEYS WATCH a b
        COMMAND GETKEYS SPUBLISH c m
        COMMAND GETKEYS SSUBSCRIBE a b
        COMMAND GETKEYS CONFIG GET x
        COMMAND GETKEYS BITFIELD k GET u8 0
        COMMAND GETKEYSANDFLAGS
        COMMAND GETKEYSANDFLAGS nosuch
        COMMAND GETKEYSANDFLAGS GET
        COMMAND GETKEYSANDFLAGS PING
        COMMAND GETKEYSANDFLAGS GET k
        COMMAND GETKEYSANDFLAGS SET k v
        COMMAND GETKEYSANDFLAGS SET k v GET
        COMMAND GETKEYSANDFLAGS MSET a 1 b 2
        COMMAND GETKEYSANDFLAGS RENAME a b
        COMMAND GETKEYSANDFLAGS COPY a b
        COMMAND GETKEYSANDFLAGS DEL a b
        COMMAND GETKEYSANDFLAGS UNLINK a b
        COMMAND GETKEYSANDFLAGS EXISTS a b
        COMMAND GETKEYSANDFLAGS BITOP NOT d a
        COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0
        COMMAND GETKEYSANDFLAGS BITFIELD k SET u8 0 1
        COMMAND GETKEYSANDFLAGS INCR k
        COMMAND GETKEYSANDFLAGS GETDEL k
        COMMAND GETKEYSANDFLAGS GETEX k
        COMMAND GETKEYSANDFLAGS EXPIRE k 1
        COMMAND GETKEYSANDFLAGS STRLEN k
        COMMAND GETKEYSANDFLAGS TYPE k
        COMMAND GETKEYSANDFLAGS MOVE k 1
        COMMAND GETKEYSANDFLAGS APPEND k v
        COMMAND GETKEYSANDFLAGS OBJECT ENCODING k
        COMMAND GETKEYSANDFLAGS MEMORY USAGE k
        COMMAND GETKEYSANDFLAGS SETEX k 1 v
        COMMAND GETKEYSANDFLAGS TOUCH k
    """,
    "slowlog": """
        SLOWLOG
        SLOWLOG BOGUS
        SLOWLOG HELP
        SLOWLOG GET abc
        SLOWLOG GET -2
        SLOWLOG GET 1 2
        SLOWLOG LEN x
        SLOWLOG RESET x
        SLOWLOG RESET
        SLOWLOG LEN
        SLOWLOG GET
        SLOWLOG GET -1
        SLOWLOG GET 0
        CONFIG SET slowlog-log-slower-than -1
        GET k
        SLOWLOG LEN
    """,
    "latency": """
        LATENCY
        LATENCY BOGUS
        LATENCY HELP
        LATENCY LATEST
        LATENCY LATEST x
        LATENCY HISTORY
        LATENCY HISTORY nosuch
        LATENCY RESET
        LATENCY RESET nosuch
        LATENCY RESET a b
        LATENCY GRAPH nosuch
        LATENCY GRAPH
        LATENCY DOCTOR x
        LATENCY HISTOGRAM nosuch
    """,
    "info-selection": """
        INFO nosuchsection
        INFO nosuch nosuch2
        INFO ""
    """,
}


@parametrize_scripts(SCRIPTS, MODES)
def test_server(pair: Pair, script: Script, mode: str) -> None:
    # LOLWUT prints art, and CONFIG REWRITE fails on servers that were started without a file on both
    pair.compare(script, mode)


# -- COMMAND


def _registered() -> set[str]:
    from mtredis.registry.command import load_families

    commands = load_families()
    names = {name.decode() for name in commands}
    return names | {each.name.decode() for command in commands.values() for each in command.subcommands.values()}


def _names(server: Server) -> set[str]:
    with server.connect() as connection:
        return {item.data.decode() for item in connection.command("COMMAND", "LIST").data}


def _info(server: Server, name: str) -> Value:
    with server.connect(3) as connection:
        return Value("array", connection.command("COMMAND", "INFO", name).data)


# Facts of Redis's table that depend on what the server has (arguments that only modules, clusters or ACL rules use)
def _normal_info(value: Value) -> object:
    """A COMMAND INFO entry as comparable facts; order inside sets does not count."""
    name, arity, flags, first, last, step, categories, _tips, key_specs, _subcommands = value.data
    return {
        "name": name.data,
        "arity": arity.data,
        "flags": {flag.data for flag in flags.data},
        "keys": (first.data, last.data, step.data),
        "categories": {category.data for category in categories.data},
        "specs": repr(_sorted(key_specs)),
    }


def _sorted(value: Value) -> object:
    plain = value.plain()

    def walk(item: object) -> object:
        if isinstance(item, dict):
            return sorted((key, walk(each)) for key, each in item.items() if key != b"notes")
        if isinstance(item, list):
            walked = [walk(each) for each in item]
            return sorted(walked, key=repr) if all(isinstance(each, bytes) for each in item) else walked
        return item

    return walk(plain)


def test_command_info_agrees_for_every_command(pair: Pair) -> None:
    differing = {}
    for name in sorted(_names(pair.subject)):
        ours, theirs = (_info(server, name).data[0] for server in (pair.subject, pair.oracle))
        assert theirs.kind == "array", f"Redis has no command {name}"
        mine, other = _normal_info(ours), _normal_info(theirs)
        if mine != other:
            assert isinstance(mine, dict)
            assert isinstance(other, dict)
            differing[name] = {key: (mine[key], other[key]) for key in mine if mine[key] != other[key]}
    assert differing == {}


def test_command_docs_agree_for_every_command(pair: Pair) -> None:
    """Group, since, arguments: the same tree. Summaries are our own words, complexity may be."""
    differing: dict[str, object] = {}
    with pair.subject.connect(3) as ours, pair.oracle.connect(3) as theirs:
        for name in sorted(_names(pair.subject)):
            mine, other = (each.command("COMMAND", "DOCS", name).plain() for each in (ours, theirs))
            ((_, my_docs),), ((_, other_docs),) = mine.items(), other.items()
            assert my_docs.get(b"summary") or not other_docs.get(b"summary"), f"{name} has no summary"
            # `since` and the arguments of containers live in their subcommands
            for field in (b"since", b"group", b"arguments"):
                if _without_notes(my_docs.get(field)) != _without_notes(other_docs.get(field)):
                    differing[f"{name} {field.decode()}"] = (my_docs.get(field), other_docs.get(field))
    assert differing == {}


def _without_notes(value: object) -> object:
    """Argument trees without what only says when something came or which words describe it."""
    if isinstance(value, dict):
        unwanted = {b"since", b"summary", b"deprecated_since", b"display_text"}
        return {
            key: sorted(each) if key == b"flags" else _without_notes(each)
            for key, each in value.items()
            if key not in unwanted
        }
    if isinstance(value, list):
        return [_without_notes(each) for each in value]
    return value


def test_command_bare_count_and_list_agree_with_each_other(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            table = connection.command("COMMAND")
            names = {entry.data[0].data for entry in table.data}
            assert connection.command("COMMAND", "COUNT").data == len(names)
            listed = {item.data for item in connection.command("COMMAND", "LIST").data}
            assert names == {name for name in listed if b"|" not in name}


@pytest.mark.parametrize(
    "category", ["read", "write", "keyspace", "string", "bitmap", "fast", "dangerous", "connection"]
)
def test_command_list_by_category(pair: Pair, category: str) -> None:
    ours = _names(pair.subject)
    with pair.subject.connect() as mine, pair.oracle.connect() as other:
        replies = [
            {item.data.decode() for item in each.command("COMMAND", "LIST", "FILTERBY", "ACLCAT", category).data}
            for each in (mine, other)
        ]
    assert replies[0] == replies[1] & ours


# -- INFO


_SECTIONS = ("server", "clients", "memory", "stats", "cpu", "commandstats", "errorstats", "keyspace", "latencystats")


def info_of(server: Server, *sections: str) -> dict[str, dict[str, str]]:
    """INFO as {section: {field: text}}."""
    text = server.command_once("INFO", *sections).data.decode()
    result: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            result[line[2:]] = {}
        elif line:
            name, _, value = line.partition(":")
            next(reversed(result.values()))[name] = value
    return result


@pytest.mark.parametrize("section", _SECTIONS)
def test_info_section(pair: Pair, section: str) -> None:
    found = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET",), ("SET", "t", "v", "EX", "100")])
        found.append(info_of(server, section))
    assert list(found[0]) == list(found[1]), "the title"
    ((_, ours), (_, theirs)) = (next(iter(each.items())) for each in found)
    assert ours or not theirs
    if section in {"commandstats", "latencystats", "errorstats", "keyspace"}:
        wanted = {"commandstats": "cmdstat_set", "latencystats": "latency_percentiles_usec_set", "keyspace": "db0"}
        name = wanted.get(section, "errorstat_ERR")
        assert name in theirs
        assert [part.partition("=")[0] for part in ours[name].split(",")] == [
            part.partition("=")[0] for part in theirs[name].split(",")
        ]


_FIELDS = {
    "server": "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz"
    " config_file",
    "clients": "connected_clients maxclients client_recent_max_input_buffer client_recent_max_output_buffer"
    " blocked_clients pubsub_clients watching_clients total_watched_keys",
    "memory": "used_memory used_memory_human used_memory_rss used_memory_peak maxmemory maxmemory_human"
    " maxmemory_policy mem_fragmentation_ratio used_memory_dataset used_memory_overhead total_system_memory",
    "stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes"
    " total_net_output_bytes rejected_connections expired_keys evicted_keys"
    " keyspace_hits keyspace_misses pubsub_channels"
    " pubsub_patterns total_error_replies total_reads_processed total_writes_processed",
    "cpu": "used_cpu_sys used_cpu_user",
}


@pytest.mark.parametrize("section", list(_FIELDS))
def test_info_has_the_fields_that_tools_read(pair: Pair, section: str) -> None:
    for server in (pair.oracle, pair.subject):
        fields = next(iter(info_of(server, section).values()))
        assert [name for name in _FIELDS[section].split() if name not in fields] == []


def test_info_counts(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        before = info_of(server, "stats")["Stats"]
        with server.connect() as connection:
            connection.pipeline([("SET", "a", "1"), ("GET", "a"), ("GET", "a"), ("GET", "b"), ("EXISTS", "a", "c")])
            connection.pipeline([("SET", "e", "1", "PXAT", "1"), ("INCR", "a"), ("NOSUCH",), ("GET",)])
            counted = info_of(server, "stats")["Stats"]
            assert int(counted["keyspace_hits"]) - int(before["keyspace_hits"]) == 3
            assert int(counted["keyspace_misses"]) - int(before["keyspace_misses"]) == 2
            assert int(counted["total_error_replies"]) - int(before["total_error_replies"]) == 2
            assert int(counted["total_commands_processed"]) - int(before["total_commands_processed"]) >= 7
            commands = info_of(server, "commandstats")["Commandstats"]
            assert commands["cmdstat_get"].startswith("calls=3,")
            assert "rejected_calls=1" in commands["cmdstat_get"]
            errors = info_of(server, "errorstats")["Errorstats"]
            assert errors["errorstat_ERR"] == "count=2"


def test_info_everything_and_several_sections(pair: Pair) -> None:
    titles = []
    for server in (pair.subject, pair.oracle):
        server.command_once("SET", "k", "v")
        titles.append(
            [set(info_of(server, *words)) for words in ((), ("default",), ("memory", "cpu"), ("CPU",), ("all",))]
        )
    for mine, other in zip(*titles, strict=True):
        essential = {"Server", "Clients", "Memory", "Stats", "CPU", "Keyspace", "Commandstats"} & other
        assert essential <= mine


# -- CONFIG


def test_every_parameter_has_redis_name_and_default(pair: Pair) -> None:
    """What CONFIG GET * of mtredis lists with a name that Redis has, has Redis's default (but for the listed)."""
    own_reasons = re.compile(
        rb"port|bind|dir|save|unixsocket|pidfile|logfile|io-threads|loglevel|locale-collate|maxclients|proc-title|"
        rb"oom-score|bgsave-cpulist|server-cpulist|enable-debug|appendonly|maxmemory-clients|.*log"
    )
    tables = []
    for server in (pair.subject, pair.oracle):
        with server.connect(3) as connection:
            tables.append(connection.command("CONFIG", "GET", "*").plain())
    mine, other = tables
    assert len(mine) > 30
    different = {
        name: (mine[name], other[name])
        for name in mine.keys() & other.keys()
        if mine[name] != other[name] and not own_reasons.match(name)
    }
    assert different == {}


def test_config_rewrite_keeps_comments(serve: Callable[..., Server]) -> None:
    server = serve(config_text="# a comment of mine\nmaxmemory 100mb\n\n# another\ntimeout 0\n")
    path = server.folder / "server.conf"
    with server.connect() as connection:
        assert connection.command("CONFIG", "SET", "maxmemory", "200mb", "slowlog-max-len", "99") == OK
        assert connection.command("CONFIG", "REWRITE") == OK
    text = path.read_text()
    assert "# a comment of mine\n" in text
    assert "# another\n" in text
    assert re.search(r"^maxmemory 200mb$", text, re.MULTILINE)
    assert re.search(r"^slowlog-max-len 99$", text, re.MULTILINE)
    assert "100mb" not in text


# -- SLOWLOG, LATENCY, MONITOR


def test_slowlog_records(pair: Pair) -> None:
    records = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.command("CLIENT", "SETNAME", "slow-one")
            connection.command("CONFIG", "SET", "slowlog-log-slower-than", "0")
            connection.pipeline(
                [
                    ("SLOWLOG", "RESET"),
                    ("SET", "k", "v" * 300),
                    ("MSET", *[f"{i}" for i in range(80)]),
                    ("DEBUG", "SLEEP", "0.02"),
                    ("MULTI",),
                    ("GET", "k"),
                    ("EXEC",),
                    ("CONFIG", "SET", "slowlog-log-slower-than", "-1"),
                ]
            )
            entries = connection.command("SLOWLOG", "GET", "-1").data
            host, port = connection.socket.getsockname()
            for entry in entries:
                assert entry.data[4].data == f"{host}:{port}".encode()
                assert entry.data[5].data == b"slow-one"
                assert abs(entry.data[1].data - time.time()) < 100
            assert max(entry.data[2].data for entry in entries) >= 20_000
            numbers = [entry.data[0].data for entry in entries]
            assert numbers == sorted(numbers, reverse=True)
            records.append([entry.data[3] for entry in entries])
            assert connection.command("SLOWLOG", "LEN").data == len(entries)
            assert len(connection.command("SLOWLOG", "GET", "2").data) == 2
            connection.command("CONFIG", "SET", "slowlog-max-len", "1")
    assert records[0] == records[1]


def test_latency_events(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect() as connection:
            connection.command("CONFIG", "SET", "latency-monitor-threshold", "20")
            started = time.monotonic()
            connection.command("DEBUG", "SLEEP", "0.05")
            longest = (time.monotonic() - started) * 1000
            latest = connection.command("LATENCY", "LATEST").data
            assert [item.data for item in latest[0].data[:1]] == [b"command"]
            assert 50 <= latest[0].data[2].data <= longest + 1
            assert latest[0].data[2] == latest[0].data[3]
            history = connection.command("LATENCY", "HISTORY", "command").data
            assert history[0].data[1].data == latest[0].data[2].data
            assert b"command" in connection.command("LATENCY", "GRAPH", "command").data
            assert connection.command("LATENCY", "RESET", "command") == Value("integer", 1)
            assert connection.command("LATENCY", "LATEST") == Value("array", ())


def test_latency_histogram(pair: Pair) -> None:
    for server in (pair.subject, pair.oracle):
        with server.connect(3) as connection:
            connection.pipeline([("SET", "k", "v")] * 10 + [("GET", "k")] * 5)
            plain = connection.command("LATENCY", "HISTOGRAM", "set", "get").plain()
            assert plain[b"set"][b"calls"] == 10
            buckets = plain[b"set"][b"histogram_usec"]
            assert list(buckets.values()) == sorted(buckets.values())
            assert max(buckets.values()) == 10
            assert plain[b"get"][b"calls"] == 5
            assert b"client|id" not in plain


def test_monitor_shows_what_clients_do(pair: Pair) -> None:
    shown = []
    for server in (pair.subject, pair.oracle):
        with server.connect() as monitor, server.connect() as worker:
            assert monitor.command("MONITOR") == OK
            requests = [
                ("SET", "k", b'a "b"\r\n\x00\xff\\'), ("get", "k"), ("SELECT", "3"), ("SET", "x", "1"), ("NOSUCH", "a"),
                ("GET",), ("MULTI",), ("SET", "y", "2"), ("EXEC",), ("AUTH", "default", "secret"),
                ("HELLO", "2", "AUTH", "default", "pw"), ("CONFIG", "GET", "maxmemory"), ("ECHO", ""), ("PING", "last"),
            ]  # fmt: skip
            worker.pipeline(requests)
            lines = []
            while not lines or b"last" not in lines[-1]:
                lines.append(monitor.read().data)
            host, port = worker.socket.getsockname()
            assert all(f"{host}:{port}]".encode() in line for line in lines)
            shown.append([re.sub(rb"^[\d.]+ \[(\d+) [\d.:]+\]", rb"[\1]", line) for line in lines])
            assert re.match(rb"\d{10}\.\d{6} \[0 ", lines[0])
    assert shown[0] == shown[1]


def test_monitor_and_other_commands(pair: Pair) -> None:
    pair.compare("MONITOR\nRESET\nPING\nMONITOR\n^ QUIT", "resp2")


# -- SHUTDOWN, DEBUG


@pytest.mark.parametrize("words", [(), ("NOSAVE",), ("SAVE", "NOW"), ("NOW", "FORCE", "NOSAVE")])
def test_shutdown_ends_the_server(serve: Callable[..., Server], words: tuple[str, ...]) -> None:
    server = serve()
    with server.connect() as connection:
        connection.send("SHUTDOWN", *words)
        assert connection.read_until_close() == [CLOSED]
    assert server.process is not None
    assert server.process.wait(60) == 0


def test_debug_is_refused_unless_enabled(serve_pair: Callable[..., Pair]) -> None:
    serve_pair(enable_debug_command="no").compare("DEBUG SLEEP 0\nDEBUG\nDEBUG HELP\nDEBUG BOGUS\nDEBUG OBJECT k")


def test_debug_local_is_allowed_from_here(serve_pair: Callable[..., Pair]) -> None:
    serve_pair(enable_debug_command="local").compare("DEBUG SLEEP 0")


def test_out_of_memory(serve_pair: Callable[..., Pair]) -> None:
    pair = serve_pair(maxmemory="1", maxmemory_policy="noeviction")
    pair.compare(
        """
        SET k v
        GET k
        APPEND k v
        INCR n
        SETRANGE k 0 a
        DEL k
        MSET a 1
        EXPIRE k 1
        MULTI
        SET k v
        EXEC
        MULTI
        GET k
        EXEC
        CONFIG SET maxmemory 0
        SET k v
        GET k
        """,
        "resp2",
    )


@pytest.mark.mtredis_only
def test_every_command_is_tested() -> None:
    """A command that is registered and stands in no request list of these tests fails here."""
    import importlib
    from pathlib import Path

    covered: set[str] = set()
    folder = Path(__file__).parent
    for path in sorted(folder.glob("test_*.py")):
        module = importlib.import_module(f"tests.conformance.{path.stem}")
        for table in vars(module).values():
            if isinstance(table, dict) and all(isinstance(each, str | list) for each in table.values()):
                for script in table.values():
                    if isinstance(script, str) or all(isinstance(line, str | tuple) for line in script):
                        covered |= commands_of(script)
    covered |= set(_TESTED_BY_FUNCTIONS)
    assert sorted(_registered() - covered) == []


_TESTED_BY_FUNCTIONS = {
    "monitor": test_monitor_shows_what_clients_do,
    "info": test_info_section,
    "shutdown": test_shutdown_ends_the_server,
    "command": test_command_bare_count_and_list_agree_with_each_other,
    "command|list": test_command_list_by_category,
    "latency|histogram": test_latency_histogram,
    "bgrewriteaof": test_aof.test_a_rewrite,
    "waitaof": test_aof.test_waitaof,
}


@parametrize_scripts({"shape": "COMMAND INFO get\nCOMMAND INFO config|get\nCOMMAND INFO get nosuch set"}, PLAIN_MODES)
def test_command_info_shape(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode, how={"command|info": lambda a, b: same_shape(a, b) or len(a.data) == len(b.data)})


def test_addresses_that_cannot_be_had_are_refused_and_the_old_ones_stay(either: DurableServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refusal = b"ERR CONFIG SET failed (possibly related to argument '%b') - %b"
        with either.connect() as client:
            assert client.command("CONFIG", "SET", "bind", "999.999.999.999").data == refusal % (
                b"bind", b"Failed to bind to specified addresses."
            )  # fmt: skip
            assert client.command("CONFIG", "SET", "port", port).data == refusal % (
                b"port", b"Unable to listen on this port. Check server logs."
            )  # fmt: skip
        assert either.command("PING").data == b"PONG"
