"""SIGKILL at random moments, and a look at what the restart brings back: `python -m tests.crash.kill --rounds 300`.

Idea: a storm of numbered writes (tests/support/storm.py) runs against a server on a folder that stays. In each round
something may go on besides (a rewrite, a save, a switch of the AOF), the server is killed at a random moment, perhaps
killed again while it loads, started, and judged: what it holds has to be a state that its settings promise.

| mode | what has to be there after a kill of the process |
|---|---|
| always, no | everything acknowledged: it was written before the reply left, and the page cache survives |
| everysec | everything acknowledged more than 2 s before: a write may wait that long for an fsync that is under way |
| rdb | the data of one moment, not earlier than the last BGSAVE that was seen to end |
| switch | as rdb, up to the moment when the rewrite of CONFIG SET appendonly yes was seen to end; then as always |
| mixed | as always, with saves, rewrites and both formats of the base file |

Limits: one machine, no power loss (tests/crash/test_power.py has that).
"""

import argparse
import contextlib
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.durable import CONTENDERS, DurableServer
from tests.support.resp import Connection
from tests.support.servers import ServerFailed
from tests.support.storm import Judgement, Storm

MODES = ("always", "everysec", "no", "rdb", "switch", "mixed")
EVERYSEC_MS = 2500
LIFE_SECONDS = (0.02, 0.5)
SAVE_DELAYS_US = (0, 0, 200, 2000)
AOF = {"appendonly": "yes", "auto-aof-rewrite-min-size": "300kb", "auto-aof-rewrite-percentage": "100"}


@dataclass
class Report:
    """What happened in all rounds of a mode."""

    mode: str
    rounds: int = 0
    operations: int = 0
    """Acknowledged."""
    kills: Counter[str] = field(default_factory=Counter)
    rounds_with_loss: int = 0
    lost: int = 0
    """Acknowledged operations that were allowed to be lost, and were."""

    def line(self) -> str:
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.mode}: {self.rounds} rounds, {self.operations} operations acknowledged; killed: {kinds}; "
            f"lost within the promise: {self.lost} operations in {self.rounds_with_loss} rounds"
        )


