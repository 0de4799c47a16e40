"""The composition root: names under which commands are published, and the thresholds it passes on."""

from collections.abc import Iterator

import pytest
from mtredis.executor.executor import Executor

from mtredis import server
from mtredis.errors import ConfigError
from mtredis.ops.config import Config, RenamedCommand
from mtredis.registry import command as registry
from mtredis.registry import table
from tests.support.core import publish_registry


@pytest.fixture
def config() -> Iterator[Config]:
    registry.load_families()
    before = dict(registry.REGISTRY.commands)
    yield Config()
    registry.REGISTRY.commands.clear()
    registry.REGISTRY.commands.update(before)
    publish_registry()


def rename(config: Config, old: str, new: str) -> None:
    config.renamed_commands.append(RenamedCommand(old, new, "/etc/mtredis.conf:7"))


def test_every_command_is_published(config: Config) -> None:
    server.publish_commands(config)
    assert set(table.statistics()) == {command.name for command in registry.REGISTRY.walk()}


def test_a_renamed_command_is_found_by_its_new_name_only(config: Config) -> None:
    get = registry.REGISTRY.commands[b"get"]
    rename(config, "GET", "Fetch")
    server.publish_commands(config)
    assert registry.REGISTRY.commands[b"fetch"] is get
    assert b"get" not in registry.REGISTRY.commands


def test_a_command_can_be_removed(config: Config) -> None:
    rename(config, "flushall", "")
    server.publish_commands(config)
    assert b"flushall" not in registry.REGISTRY.commands
    assert b"flushall" in table.statistics()   # its counters stay where its id says


@pytest.mark.parametrize(("old", "new"), [("nosuch", "x"), ("get", "set")])
def test_a_rename_that_cannot_be_names_file_and_line(config: Config, old: str, new: str) -> None:
    rename(config, old, new)
    with pytest.raises(ConfigError, match="/etc/mtredis.conf:7") as caught:
        server.publish_commands(config)
    assert f"rename-command {old} {new}" in str(caught.value)


@pytest.mark.parametrize(
    ("slow", "latency", "threshold"),
    [(-1, 0, -1), (10_000, 0, 10_000), (0, 0, 0), (-1, 5, 5000), (10_000, 5, 5000), (100, 5, 100)],
)
def test_the_lower_threshold_of_slow_log_and_latency_counts(
    config: Config, slow: int, latency: int, threshold: int
) -> None:
    made = server.Server(config)
    config.set_many([("slowlog-log-slower-than", str(slow)), ("latency-monitor-threshold", str(latency))])
    assert made.slow_threshold() == threshold == made.dispatcher.slow_threshold


def test_version_and_help_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert server.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mtredis server v=")
    assert server.main(["--help"]) == 0
    assert "--port" in capsys.readouterr().out


def test_a_bad_parameter_stops_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert server.main(["--no-such-parameter", "1"]) == 1
    assert "no-such-parameter" in capsys.readouterr().err


def test_a_directory_of_clients_follows_the_executor(config: Config) -> None:
    made = server.Server(config)
    assert isinstance(made.executor, Executor)
    assert len(made.clients) == 0 and made.clients.values() == [] and made.clients.get(1) is None
    assert made.describe().startswith("mtredis ") and "workers, pid" in made.describe()
