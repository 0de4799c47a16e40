"""MEMORY, defragmentation's parameters and the fields of INFO memory, beside redis-server."""

import pytest

from tests.support.differential import Pair, Script, parametrize_scripts
from tests.support.servers import Server

SCRIPTS: dict[str, Script] = {
    "parameters": """
        CONFIG GET active-defrag-*
        CONFIG GET activedefrag
        CONFIG SET active-defrag-ignore-bytes 0
        CONFIG SET active-defrag-ignore-bytes 5mb
        CONFIG SET active-defrag-threshold-lower 1001
        CONFIG SET active-defrag-threshold-lower -1
        CONFIG SET active-defrag-threshold-upper x
        CONFIG SET active-defrag-cycle-min 0
        CONFIG SET active-defrag-cycle-max 100
        CONFIG SET active-defrag-max-scan-fields 0
        CONFIG SET active-defrag-threshold-lower 5 active-defrag-cycle-max 50
        CONFIG SET activedefrag maybe
        CONFIG GET active-defrag-*
    """,
    "purge": """
        SET k v
        MEMORY PURGE
        MEMORY PURGE x
        GET k
        MEMORY DOCTOR x
        MEMORY STATS x
        MEMORY
    """,
}


@parametrize_scripts(SCRIPTS)
def test_as_redis(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


def fields(server: Server, section: str) -> list[str]:
    with server.connect() as connection:
        text = connection.command("INFO", section).data.decode()
    return [line.partition(":")[0] for line in text.split("\r\n") if ":" in line]


@pytest.mark.parametrize("section", ["memory", "stats"])
def test_info_has_the_fields_of_redis(pair: Pair, section: str) -> None:
    ours = fields(pair.subject, section)
    assert [name for name in fields(pair.oracle, section) if name not in ours] == []
