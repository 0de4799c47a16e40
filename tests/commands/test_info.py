"""INFO's sections, with stand-ins for the parts of a server."""

from types import SimpleNamespace
from typing import Any

import pytest

from mtredis.commands.server import info
from mtredis.durability.loading import Loading
from mtredis.durability.saving import Saver
from mtredis.durability.snapshots import Snapshots
from mtredis.executor.blocking import Blocking
from mtredis.executor.defragmentation import Defragmentation
from mtredis.executor.eviction import Eviction
from mtredis.executor.transaction import Watches
from mtredis.keyspace.memory import MemoryAccount
from mtredis.lib.meter import Meter
from mtredis.ops.config import Config
from mtredis.ops.latency import Histogram
from mtredis.ops.statistics import CommandCounts, Rate
from tests.support.keyspace_context import KeyspaceContext


class CountedSurvey:
    """The executor's survey of its connections, which INFO may ask for once."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, int]:
        self.calls += 1
        return {"normal": 100, "pubsub": 20, "backlog": 0, "largest_input": 7, "largest_output": 9}


@pytest.fixture
def ctx() -> Any:
    context = KeyspaceContext()
    server = context.server
    server.config = Config()
    server.config.assign("latency-tracking-info-percentiles", (50.0, 99.9))
    worker = SimpleNamespace(statistics=lambda: {"connections": 2, "reads": 5, "writes": 4, "commands": 9})
    counts = [0] * 168
    counts[7] = 3
    server.started = context.now / 1000 - 90_000
    server.redis_version, server.run_id, server.replication_id = "8.0.6", "r" * 40, "i" * 40
    server.supervisor = SimpleNamespace(active=True)
    server.background = SimpleNamespace(pending=0, completed=0)
    server.clients, server.workers = [object()] * 3, [worker, worker]
    server.dispatcher = SimpleNamespace(postponed=[], commands=50)
    server.executor = SimpleNamespace(
        survey=CountedSurvey(), driven_loops=2, rounds=10, driven_reads=6, driven_writes=8
    )
    server.watches = Watches(server.keyspace)
    server.blocking = Blocking(server.keyspace, [{}], {}, lambda gate, in_force: None)
    server.memory = MemoryAccount(server.keyspace, Meter())
    server.eviction = Eviction(server.keyspace, server.memory)
    server.defragmentation = Defragmentation(server.keyspace, server.memory)
    server.eviction.evicted_clients = 3
    server.shared = SimpleNamespace(
        statistics=lambda: {
            "accepted": 4, "rejected": 1, "connected": 3, "output_limit_closed": 0, "query_limit_closed": 0,
        }
    )  # fmt: skip
    server.context = SimpleNamespace(dirty=5)
    server.snapshots = Snapshots(lambda function: None)
    server.saver = Saver(server)
    server.loading = Loading(lambda when, function: None, lambda: 0, lambda is_shut: None)
    server.aof = SimpleNamespace(
        statistics=lambda: {"aof_enabled": 0}, sizes=dict, log=SimpleNamespace(backlog_length=0)
    )
    server.pubsub = SimpleNamespace(
        statistics=lambda: dict.fromkeys(
            ("pubsub_clients", "pubsub_channels", "pubsub_patterns", "pubsubshard_channels"), 0
        )
    )
    server.statistics = SimpleNamespace(
        of_workers=lambda: dict.fromkeys("net_in net_out commands hits misses protocol_errors".split(), 2)
        | {"reads": 10, "writes": 8},
        of_commands=lambda: {b"config|get": CommandCounts(4, 10, 1, 2)},
        of_errors=lambda: {"ERR": 3, "A:B#C": 1},
        histograms=lambda: iter([(SimpleNamespace(name=b"config|get"), Histogram(counts))]),
        errors={"WRONGPASS": 5}, error_replies=7, bugs=0,
        busy=lambda: 1, busy_rate=Rate(),
        commands_rate=Rate(), input_rate=Rate(), output_rate=Rate(), rounds_rate=Rate(),
    )  # fmt: skip
    return context


def sections(ctx: KeyspaceContext, *words: str) -> dict[str, dict[str, str]]:
    text = ctx.run("INFO", *words).decode()
    found: dict[str, dict[str, str]] = {}
    for block in text.removesuffix("\r\n").split("\r\n\r\n") if text else []:
        title, *lines = block.split("\r\n")
        found[title.removeprefix("# ")] = dict(line.split(":", 1) for line in lines)
    return found


DEFAULT = "Server Clients Memory Persistence Threads Stats Replication CPU Modules Errorstats Cluster Keyspace Keysizes"


def test_the_default_sections(ctx: KeyspaceContext) -> None:
    assert list(sections(ctx)) == DEFAULT.split()
    assert list(sections(ctx, "DEFAULT")) == DEFAULT.split()


@pytest.mark.parametrize("word", ["all", "Everything"])
def test_all_sections(ctx: KeyspaceContext, word: str) -> None:
    assert set(sections(ctx, word)) - set(DEFAULT.split()) == {"Commandstats", "Latencystats"}


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        (("memory", "CPU"), ["Memory", "CPU"]),
        (("cpu", "cpu", "nosuch"), ["CPU"]),
        (("module_list",), ["Modules"]),
        (("debug",), ["Debug"]),
        (("commandstats", "default"), [*DEFAULT.split()[:9], "Commandstats", *DEFAULT.split()[9:]]),
        (("nosuch",), []),
        (("",), []),
    ],
)
def test_chosen_sections(ctx: KeyspaceContext, words: tuple[str, ...], titles: list[str]) -> None:
    assert list(sections(ctx, *words)) == titles


def test_the_connections_are_surveyed_once(ctx: KeyspaceContext) -> None:
    sections(ctx, "everything")
    assert ctx.server.executor.survey.calls == 1
    sections(ctx, "server", "keyspace")
    assert ctx.server.executor.survey.calls == 1


def test_values(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "a", "1")
    ctx.run("SET", "b", "1", "EX", "100")
    found = sections(ctx, "everything")
    assert (found["Server"]["redis_version"], found["Server"]["process_supervised"]) == ("8.0.6", "systemd")
    assert (found["Server"]["uptime_in_seconds"], found["Server"]["uptime_in_days"]) == ("90000", "1")
    assert (found["Server"]["io_threads_active"], found["Server"]["io_threads_driven_by_executor"]) == ("0", "2")
    assert found["Server"]["listener0"] == "name=tcp,bind=*,bind=-::*,port=6379"
    assert (found["Clients"]["connected_clients"], found["Clients"]["client_recent_max_input_buffer"]) == ("3", "7")
    assert found["Memory"]["mem_clients_normal"] == "120"
    assert found["Threads"]["io_thread_1"] == "clients=2,reads=5,writes=4,served=9"
    assert (found["Stats"]["total_commands_processed"], found["Stats"]["total_error_replies"]) == ("52", "9")
    assert (found["Stats"]["io_threaded_reads_processed"], found["Stats"]["acl_access_denied_auth"]) == ("4", "5")
    assert (found["Stats"]["evicted_keys"], found["Stats"]["evicted_clients"]) == ("0", "3")
    assert found["Persistence"]["rdb_changes_since_last_save"] == "5"
    assert found["Replication"]["master_replid"] == "i" * 40
    assert found["Commandstats"] == {
        "cmdstat_config|get": "calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=2"
    }
    assert found["Errorstats"] == {"errorstat_ERR": "count=3", "errorstat_A_B_C": "count=1"}
    assert found["Latencystats"] == {"latency_percentiles_usec_config|get": "p50=1.031,p99.9=1.031"}
    assert found["Keyspace"].keys() == {"db0"}
    assert found["Keyspace"]["db0"].startswith("keys=2,expires=1,avg_ttl=")


def test_without_latency_tracking_there_are_no_percentiles(ctx: KeyspaceContext) -> None:
    ctx.server.config.assign("latency-tracking", False)
    assert sections(ctx, "latencystats") == {"Latencystats": {}}


def test_every_section_describes_itself() -> None:
    assert all(section.lines.__doc__ for section in info.SECTIONS)
    names = [name for section in info.SECTIONS for name in section.names]
    assert len(names) == len(set(names))
