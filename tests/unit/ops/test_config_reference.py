"""The generated file and --help: complete, up to date, and harmless."""

import re
from pathlib import Path

from mtredis.ops.config import Config
from mtredis.ops.config_file import Options, load
from mtredis.ops.config_reference import reference, usage
from mtredis.ops.parameters import CATALOGUE

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_committed_file_is_up_to_date() -> None:
    written = (CONFIGS / "mtredis.conf").read_text()
    assert written == reference(), "run: python -m mtredis.ops.config_reference > configs/mtredis.conf"


def test_the_file_as_it_is_changes_nothing() -> None:
    assert load(Options(str(CONFIGS / "mtredis.conf"))).get("*") == Config().get("*")


def test_every_parameter_stands_in_it_with_its_default(tmp_path: Path) -> None:
    settings = re.findall(r"^#([a-z].*)$", reference(), re.MULTILINE)
    assert {line.split()[0] for line in settings} == {each.name for each in CATALOGUE.parameters if not each.hidden}
    path = tmp_path / "all.conf"
    path.write_text("\n".join(line for line in settings if not CATALOGUE.by_name[line.split()[0]].default_note))
    assert load(Options(str(path))).get("*") == Config().get("*")


def test_lines_are_short() -> None:
    assert max(map(len, reference().splitlines())) <= 120


def test_help_names_every_parameter() -> None:
    text = usage()
    assert text.startswith("Usage: mtredis-server [CONFIG]")
    for parameter in CATALOGUE.parameters:
        assert (f"  --{parameter.name} " in text) is not parameter.hidden


def test_the_cache_configuration_loads() -> None:
    config = load(Options(str(CONFIGS / "cache.conf")))
    assert config.maxclients == 60000
    assert config.client_output_buffer_limit["normal"].seconds == 30


def test_the_durable_configuration_loads() -> None:
    config = load(Options(str(CONFIGS / "durable.conf")))
    assert config.appendonly
    assert config.appendfsync == "always"
    assert not config.no_appendfsync_on_rewrite
    assert config.maxmemory_policy == "noeviction"