class KillRounds:
    """Rounds of one mode on one folder."""

    def __init__(self, contender: str, mode: str, seed: int, clients: int = 5) -> None:
        self.mode = mode
        self.chance = random.Random(f"{mode}:{seed}")
        self.server = DurableServer(contender, **self._parameters())
        self.storm = Storm(clients, seed)
        self.report = Report(mode)
        self.floor = self.storm.acknowledged()
        """What has to be there in the modes that do not promise everything."""
        self.is_safe = mode not in ("rdb", "switch")
        """Whether all that is acknowledged has to be there."""
        self.killed_at = 0.0

    def _parameters(self) -> dict[str, str]:
        if self.mode in ("rdb", "switch"):
            return {}
        return AOF | {"appendfsync": "always" if self.mode == "mixed" else self.mode}

    def close(self) -> None:
        """The storm is over, the server and its folder are gone."""
        self.server.kill()
        with contextlib.suppress(AssertionError):
            self.storm.end()
        self.server.close()

    # -- a round

    def run(self, rounds: int) -> Report:
        """So many kills; raises Judgement when what comes back is wrong."""
        self._vary()
        self.server.start()
        for _ in range(rounds):
            self._round()
        return self.report

    def _round(self) -> None:
        started = self.storm.operations()
        acknowledged = self._live_and_die()
        self.report.operations += sum(acknowledged.values()) - started
        self._vary()
        while self.chance.random() < 0.25:
            self._die_while_loading()
        self.server.start()
        with self.server.connect(timeout=60) as connection:
            held = self.storm.judge(connection, self._least(acknowledged))
        lost = sum(acknowledged[client] - held[client] for client in held if held[client] < acknowledged[client])
        self.report.lost += lost
        self.report.rounds_with_loss += lost > 0
        self.report.rounds += 1
        self.floor = self.storm.acknowledged()

    def _least(self, acknowledged: dict[int, int]) -> dict[int, int]:
        if self.mode != "everysec":
            return acknowledged if self.is_safe else self.floor
        limit = self.killed_at - EVERYSEC_MS
        return {
            client.identity: max([client.base.number, *(number for number, _, done in client.log if done < limit)])
            for client in self.storm.clients
        }

    def _live_and_die(self) -> dict[int, int]:
        """The storm rages, something goes on besides, the server is killed; what was acknowledged by then."""
        disturbance = self.chance.choice(DISTURBANCES[self.mode])
        self.is_safe = self.mode not in ("rdb", "switch")
        self.storm.begin(lambda: self.server.connect(timeout=60))
        try:
            self._sleep(0.3)
            with self.server.connect(timeout=60) as admin:
                getattr(self, f"_{disturbance}")(admin)
            self._sleep(1.0)
        finally:
            self.killed_at = time.time() * 1000
            self.server.kill()
            self.storm.end()
        self.report.kills[disturbance] += 1
        return self.storm.acknowledged()

    def live_until_killed(self, operations: int) -> dict[int, int]:
        """The storm alone, until each client has so many acknowledged; what was acknowledged when the server died."""
        self.storm.begin(lambda: self.server.connect(timeout=60))
        try:
            self.storm.wait_for(operations)
        finally:
            self.server.kill()
            self.storm.end()
        return self.storm.acknowledged()

    def _sleep(self, share: float) -> None:
        time.sleep(share * self.chance.uniform(*LIFE_SECONDS))

    def _vary(self) -> None:
        """The next start has other settings that must make no difference; saves and rewrites may take long."""
        self.server.change(rdb_key_save_delay=self.chance.choice(SAVE_DELAYS_US))
        self.server.change(aof_use_rdb_preamble=self.chance.choice(("yes", "no")))
        self.server.change(aof_timestamp_enabled=self.chance.choice(("yes", "no")))
        if self.server.is_mtredis:
            self.server.change(io_threads=self.chance.choice((1, 2, 3)))
            self.server.change(io_threads_mode=self.chance.choice(("auto", "threads", "executor")))
        if self.mode == "switch":
            has_aof = (self.server.data / "appendonlydir" / "appendonly.aof.manifest").exists()
            self.server.change(appendonly="yes" if has_aof else "no", appendfsync="always")

    def _die_while_loading(self) -> None:
        self.server.launch()
        time.sleep(self.chance.uniform(0, 0.8 if self.server.is_mtredis else 0.1))
        self.server.kill()
        self.report.kills["while loading"] += 1

    # -- what goes on besides

    def _nothing(self, admin: Connection) -> None:
        """Only writes."""

    def _rewrite(self, admin: Connection) -> None:
        admin.command("BGREWRITEAOF")
        self._perhaps_wait("aof_rewrite_in_progress")

    def _rewrites(self, admin: Connection) -> None:
        for _ in range(3):
            admin.command("BGREWRITEAOF")
            self.server.wait_info(aof_rewrite_in_progress="0", aof_rewrite_scheduled="0")

    def _save(self, admin: Connection) -> None:
        """BGSAVE; if its end is seen, what was acknowledged at its begin has to be there from then on."""
        self._perhaps_wait("rdb_bgsave_in_progress")
        before = self.storm.acknowledged()
        reply = admin.command("BGSAVE")
        if not reply.is_error and self._perhaps_wait("rdb_bgsave_in_progress"):
            assert self.server.info()["rdb_last_bgsave_status"] == "ok"
            self.floor = before

    def _saves(self, admin: Connection) -> None:
        for _ in range(3):
            self._save(admin)
            self._sleep(0.2)

    def _save_at_once(self, admin: Connection) -> None:
        before = self.storm.acknowledged()
        assert admin.command("SAVE").data == b"OK"
        self.floor = before

    def _switch_on(self, admin: Connection) -> None:
        """CONFIG SET appendonly yes on a server that has its data in an RDB file, or already in an AOF."""
        if self.server.info()["aof_enabled"] == "0":
            self._save_at_once(admin)
        else:
            self.is_safe = True
            return
        assert admin.command("CONFIG", "SET", "appendonly", "yes").data == b"OK"
        if self._perhaps_wait("aof_rewrite_in_progress"):
            facts = self.server.info()
            self.is_safe = facts["aof_last_bgrewrite_status"] == "ok" and facts["aof_rewrite_scheduled"] == "0"

    def _switch_off(self, admin: Connection) -> None:
        """CONFIG SET appendonly no, all in an RDB file, the AOF's folder removed: a next round may switch on again."""
        assert admin.command("CONFIG", "SET", "appendonly", "no").data == b"OK"
        self._save_at_once(admin)
        shutil.rmtree(self.server.data / "appendonlydir", ignore_errors=True)

    def _perhaps_wait(self, flag: str) -> bool:
        """Half of the time: waits until it is 0; whether it did."""
        if self.chance.random() < 0.5:
            return False
        self.server.wait_info(**{flag: "0"})
        return True


DISTURBANCES = {
    "always": ("nothing", "nothing", "rewrite", "rewrites"),
    "everysec": ("nothing", "nothing", "rewrite", "rewrites"),
    "no": ("nothing", "rewrite", "rewrites"),
    "rdb": ("save", "saves", "saves", "save_at_once", "nothing"),
    "switch": ("switch_on", "switch_on", "switch_off", "nothing"),
    "mixed": ("nothing", "rewrite", "save", "saves", "rewrites"),
}


def main() -> int:
    """Rounds of the modes that are named; 1 when one went wrong (its folder is kept)."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.kill", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300, help="of each mode")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--server", choices=CONTENDERS, default="subject", help="mtredis, or redis-server")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--clients", type=int, default=5)
    arguments = parser.parse_args()
    failed = 0
    for mode in arguments.modes:
        rounds = KillRounds(arguments.server, mode, arguments.seed, arguments.clients)
        try:
            print(rounds.run(arguments.rounds).line(), flush=True)
        except (Judgement, ServerFailed, AssertionError) as failure:
            failed += 1
            kept = Path(f"/tmp/mtr-kill-{mode}-{arguments.seed}")
            shutil.copytree(rounds.server.folder, kept, dirs_exist_ok=True)
            print(f"{rounds.report.line()}\nFAILED (seed {arguments.seed}, folder {kept}): {failure}", flush=True)
        finally:
            rounds.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
