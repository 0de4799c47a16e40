"""Rounds of `python -m tests.crash.kill` in every mode, on mtredis and redis-server; and the proof that it sees."""

from pathlib import Path

import pytest

from tests.crash.kill import MODES, KillRounds
from tests.support.storm import Judgement

ROUNDS = {"subject": 4, "oracle": 2}
SEED = 4


@pytest.mark.parametrize("contender", ROUNDS)
@pytest.mark.parametrize("mode", MODES)
def test_a_killed_server_comes_back_with_what_it_promised(mode: str, contender: str) -> None:
    rounds = KillRounds(contender, mode, SEED)
    try:
        report = rounds.run(ROUNDS[contender])
    finally:
        rounds.close()
    print(report.line())
    assert report.operations > 0


def _newest_increment(folder: Path) -> Path:
    manifest = (folder / "appendonlydir" / "appendonly.aof.manifest").read_text().splitlines()
    return folder / "appendonlydir" / next(line.split()[1] for line in reversed(manifest) if " type i" in line)


@pytest.mark.parametrize("damage", ["the end is lost", "a command in the middle is lost"])
def test_a_loss_is_seen(damage: str) -> None:
    rounds = KillRounds("oracle", "always", SEED)
    rounds.server.change(auto_aof_rewrite_percentage=0)   # one increment has everything
    try:
        rounds.server.start()
        acknowledged = rounds.live_until_killed(operations=400)
        path = _newest_increment(rounds.server.data)
        data = path.read_bytes()
        middle = len(data) // 2   # what follows it is more than what can have been under way
        if damage == "the end is lost":
            path.write_bytes(data[:middle])
        else:
            start = data.index(b"*3\r\n$6\r\nINCRBY\r\n$3\r\ni:", middle)
            path.write_bytes(data[:start] + data[data.index(b"*", start + 1) :])
        rounds.server.start()
        with rounds.server.connect() as connection, pytest.raises(Judgement):
            rounds.storm.judge(connection, acknowledged)
    finally:
        rounds.close()
